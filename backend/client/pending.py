# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds, and what was asked and is not answered yet; outlives every backend. Thread-safe."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..shared.errors import BackendError, WorldFMError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World
from .snapshot import Snapshot
from .ticket import Ticket

RENDERS_IN_FLIGHT = 2
MAX_DEATHS = 3


@dataclass(eq=False)
class PendingFrame:
    """A frame to ask for. ticket: of a render; view: of a preview; one of them is None.

    deaths: how many backends ended while this render was in work. idle: a preview for when there
    is nothing else to do.
    """

    id: int
    world: Snapshot
    request: FrameRequest
    ticket: Ticket | None = None
    view: str | None = None
    sent: bool = False
    deaths: int = 0
    idle: bool = False


@dataclass(eq=False)
class _View:
    """A viewport's slot. open: previews without an answer, oldest first."""

    newest: FrameReply | None = None
    error: WorldFMError | None = None
    open: list[PendingFrame] = field(default_factory=list)


class PendingFrames:
    """Renders in order, previews newest first; `wake` is called when there is news to send."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._worlds: dict[str, Snapshot] = {}
        self._renders: dict[int, PendingFrame] = {}
        self._views: dict[str, _View] = {}
        self._cancelled: list[int] = []

    def set_world(self, key: str, world: World) -> None:
        """What later requests of `key` see; nothing changes when it is what they see already."""
        with self._lock:
            known = self._worlds.get(key)
            if known is None or not known.shows(world):
                self._worlds[key] = Snapshot(key, world)

    def forget_world(self, key: str) -> None:
        """No later frame will name it."""
        with self._lock:
            self._worlds.pop(key, None)

    def world(self, key: str) -> Snapshot | None:
        """The world as it is now."""
        with self._lock:
            return self._worlds.get(key)

    def add_render(self, world: Snapshot, request: FrameRequest) -> Ticket:
        """Queue a render; its ticket."""
        ticket = Ticket(request, self._on_cancel)
        with self._lock:
            frame = PendingFrame(next(self._ids), world, request, ticket)
            self._renders[frame.id] = frame
        self.wake()
        return ticket

    def add_preview(
        self, world: Snapshot, view: str, request: FrameRequest, idle: bool = False
    ) -> None:
        """Ask for a preview; those of this view that were not sent are forgotten."""
        with self._lock:
            slot = self._views.setdefault(view, _View())
            slot.open = [frame for frame in slot.open if frame.sent]
            slot.open.append(PendingFrame(next(self._ids), world, request, view=view, idle=idle))
        self.wake()

    def newest(self, view: str) -> FrameReply | None:
        """The last preview that came."""
        slot = self._views.get(view)
        return None if slot is None else slot.newest

    def waiting(self, view: str) -> bool:
        """Whether a preview of this view is open."""
        slot = self._views.get(view)
        return slot is not None and bool(slot.open)

    def error(self, view: str) -> WorldFMError | None:
        """Why the last preview failed."""
        slot = self._views.get(view)
        return None if slot is None else slot.error

    def set_error(self, view: str, error: WorldFMError) -> None:
        """A preview that could not even be asked for."""
        with self._lock:
            self._views.setdefault(view, _View()).error = error

    def forget_errors(self) -> None:
        """Another backend comes: why the last one failed says nothing of it."""
        with self._lock:
            for slot in self._views.values():
                slot.error = None

    def forget_view(self, view: str) -> None:
        """Nothing of this view is wanted any more."""
        with self._lock:
            slot = self._views.pop(view, None)
            if slot is not None:
                self._cancelled += [frame.id for frame in slot.open if frame.sent]
        self.wake()

    def next_unsent(self) -> PendingFrame | None:
        """What to send next: previews first, then renders up to RENDERS_IN_FLIGHT."""
        with self._lock:
            for slot in self._views.values():
                if slot.open and not slot.open[-1].sent:
                    return slot.open[-1]
            unsent = (frame for frame in self._renders.values() if not frame.sent)
            in_flight = sum(frame.sent for frame in self._renders.values())
            return next(unsent, None) if in_flight < RENDERS_IN_FLIGHT else None

    def mark_sent(self, frame: PendingFrame) -> bool:
        """Before sending; False when nobody wants it any more."""
        with self._lock:
            frame.sent = self._is_open(frame)
            if frame.ticket is not None:
                frame.ticket.stage = "Rendering"
            return frame.sent

    def send_again(self, frame_id: int) -> PendingFrame | None:
        """The backend lacked this frame's world: it counts as not sent."""
        with self._lock:
            frame = self._find(frame_id)
            if frame is not None:
                frame.sent = False
            return frame

    def take_cancelled(self) -> list[int]:
        """Ids of sent requests that were cancelled since the last call."""
        with self._lock:
            taken, self._cancelled = self._cancelled, []
            return taken

    def find(self, frame_id: int) -> PendingFrame | None:
        """The open frame of this id."""
        with self._lock:
            return self._find(frame_id)

    def answer(self, frame_id: int, reply: FrameReply | None, error: WorldFMError | None) -> None:
        """A frame or an error has come for one of them."""
        with self._lock:
            frame = self._find(frame_id)
            if frame is None:
                return
            if frame.view is not None:
                slot = self._views[frame.view]
                slot.open = [o for o in slot.open if o.id > frame_id]
                slot.newest, slot.error = reply or slot.newest, error
                return
            del self._renders[frame_id]
        assert frame.ticket is not None
        frame.ticket.settle(reply, error)
        self.wake()

    def backend_died(self) -> None:
        """All that was sent is to be sent again; a frame that ended several backends fails."""
        culprit = None
        with self._lock:
            self._cancelled.clear()
            in_work = next((o for o in self._renders.values() if o.sent), None)
            if in_work is not None:
                in_work.deaths += 1
                if in_work.deaths >= MAX_DEATHS:
                    culprit = self._renders.pop(in_work.id)
            for frame in self._renders.values():
                frame.sent = False
            for slot in self._views.values():
                slot.open = slot.open[-1:]
                for frame in slot.open:
                    frame.sent = False
        if culprit is not None and culprit.ticket is not None:
            camera = culprit.request.camera
            culprit.ticket.settle(
                error=BackendError(
                    f"The backend ended {MAX_DEATHS} times while it rendered this frame of "
                    f"{camera.width} x {camera.height} pixels; lower its resolution."
                )
            )

    def fail_all(self, error: WorldFMError) -> None:
        """Nothing will be answered any more."""
        with self._lock:
            renders, self._renders = self._renders, {}
            self._cancelled.clear()
            for slot in self._views.values():
                if slot.open:
                    slot.open, slot.error = [], error
        for frame in renders.values():
            assert frame.ticket is not None
            frame.ticket.settle(error=error)

    def worlds_in_use(self) -> set[str]:
        """Wire keys of the worlds that are current or that open requests need."""
        with self._lock:
            frames = [*self._renders.values()]
            for slot in self._views.values():
                frames += slot.open
            worlds = [*self._worlds.values(), *(frame.world for frame in frames)]
            return {world.wire_key for world in worlds}

    def _on_cancel(self, ticket: Ticket) -> None:
        with self._lock:
            for frame in list(self._renders.values()):
                if frame.ticket is ticket:
                    del self._renders[frame.id]
                    if frame.sent:
                        self._cancelled.append(frame.id)
        self.wake()

    def _find(self, frame_id: int) -> PendingFrame | None:
        if frame_id in self._renders:
            return self._renders[frame_id]
        for slot in self._views.values():
            for frame in slot.open:
                if frame.id == frame_id:
                    return frame
        return None

    def _is_open(self, frame: PendingFrame) -> bool:
        return self._find(frame.id) is frame
