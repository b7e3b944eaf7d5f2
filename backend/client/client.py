# SPDX-License-Identifier: GPL-3.0-or-later
"""The one object a host application holds: it starts, feeds and supervises a backend."""

from __future__ import annotations

import threading
from pathlib import Path

from ..shared.anchors import Anchors
from ..shared.errors import BackendError, Cancelled, WorldError, WorldFMError
from ..shared.frame import FrameReply, FrameRequest, MemoryFrame
from ..shared.log_file import read_log
from ..shared.messages import DeviceInfo, Devices, Notice, Progress, Ready, Refined
from ..shared.scene import Scene
from ..shared.world import World
from .connection import Event
from .pending import PendingFrames
from .settings import BackendState, LaunchSettings
from .snapshot import Snapshot
from .supervisor import Supervisor
from .ticket import Ticket


class BackendClient:
    """A backend and what was asked of it. Every method returns at once and is thread-safe.

    Poll `changes` (an integer) to learn that anything below is new; nothing calls back.

    state: where the backend stands; status_text: the same as one sentence. progress: of what
    status_text names, 0 to 1, None = unknown. notice: last remark, such as that previews are
    smaller for want of memory; may be "". devices: empty until the backend has probed them.
    model_name, model_hash: of the loaded model, "" before. lights: whether it lights surfaces, None
    before. refinements: how often worlds came to look better than their drafts. restarts: since
    start().
    """

    def __init__(self) -> None:
        self.state = BackendState.STOPPED
        self.status_text = "The backend is not running."
        self.progress: float | None = None
        self.notice = ""
        self.changes = 0
        self.devices: tuple[DeviceInfo, ...] = ()
        self.model_name = ""
        self.model_hash = ""
        self.lights: bool | None = None
        self.refinements = 0
        self.restarts = 0
        self.log_path: Path | None = None
        self._lock = threading.Lock()
        self._pending = PendingFrames()
        self._supervisor: Supervisor | None = None
        self._listener: _Listener | None = None
        self._failure: WorldFMError | None = None
        self._counting = threading.Lock()

    @property
    def launch(self) -> LaunchSettings | None:
        """What the last start() asked for; None after a stop()."""
        supervisor = self._supervisor
        return None if supervisor is None else supervisor.launch

    def start(self, launch: LaunchSettings) -> None:
        """Bring a backend up in its own thread. With other settings than before: replace it."""
        with self._lock:
            old = self._supervisor
            if old is not None and old.alive:
                if old.launch == launch:
                    return
                old.stop_soon()
            self.restarts, self.notice, self._failure, self.lights = 0, "", None, None
            self.state, self.status_text = BackendState.STARTING, "The backend is starting."
            self._pending.forget_errors()
            self._listener = _Listener(self)
            self._supervisor = Supervisor(launch, self._pending, self._listener, after=old)
        self._changed()

    def stop(self, timeout: float = 2.0) -> None:
        """End the backend; open tickets fail with Cancelled. Worlds stay known for a next start.

        Waits for the end of the process, `timeout` seconds at most.
        """
        with self._lock:
            supervisor, self._supervisor, self._listener = self._supervisor, None, None
        if supervisor is not None:
            supervisor.stop_soon()
        self._pending.fail_all(Cancelled("The backend was stopped."))
        self.state, self.status_text = BackendState.STOPPED, "The backend is not running."
        self.progress = None
        self._changed()
        if supervisor is not None:
            supervisor.join(timeout)

    def set_world(
        self,
        key: str,
        revision: int,
        anchors: Anchors,
        memory: list[MemoryFrame],
        scene: Scene | None = None,
    ) -> None:
        """What requests of `key` see from now on; earlier requests keep the world they had.

        The arrays are read later, in another thread: never change them in place afterwards.
        """
        self._pending.set_world(key, World(anchors, memory, revision, {}, scene))

    def forget_world(self, key: str) -> None:
        """Let go of a world; the backend does with the next one that it is sent."""
        self._pending.forget_world(key)

    def request(self, key: str, request: FrameRequest) -> Ticket:
        """Queue a frame of the world `key` as it is now. It is answered whatever happens.

        Without a backend or a world of that key the ticket has failed at once.
        """
        world, error = self._world_for(key)
        if world is None:
            ticket = Ticket(request, lambda _: None)
            ticket.settle(error=error)
            return ticket
        ticket = self._pending.add_render(world, request)
        self._fail_if_down()
        return ticket

    def preview(self, key: str, view: str, request: FrameRequest, idle: bool = False) -> None:
        """Ask for a frame for the viewport `view`; it replaces the one that has not begun.

        idle: make it while nothing else is asked for; it is given up when the view asks anew.
        """
        world, error = self._world_for(key)
        if world is None:
            self._pending.set_error(view, error)
            return
        self._pending.add_preview(world, view, request, idle)
        self._fail_if_down()

    def newest(self, view: str) -> FrameReply | None:
        """The last frame that came for `view`: cheap, and the same object until a newer comes.

        `reply.request` is the very object given to `preview`, or one of a smaller camera when
        memory ran out.
        """
        return self._pending.newest(view)

    def waiting(self, view: str) -> bool:
        """Whether a frame of `view` is still to come: False = nothing to redraw for."""
        return self._pending.waiting(view)

    def preview_error(self, view: str) -> WorldFMError | None:
        """Why the last preview of `view` failed; None once one has come."""
        return self._pending.error(view)

    def forget_view(self, view: str) -> None:
        """The viewport is gone: drop its frames and what it asked for."""
        self._pending.forget_view(view)

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the log, for a report; "" when there is none."""
        if self.log_path is None:
            return ""
        return "\n".join(read_log(self.log_path).splitlines()[-lines:])

    def _world_for(self, key: str) -> tuple[Snapshot | None, WorldFMError]:
        world = self._pending.world(key)
        if self._failure is not None:
            return None, self._failure
        if self._supervisor is None:
            return None, BackendError("The backend is not running; start it in the preferences.")
        return world, WorldError("There is no world to render; add geometry or memory frames.")

    def _fail_if_down(self) -> None:
        """Closes the gap between the check and the order: a backend that failed in between."""
        if self._failure is not None:
            self._pending.fail_all(self._failure)
        elif self._supervisor is None:
            self._pending.fail_all(Cancelled("The backend was stopped."))

    def _changed(self) -> None:
        with self._counting:
            self.changes += 1


class _Listener:
    """Writes down what a supervisor tells, as long as it is the client's present one."""

    def __init__(self, client: BackendClient) -> None:
        self._client = client

    def set_state(self, state: BackendState, text: str) -> None:
        client = self._client
        if client._listener is not self:
            return
        client.restarts += state is BackendState.RESTARTING
        client.status_text, client.progress = text, None
        client.state = state
        client._changed()

    def failed(self, error: WorldFMError) -> None:
        client = self._client
        with client._lock:  # not between a start() and the first request to the new backend
            if client._listener is not self:
                return
            client._failure = error
            self.set_state(BackendState.FAILED, str(error))
            client._pending.fail_all(error)

    def set_log_path(self, path: Path) -> None:
        self._client.log_path = path

    def on_event(self, event: Event) -> None:
        client = self._client
        if client._listener is not self:
            return
        match event:
            case Progress():
                client.status_text, client.progress = event.text, event.fraction
            case Devices():
                client.devices = event.devices
            case Notice():
                client.notice = event.text
            case Refined():
                client.refinements += 1
            case Ready():
                client.model_name, client.model_hash = event.model_name, event.model_hash
                client.lights = event.lights
                self.set_state(BackendState.READY, f"Ready: {event.model_name}.")
        client._changed()

    def frame_came(self) -> None:
        self._client._changed()
