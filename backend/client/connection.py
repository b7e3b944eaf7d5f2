# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to one backend: sends worlds and requests, passes on answers, notices silence."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from ..shared.errors import BackendError, WorldError, WorldFMError, error_from_code
from ..shared.frame import FrameReply
from ..shared.messages import (
    PROTOCOL,
    Broken,
    Cancel,
    Devices,
    DropWorld,
    Failed,
    Frame,
    Heartbeat,
    Hello,
    Missing,
    Need,
    Notice,
    Preview,
    Progress,
    PutArray,
    Ready,
    Refined,
    Refused,
    Render,
    Welcome,
)
from ..shared.wire import MAX_FRAME_BYTES, receive_message, send_message
from .pending import PendingFrame, PendingFrames
from .settings import LaunchSettings
from .snapshot import Snapshot
from .threads import in_thread

TICK_S = 0.25
OPEN_LIMIT_S = 20.0
LOADING_PATIENCE = 3
LOADING_LIMIT_S = 900.0

Event = Progress | Devices | Ready | Notice | Refined


class Refusal(BackendError):
    """The backend will not come up or will not have us: trying again is of no use."""


class Unusable(Exception):
    """The backend runs but has no model; `error` says why."""

    def __init__(self, error: WorldFMError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Address:
    """Where a backend listens and what it wants to hear first."""

    url: str
    token: str
    tls: ssl.SSLContext | None = None


class Connection:
    """Carries `pending` over one WebSocket until it breaks."""

    def __init__(
        self,
        launch: LaunchSettings,
        pending: PendingFrames,
        on_event: Callable[[Event], None],
        on_frame: Callable[[], None],
    ) -> None:
        """on_event: state and remarks of the backend. on_frame: a frame has come."""
        self._launch = launch
        self._pending = pending
        self._on_event = on_event
        self._on_frame = on_frame
        self._ready = False
        self._silent_ticks = 0
        self._loading_ticks = 0
        self._needs: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._known: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self, address: Address) -> None:
        """Until it breaks: raises BackendError, a Refusal when a new attempt would be useless."""
        loop = asyncio.get_running_loop()
        try:
            socket = await self._open(address)
        except ssl.SSLCertVerificationError as error:
            raise Refusal(
                f"The certificate of {address.url} is not to be trusted ({error.verify_message}); "
                "choose the certificate file that the backend's owner gave you."
            ) from error
        except (TimeoutError, OSError, InvalidHandshake, InvalidURI, EOFError) as error:
            raise BackendError(
                f"No backend answers at {address.url} ({error}); start it, or allow the "
                "connection in the firewall."
            ) from error
        self._pending.wake = lambda: _call_in(loop, self._wake.set)
        try:
            await self._enter(socket, address.token)
            await self._carry(socket)
        except ConnectionClosed as error:
            raise BackendError(
                "The connection to the backend broke; see its log for the reason."
            ) from error
        finally:
            self._pending.wake = lambda: None
            socket.transport.abort()

    async def _open(self, address: Address) -> ClientConnection:
        options: dict[str, Any] = {} if address.tls else {"proxy": None}
        return await connect(
            address.url,
            ssl=address.tls,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=OPEN_LIMIT_S,
            ping_interval=None,  # the backend's heartbeat says more
            **options,
        )

    async def _enter(self, socket: ClientConnection, token: str) -> None:
        await send_message(socket, Hello(PROTOCOL, token))
        try:
            answer = await asyncio.wait_for(receive_message(socket), OPEN_LIMIT_S)
        except TimeoutError as error:
            raise BackendError(
                "What listens at the backend's address says nothing; check address and port."
            ) from error
        if isinstance(answer, Refused):
            raise Refusal(answer.message)
        if answer != Welcome(PROTOCOL):
            raise Refusal(
                "The backend is of another version; install the same version of WorldFM on both "
                "sides."
            )

    async def _carry(self, socket: ClientConnection) -> None:
        """Raises what ended first: reading, sending or the watch over both."""
        tasks = [
            asyncio.create_task(self._read(_Listening(socket, self._heard))),
            asyncio.create_task(self._send_pending(socket)),
            asyncio.create_task(self._watch()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self) -> None:
        self._silent_ticks = 0

    async def _read(self, socket: _Listening) -> None:
        while True:
            self._handle(await receive_message(socket))

    def _handle(self, message: Any) -> None:
        match message:
            case Frame():
                self._take_frame(message)
            case Failed():
                error = error_from_code(message.code, message.message)
                self._pending.answer(message.id, None, error)
                self._on_frame()
            case Missing():
                asked = self._pending.send_again(message.id)
                if asked is not None:
                    self._known.discard(asked.world.wire_key)
                self._wake.set()
            case Need():
                waiting = self._needs.get(message.key)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.arrays)
            case Heartbeat():
                self._check_frame(message)
            case Broken():
                raise Unusable(error_from_code(message.code, message.message))
            case Refused():
                raise BackendError(message.message)
            case Progress() | Devices() | Notice() | Refined():
                self._on_event(message)
            case Ready():
                self._ready = True
                self._on_event(message)
            case _:
                raise BackendError("The backend sent a message that only a client may send.")

    def _take_frame(self, message: Frame) -> None:
        asked = self._pending.find(message.id)
        if asked is None:
            return  # cancelled meanwhile
        reply = FrameReply(
            message.color,
            message.depth,
            message.coverage,
            message.anchor_rgb,
            message.request or asked.request,
            message.world_revision,
            message.model_name,
            message.model_hash,
            message.timings,
            message.alpha,
            message.passes,
            message.draft,
        )
        self._pending.answer(message.id, reply, None)
        self._on_frame()

    async def _send_pending(self, socket: ClientConnection) -> None:
        while True:
            self._wake.clear()
            for frame_id in self._pending.take_cancelled():
                await send_message(socket, Cancel(frame_id))
            asked = self._pending.next_unsent()
            if asked is None:
                await self._wake.wait()
                continue
            try:
                await self._send_world(socket, asked.world)
            except WorldError as error:
                self._pending.answer(asked.id, None, error)
                self._on_frame()
                continue
            if self._pending.mark_sent(asked):
                await send_message(socket, _message_for(asked))

    async def _send_world(self, socket: ClientConnection, world: Snapshot) -> None:
        """Send what the backend lacks of a world, then let it forget those not needed now."""
        if world.wire_key in self._known:
            return
        manifest = await in_thread(world.manifest)
        missing = await self._ask(socket, world.wire_key, manifest)
        while missing:
            for name in missing[:-1]:
                await send_message(socket, PutArray(name, world.array(name)))
            last = PutArray(missing[-1], world.array(missing[-1]))
            missing = await self._ask(socket, world.wire_key, last)
        self._known.add(world.wire_key)
        for stale in self._known - self._pending.worlds_in_use() - {world.wire_key}:
            self._known.discard(stale)
            await send_message(socket, DropWorld(stale))

    async def _ask(self, socket: ClientConnection, key: str, message: Any) -> tuple[str, ...]:
        """Send a message; the Need that answers it."""
        self._needs[key] = asyncio.get_running_loop().create_future()
        await send_message(socket, message)
        try:
            return await self._needs[key]
        finally:
            del self._needs[key]

    async def _watch(self) -> None:
        """Counts ticks of this loop rather than time: a suspended computer is not a hung backend.

        Raises BackendError when the backend has been silent for too long.
        """
        allowed = self._launch.silence_s / TICK_S
        while True:
            await asyncio.sleep(TICK_S)
            self._silent_ticks += 1
            if self._silent_ticks > allowed * (1 if self._ready else LOADING_PATIENCE):
                raise BackendError(
                    "The backend hung; close programs that keep this computer busy, or choose "
                    "another device."
                )
            self._loading_ticks += not self._ready
            if self._loading_ticks * TICK_S > LOADING_LIMIT_S:
                raise BackendError(
                    "The backend did not finish loading its model; choose a smaller model or "
                    "another device."
                )

    def _check_frame(self, beat: Heartbeat) -> None:
        asked = self._pending.find(beat.busy_id) if beat.busy_id else None
        if asked is None:
            return
        if asked.ticket is not None and beat.stage:
            asked.ticket.stage = beat.stage
        camera, steps = asked.request.camera, max(1, asked.request.steps)
        megapixels = max(1.0, camera.width * camera.height / 1e6)
        if beat.busy_s > self._launch.frame_limit_s * megapixels * steps:
            raise BackendError(
                "The backend hung while it rendered a frame; lower the resolution or choose "
                "another device."
            )


class _Listening:
    """A socket for receiving that tells of every piece that comes."""

    def __init__(self, socket: ClientConnection, heard: Callable[[], None]) -> None:
        self._socket = socket
        self._heard = heard

    async def recv(self) -> str | bytes:
        data = await self._socket.recv()
        self._heard()
        return data

    async def send(self, message: str | memoryview) -> None:
        await self._socket.send(message)


def _message_for(asked: PendingFrame) -> Render | Preview:
    world = asked.world
    if asked.view is not None:
        what = asked.view, asked.request, asked.idle
        return Preview(asked.id, world.wire_key, world.revision, *what)
    return Render(asked.id, world.wire_key, world.revision, asked.request)


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    # a loop that has just ended raises: the next connection looks at all of them anyway
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
