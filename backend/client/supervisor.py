# SPDX-License-Identifier: GPL-3.0-or-later
"""The thread that brings a backend up, talks to it, and replaces it when it dies or hangs."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..shared.errors import BackendError, WorldFMError
from ..shared.messages import Ready
from .connection import Address, Connection, Event, Refusal, Unusable
from .pending import PendingFrames
from .process import BackendProcess
from .settings import BackendState, LaunchSettings, RemoteBackend
from .threads import in_thread

QUICK_DEATHS = 3
BACK_OFF_S = (0.0, 0.5, 2.0)
LONG_LIFE_S = 60.0
"""A backend that was ready for so long did not die quickly."""

STOP_LIMIT_S = 1.5
DYING_S = 0.2
HOST_CHECK_S = 0.25


class Listener(Protocol):
    """Who is told how it goes; called in the supervisor's thread."""

    def set_state(self, state: BackendState, text: str) -> None: ...
    def failed(self, error: WorldFMError) -> None:
        """No backend, and no further attempt: nothing open will be answered."""

    def set_log_path(self, path: Path) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def frame_came(self) -> None: ...


class Supervisor:
    """One start(): ends when it is told to, when the host ends, or when it gives up.

    Not a daemon thread (those can hang or crash an interpreter that embeds Python at its exit):
    it looks whether the main thread is over.
    """

    def __init__(
        self,
        launch: LaunchSettings,
        pending: PendingFrames,
        listener: Listener,
        after: Supervisor | None = None,
    ) -> None:
        """after: the one this one replaces; it is waited for first."""
        self.launch = launch
        self._pending = pending
        self._listener = listener
        self._after = after
        self._deaths = 0
        self._was_ready = False
        self._gave_up = False
        self._ready_at: float | None = None
        self._stopping = threading.Event()
        self._wake_loop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="worldfm-client", daemon=False)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still has, or tries to have, a backend."""
        return self._thread.is_alive() and not self._stopping.is_set() and not self._gave_up

    def stop_soon(self) -> None:
        """Ask it to end, without waiting."""
        self._stopping.set()
        self._wake_loop()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        if self._after is not None:
            self._after._thread.join()
            self._after = None
        try:
            asyncio.run(self._supervise())
        except Exception as error:
            threading.main_thread().join(HOST_CHECK_S)
            if not threading.main_thread().is_alive():
                return  # an interpreter that is ending starts no thread; nobody waits any more
            self._fail(
                WorldFMError(
                    f"The add-on met an error it does not know ({type(error).__name__}: {error}); "
                    "start the backend again, and send the text in the system console to the "
                    "maintainers."
                )
            )
            raise

    async def _supervise(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(stop.set)

        self._wake_loop = wake
        work = asyncio.create_task(self._keep_up())
        watch = asyncio.create_task(self._watch_host(stop))
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wake_loop = lambda: None
            watch.cancel()
            work.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
        if not work.cancelled():
            work.result()  # a bug surfaces with its traceback

    async def _watch_host(self, stop: asyncio.Event) -> None:
        while not self._stopping.is_set() and threading.main_thread().is_alive():
            try:
                await asyncio.wait_for(stop.wait(), HOST_CHECK_S)
            except TimeoutError:
                continue

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._one_life()
            except (Refusal, Unusable) as error:
                self._fail(error.error if isinstance(error, Unusable) else error)
                return
            except BackendError as error:
                if not self._try_again(error):
                    return
            await asyncio.sleep(BACK_OFF_S[self._deaths - 1])

    def _try_again(self, error: BackendError) -> bool:
        if self._ready_at is not None and time.monotonic() - self._ready_at > LONG_LIFE_S:
            self._deaths = 0
        self._ready_at = None
        self._deaths += 1
        self._pending.backend_died()
        if self._deaths >= QUICK_DEATHS:
            self._fail(error)
            return False
        self._listener.set_state(BackendState.RESTARTING, f"The backend is restarted. {error}")
        return True

    def _fail(self, error: WorldFMError) -> None:
        self._gave_up = True
        self._listener.failed(error)

    async def _one_life(self) -> None:
        """A backend from its start to its end; raises why it ended."""
        if self.launch.remote is not None:
            await self._connect(_remote_address(self.launch.remote))
            return
        token = secrets.token_urlsafe(32)
        try:
            process = BackendProcess(self.launch, token)
        except BackendError as error:
            raise self._start_failure(error) from error
        self._listener.set_log_path(process.log_path)
        try:
            await self._live_with(process, token)
        finally:
            # not in a thread: this loop has nothing else to do then, and an interpreter that is
            # ending starts no thread
            process.stop(STOP_LIMIT_S)

    async def _live_with(self, process: BackendProcess, token: str) -> None:
        try:
            port = await in_thread(process.wait_for_port)
        except BackendError as error:
            raise self._start_failure(error) from error
        try:
            await self._connect(Address(f"ws://127.0.0.1:{port}", token))
        except Refusal:
            raise
        except BackendError as error:
            await asyncio.sleep(DYING_S)  # the connection breaks before the process has gone
            raise error if process.alive else process.death() from error

    def _start_failure(self, error: BackendError) -> BackendError:
        """One that never came up will not come up next time; one that did may."""
        return error if self._was_ready else Refusal(str(error))

    async def _connect(self, address: Address) -> None:
        await Connection(self.launch, self._pending, self._on_event, self._frame_came).run(address)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._was_ready = True
            self._ready_at = time.monotonic()
        self._listener.on_event(event)

    def _frame_came(self) -> None:
        self._deaths = 0
        self._listener.frame_came()


def _remote_address(remote: RemoteBackend) -> Address:
    """Only with TLS, so that the token is not read on the way. Raises Refusal."""
    if not remote.url.startswith("wss://"):
        raise Refusal("A remote backend's address must begin with wss://; correct the address.")
    try:
        tls = ssl.create_default_context(cafile=remote.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Refusal(
            f"The certificate {remote.ca_file} cannot be read; choose the file that the backend's "
            "owner gave you."
        ) from error
    return Address(remote.url, remote.token, tls)
