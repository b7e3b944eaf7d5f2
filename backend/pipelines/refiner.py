# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a thread beside what somebody waits for: the newest first, given up for a newer one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..conditioning.threads import Stopped, beside, give_way

PAUSE_S = 0.3
"""How long nothing new has to come before work begins: who drags an object waits for frames."""

_log = logging.getLogger(__name__)

Work = Callable[[threading.Event], None]
"""Raises Stopped soon after the event is set."""


class Refiner:
    """One thread, and the one piece of work that is wanted."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._wanted: Work | None = None
        self._done: Work | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def better(self, work: Work) -> None:
        """Do this as soon as nothing else was asked for a while, unless it was done last."""
        with self._change:
            if _equal(work, self._wanted) or (self._wanted is None and _equal(work, self._done)):
                return
            self._stop.set()
            self._wanted = work
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="worldfm-refiner", daemon=True
                )
                self._thread.start()
            self._change.notify()

    def _run(self) -> None:
        give_way()
        while True:
            work, stop = self._next()
            self._do(work, stop)
            with self._change:
                if self._wanted is work:
                    self._wanted, self._done = None, work

    def _next(self) -> tuple[Work, threading.Event]:
        with self._change:
            while True:
                self._change.wait_for(lambda: self._wanted is not None)
                work = self._wanted
                newer = self._change.wait_for(lambda: self._wanted is not work, PAUSE_S)  # noqa: B023
                if work is not None and not newer:
                    self._stop = threading.Event()
                    return work, self._stop

    def _do(self, work: Work, stop: threading.Event) -> None:
        try:
            with beside():
                work(stop)
        except Stopped:
            pass
        except Exception:  # the draft stays as it is
            _log.exception("a world's light could not be refined")


def _equal(one: Work, other: Work | None) -> bool:
    """Whether two `functools.partial` do the same to the same."""
    return other is not None and getattr(one, "args", None) == getattr(other, "args", ())
