# SPDX-License-Identifier: GPL-3.0-or-later
"""The one object a host application holds: it starts, feeds and supervises a backend."""

from __future__ import annotations

from pathlib import Path

from ..shared.anchors import Anchors
from ..shared.errors import WorldFMError
from ..shared.frame import FrameReply, FrameRequest, MemoryFrame
from ..shared.messages import DeviceInfo
from .settings import BackendState, LaunchSettings
from .ticket import Ticket


class BackendClient:
    """A backend and what was asked of it. Every method returns at once and is thread-safe.

    Poll `changes` (an integer) to learn that anything below is new; nothing calls back.
    """

    state: BackendState
    status_text: str  # one sentence
    progress: float | None  # of what status_text names, 0 to 1; None = unknown
    notice: str  # last remark, such as "previews are smaller: not enough memory"; may be ""
    changes: int  # counts up at every change of state, text, frame or device list
    devices: tuple[DeviceInfo, ...]  # empty until the backend has probed them
    model_name: str  # of the loaded model; "" before
    model_hash: str
    restarts: int  # how often a backend was replaced since start()

    def start(self, launch: LaunchSettings) -> None:
        """Bring a backend up in its own thread. With other settings than before: replace it."""
        raise NotImplementedError

    def stop(self, timeout: float = 2.0) -> None:
        """End the backend; open tickets fail with Cancelled. Worlds stay known for a next start."""
        raise NotImplementedError

    def set_world(
        self, key: str, revision: int, anchors: Anchors, memory: list[MemoryFrame]
    ) -> None:
        """What requests of `key` see from now on; earlier requests keep the world they had.

        The arrays are read later, in another thread: never change them in place afterwards.
        """
        raise NotImplementedError

    def forget_world(self, key: str) -> None:
        """Let go of a world on both sides."""
        raise NotImplementedError

    def request(self, key: str, request: FrameRequest) -> Ticket:
        """Queue a frame of the world `key` as it is now. It is answered whatever happens."""
        raise NotImplementedError

    def preview(self, key: str, view: str, request: FrameRequest) -> None:
        """Ask for a frame for the viewport `view`; it replaces the one that has not begun."""
        raise NotImplementedError

    def newest(self, view: str) -> FrameReply | None:
        """The last frame that came for `view`: cheap, and the same object until a newer comes.

        `reply.request` is the very object given to `preview`, or one of a smaller camera when
        memory ran out.
        """
        raise NotImplementedError

    def waiting(self, view: str) -> bool:
        """Whether a frame of `view` is still to come: False = nothing to redraw for."""
        raise NotImplementedError

    def preview_error(self, view: str) -> WorldFMError | None:
        """Why the last preview of `view` failed; None once one has come."""
        raise NotImplementedError

    def forget_view(self, view: str) -> None:
        """The viewport is gone: drop its frames and what it asked for."""
        raise NotImplementedError

    @property
    def log_path(self) -> Path | None:
        """The backend's log file; None before the first start."""
        raise NotImplementedError

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the log, for a report."""
        raise NotImplementedError
