# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept clients, let in those that know the token, pass their messages to the session."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from ..shared.addresses import is_loopback
from ..shared.errors import BackendError, InputError, WorldFMError
from ..shared.frame import FrameReply
from ..shared.messages import (
    PROTOCOL,
    Cancel,
    DropWorld,
    Failed,
    Frame,
    Heartbeat,
    Hello,
    Missing,
    Need,
    Preview,
    PutArray,
    PutWorld,
    Refused,
    Render,
    Welcome,
)
from ..shared.wire import MAX_FRAME_BYTES, receive_message, send_message
from .entrance import SECONDS, Entrance, Guest
from .session import Event, Load, QueuedFrame, Session
from .world_store import WorldStore

HEARTBEAT_S = 1.0
MAX_CLIENTS = 16
CLOSE_LIMIT_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listen:
    """Where to listen, and for whom. port 0 = the system chooses."""

    token: str
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if len(self.token) < 16:
            raise InputError("The token must have at least 16 characters; make a longer one.")
        if self.tls is None and not is_loopback(self.host):
            raise InputError(
                f"Listening on {self.host} needs TLS: give --tls-cert and --tls-key, or leave "
                "--host out to serve this machine only."
            )


class Server:
    """All clients of one session."""

    def __init__(
        self,
        load: Load,
        token: str,
        give_up: Callable[[WorldFMError], None],
        log: str = "the log",
    ):
        """give_up: called in the worker thread, which can go on no more; the process should end.

        log: where this process' log lies.
        """
        self._token = token.encode()
        self._clients: set[_Client] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.session = Session(load, self._tell_from_worker, give_up, log)

    async def run(
        self, listen: Listen, on_port: Callable[[int], None], stop: asyncio.Event
    ) -> bool:
        """Serve until `stop`; True when the worker has ended too, False when it still computes.

        Raises BackendError when the port is refused.
        """
        self._loop = asyncio.get_running_loop()
        remote = listen.tls is not None
        self._entrance = entrance = Entrance(local=listen.tls is None)
        if listen.tls is not None:
            entrance.limit_handshakes(listen.tls)
        try:
            server = await serve(
                cast(Any, self._accept),
                listen.host,
                listen.port,
                ssl=listen.tls,
                ssl_handshake_timeout=SECONDS if remote else None,
                origins=[None],  # a web page has an Origin; no page has business here
                compression=None,
                max_size=MAX_FRAME_BYTES,
                process_request=entrance.check_request,
                create_connection=cast(Any, entrance.connection),
                logger=entrance.websockets_log,
                ping_interval=20.0 if remote else None,
                ping_timeout=60.0,
                close_timeout=CLOSE_LIMIT_S,
            )
        except OSError as error:
            raise BackendError(
                f"Port {listen.port} of {listen.host} cannot be used ({error.strerror}); "
                "choose another one."
            ) from error
        async with server:
            on_port(next(iter(server.sockets)).getsockname()[1])
            self.session.start()
            heart = asyncio.create_task(self._beat())
            await stop.wait()
            heart.cancel()
        return await asyncio.to_thread(self.session.close, CLOSE_LIMIT_S)

    async def _accept(self, socket: Guest) -> None:
        try:
            if not await self._let_in(socket):
                return
            client = _Client(socket, self.session)
            self._clients.add(client)
            try:
                await client.serve()
            finally:
                self._clients.discard(client)
        except ConnectionClosed:
            pass  # how every client leaves
        except WorldFMError as error:
            self._entrance.log.warning("client dropped: %s", error)
            with contextlib.suppress(ConnectionClosed):
                await send_message(socket, Refused(error.code, str(error)))
            await socket.close(1002)

    async def _let_in(self, socket: Guest) -> bool:
        hello = None
        heard = asyncio.create_task(receive_message(socket, with_arrays=False))
        await asyncio.wait({heard, socket.late}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            with contextlib.suppress(BackendError):
                hello = heard.result()
        else:
            heard.cancel()
        refusal = self._refusal(hello)
        if refusal is None:
            socket.let_in()
            await send_message(socket, Welcome(PROTOCOL))
            return True
        self._entrance.log.warning("client refused: %s", refusal)
        await send_message(socket, Refused(refusal.code, str(refusal)))
        if socket.late.done():
            socket.transport.abort()  # its time is over, also for taking leave
        else:
            await socket.close(1008)
        return False

    def _refusal(self, hello: Any) -> WorldFMError | None:
        known = isinstance(hello, Hello) and hmac.compare_digest(hello.token.encode(), self._token)
        if not known:
            return BackendError(
                "The backend refused the token; enter the one that it was started with."
            )
        if hello.protocol != PROTOCOL:
            return BackendError(
                f"The backend speaks protocol {PROTOCOL} and the add-on {hello.protocol}; "
                "install the same version of WorldFM on both sides."
            )
        if len(self._clients) >= MAX_CLIENTS:
            return BackendError(
                f"The backend already serves {MAX_CLIENTS} clients; close one of them."
            )
        return None

    def _tell_from_worker(self, event: Event) -> None:
        assert self._loop is not None
        _call_in(self._loop, self._tell, event)

    def _tell(self, event: Event) -> None:
        for client in self._clients:
            client.say(event)

    async def _beat(self) -> None:
        while True:
            for client in self._clients:
                client.beat()
            await asyncio.sleep(HEARTBEAT_S)


class _Client:
    """One connection that was let in: its worlds and what goes out to it."""

    _numbers = itertools.count(1)

    def __init__(self, socket: Guest, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._number = next(self._numbers)
        self._worlds = WorldStore()
        self._lacking: dict[tuple[str, int], set[str]] = {}
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()

    def say(self, message: Any) -> None:
        """Queue a message for this client."""
        self._outbox.put_nowait(message)

    def beat(self) -> None:
        """Queue a heartbeat, unless the client is not done with what it was sent already."""
        if not self._outbox.empty():
            return
        busy = self._session.busy
        if busy is not None and busy.job.owner == self._number:
            self.say(Heartbeat(busy.job.id, time.monotonic() - busy.since, busy.stage))
        else:
            self.say(Heartbeat())

    async def serve(self) -> None:
        """Until the client leaves. Raises ConnectionClosed, or BackendError on nonsense."""
        if self._session.devices.devices:
            self.say(self._session.devices)
        self.say(self._session.status)
        writer = asyncio.create_task(self._write())
        try:
            while True:
                await self._handle(await receive_message(self._socket))
        finally:
            writer.cancel()
            self._session.drop_owner(self._number)

    async def _write(self) -> None:
        try:
            while True:
                await send_message(self._socket, await self._outbox.get())
        except ConnectionClosed:
            pass  # the reader learns of it too
        except Exception:
            _log.exception("an answer could not be sent")
            await self._socket.close(1011)

    async def _handle(self, message: Any) -> None:
        match message:
            case PutWorld():
                self._put_world(message)
            case PutArray():
                await self._put_array(message)
            case Render() | Preview():
                await self._submit(message)
            case Cancel():
                self._session.cancel(self._number, message.id)
            case DropWorld():
                self._worlds.drop(message.key)
            case _:
                raise BackendError("The client sent a message that only a backend may send.")

    def _put_world(self, manifest: PutWorld) -> None:
        names = self._worlds.put(manifest)
        if names:
            self._lacking[manifest.key, manifest.revision] = set(names)
        self.say(Need(manifest.key, manifest.revision, names))

    async def _put_array(self, message: PutArray) -> None:
        await asyncio.to_thread(self._worlds.add, message)
        for (key, revision), names in list(self._lacking.items()):
            names.discard(message.hash)
            if not names:
                del self._lacking[key, revision]
                self.say(Need(key, revision))

    async def _submit(self, message: Render | Preview) -> None:
        world = self._worlds.get(message.key, message.revision)
        if world is None:
            self.say(Missing(message.id))
            return
        view = message.view if isinstance(message, Preview) else None

        def done(answer: FrameReply | WorldFMError) -> None:
            _call_in(self._loop, self.say, _as_message(message, answer))

        idle = isinstance(message, Preview) and message.idle
        self._session.submit(
            QueuedFrame(self._number, message.id, world, message.request, done, view, idle=idle)
        )


def _as_message(asked: Render | Preview, answer: FrameReply | WorldFMError) -> Frame | Failed:
    if isinstance(answer, WorldFMError):
        return Failed(asked.id, answer.code, str(answer))
    return Frame(
        asked.id,
        answer.color,
        answer.depth,
        answer.coverage,
        answer.anchor_rgb,
        answer.world_revision,
        answer.model_name,
        answer.model_hash,
        answer.timings,
        None if answer.request is asked.request else answer.request,
        answer.alpha,
        answer.passes if isinstance(asked, Render) else {},  # viewports show the picture alone
        answer.draft,
    )


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        _log.info("an answer came after the server had closed")
