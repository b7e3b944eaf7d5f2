# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: times what the extension does in the main thread while it streams."""

from __future__ import annotations

import functools
import sys
import time

import numpy as np
from artist import ADDON


class Watch:
    """Times view_update, view_draw and the redraw timer from now on; counts the frames shown."""

    def __init__(self) -> None:
        self.viewport = sys.modules[f"{ADDON}.viewport"]
        self.calls: list[tuple[str, float, float]] = []  # name, ms held, ms of processor
        self.frames: list[float] = []
        self._shown = None
        for name in ("update", "draw", "_tick"):
            setattr(self.viewport, name, self._timed(name, getattr(self.viewport, name)))

    def view(self):
        """The one viewport in Rendered shading, None before it was drawn."""
        return next(iter(self.viewport._views.values()), None)

    def settled(self) -> bool:
        """Whether the frame on screen is of the present camera and world, at its full size."""
        view = self.view()
        return bool(
            view
            and view.shown is not None
            and view.wish is not None
            and view.shown.request is view.asked
            and self.viewport.looks_from(view.shown, view.wish)
            and not self.viewport._unsettled(view, time.monotonic())
        )

    def since(self, mark: tuple[int, int]) -> dict:
        """Hold times in ms and frames since `mark()`."""
        calls, frames = self.calls[mark[0] :], self.frames[mark[1] :]
        held = np.array([ms for _, ms, _ in calls] or [0.0])
        busy = np.array([ms for _, _, ms in calls] or [0.0])
        slowest = max(calls, key=lambda call: call[1], default=("", 0.0, 0.0))
        return {
            "calls": len(calls),
            "draws": sum(call[0] == "draw" for call in calls),
            "frames": len(frames),
            "p50_ms": round(float(np.quantile(held, 0.5)), 2),
            "p99_ms": round(float(np.quantile(held, 0.99)), 2),
            "p99_processor_ms": round(float(np.quantile(busy, 0.99)), 2),
            "most_processor_ms": round(float(busy.max()), 2),
            "slowest": [slowest[0], *(round(ms, 2) for ms in slowest[1:])],
        }

    def all_settled(self) -> bool:
        """Whether every viewport shows what it wants, or says that it cannot."""
        now = time.monotonic()
        views = self.viewport._views.values()
        return bool(views) and not any(self.viewport._unsettled(view, now) for view in views)

    def faults(self) -> list[str]:
        """Exceptions that viewports met while they were drawn."""
        return [view.failure for view in self.viewport._views.values() if view.failure]

    def mark(self) -> tuple[int, int]:
        return len(self.calls), len(self.frames)

    def _timed(self, name, call):
        @functools.wraps(call)
        def timed(*arguments):
            began, worked = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments)
            finally:
                held, busy = time.perf_counter() - began, time.thread_time() - worked
                self.calls.append((name, 1000 * held, 1000 * busy))
                self._count()

        return timed

    def _count(self) -> None:
        view = self.view()
        if view is not None and view.shown is not None and view.shown is not self._shown:
            self._shown = view.shown
            self.frames.append(time.monotonic())
