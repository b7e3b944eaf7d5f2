# SPDX-License-Identifier: GPL-3.0-or-later
"""The promise of one frame."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..shared.errors import BackendError, Cancelled, WorldFMError
from ..shared.frame import FrameReply, FrameRequest


class Ticket:
    """One queued frame. Settled exactly once: by a reply, an error or `cancel`."""

    def __init__(self, request: FrameRequest, on_cancel: Callable[[Ticket], None]) -> None:
        self.request = request
        self.stage = "Sending the scene"
        """What is being done for it, in a few words."""
        self._on_cancel = on_cancel
        self._settled = threading.Event()
        self._lock = threading.Lock()
        self._reply: FrameReply | None = None
        self._error: WorldFMError | None = None

    @property
    def done(self) -> bool:
        """Whether `result` answers without waiting."""
        return self._settled.is_set()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; True once the ticket is settled."""
        return self._settled.wait(timeout)

    def result(self, timeout: float | None = None) -> FrameReply:
        """The frame; waits for it. Raises the WorldFMError that came instead of it.

        `reply.request is ticket.request`. After `timeout` seconds: BackendError.
        """
        if not self._settled.wait(timeout):
            raise BackendError(
                f"The frame was not answered within {timeout:g} s; wait longer or lower its size."
            )
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    def cancel(self) -> None:
        """Stop waiting for the frame; `result` raises Cancelled. Nothing if it is settled."""
        if self.settle(error=Cancelled("The frame was cancelled.")):
            self._on_cancel(self)

    def settle(self, reply: FrameReply | None = None, error: WorldFMError | None = None) -> bool:
        """Called by the client: the answer has come. False when there already was one."""
        with self._lock:
            if self._settled.is_set():
                return False
            self._reply, self._error = reply, error
            self._settled.set()
            return True
