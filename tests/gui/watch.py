# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: times what the extension does in the main thread while it streams."""

from __future__ import annotations

import functools
import sys
import time
from typing import NamedTuple

import numpy as np
from artist import ADDON


class Call(NamedTuple):
    """What one call cost, in ms by the clock and of the main thread's processor time.

    held_by_gl, gl: the parts of `held` and `processor` that went into drawing commands, which
    software OpenGL computes and waits for where a graphics card would take them and answer at once.
    """

    name: str
    held: float
    processor: float
    held_by_gl: float
    gl: float


class Watch:
    """Times view_update, view_draw and the redraw timer from now on; counts the frames shown."""

    def __init__(self) -> None:
        self.viewport = sys.modules[f"{ADDON}.viewport.views"]
        self.target = sys.modules[f"{ADDON}.viewport.target"]
        self.calls: list[Call] = []
        self.frames: list[float] = []
        self._shown = None
        self._painted = (0.0, 0.0)
        self.asked = 0
        self._count_requests()
        for name in ("update", "draw", "_tick"):
            setattr(self.viewport, name, self._timed(name, getattr(self.viewport, name)))
        for name in ("frame", "guess"):
            painter = self.viewport.Painter
            setattr(painter, name, self._painting(getattr(painter, name)))

    def view(self):
        """The one viewport in Rendered shading, None before it was drawn."""
        return next((view.state for view in self.viewport._views.values()), None)

    def settled(self) -> bool:
        """Whether the frame on screen is of the present camera and world, at its full size."""
        view = next(iter(self.viewport._views.values()), None)
        state = view and view.state
        return bool(
            state
            and state.shown is not None
            and state.target is not None
            and state.shown.request is state.asked
            and self.target.looks_from(state.shown, state.target)
            and not state.unsettled(view.backend)
        )

    def since(self, mark: tuple[int, int]) -> dict:
        """Hold times in ms and frames since `mark()`."""
        calls, frames = self.calls[mark[0] :], self.frames[mark[1] :]
        calls = calls or [Call("", 0.0, 0.0, 0.0, 0.0)]
        columns = np.array([call[1:] for call in calls])
        held, busy, held_by_gl, gl = columns.T
        slowest = max(calls, key=lambda call: call.processor)
        return {
            "calls": len(self.calls) - mark[0],
            "draws": sum(call.name == "draw" for call in calls),
            "frames": len(frames),
            "p50_ms": _at(held, 0.5),
            "p99_ms": _at(held, 0.99),
            "p99_without_drawing_ms": _at(held - held_by_gl, 0.99),
            "p99_processor_ms": _at(busy, 0.99),
            "p99_processor_without_drawing_ms": _at(busy - gl, 0.99),
            "most_processor_ms": _at(busy, 1),
            "slowest": [slowest.name, *(round(ms, 2) for ms in slowest[1:])],
        }

    def all_settled(self) -> bool:
        """Whether every viewport shows what it wants, or says that it cannot."""
        views = self.viewport._views
        on_screen = self.viewport._regions()
        drawn = bool(on_screen) and on_screen.keys() <= views.keys()
        return drawn and not any(views[k].state.unsettled(views[k].backend) for k in on_screen)

    def waiting_for(self) -> list[str]:
        """What keeps viewports from resting."""
        said = []
        for view in self.viewport._views.values():
            state, backend = view.state, view.backend
            flags = {
                name: getattr(state, name)
                for name in (
                    "building",
                    "preparing",
                    "asking",
                    "dirty",
                    "reading",
                )
            }
            flags["a frame to show"] = backend.newest is not state.shown
            flags["the sky"] = state.built.before_sky
            flags["a draft"] = state.shown is not None and state.shown.draft
            flags["the backend"] = backend.waiting
            flags["refined"] = not state.refined
            said.append(", ".join(name for name, on in flags.items() if on))
        return said

    def faults(self) -> list[str]:
        """Exceptions that viewports met while they were drawn."""
        return [view.failure for view in self.viewport._views.values() if view.failure]

    def mark(self) -> tuple[int, int]:
        return len(self.calls), len(self.frames)

    def _timed(self, name, call):
        @functools.wraps(call)
        def timed(*arguments):
            self._painted = (0.0, 0.0)
            began = _clocks()
            try:
                return call(*arguments)
            finally:
                self.calls.append(Call(name, *_since(began), *self._painted))
                self._count()

        return timed

    def _count_requests(self) -> None:
        ask = self.viewport._ask

        def counting(*arguments):
            self.asked += 1
            ask(*arguments)

        self.viewport._ask = counting

    def _painting(self, call):
        @functools.wraps(call)
        def painting(*arguments):
            began = _clocks()
            try:
                return call(*arguments)
            finally:
                held, busy = _since(began)
                self._painted = self._painted[0] + held, self._painted[1] + busy

        return painting

    def _count(self) -> None:
        view = self.view()
        if view is not None and view.shown is not None and view.shown is not self._shown:
            self._shown = view.shown
            self.frames.append(time.monotonic())


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    """Milliseconds by the clock, and of this thread's processor time."""
    held, busy = (1000 * (now - then) for now, then in zip(_clocks(), began, strict=True))
    return held, busy


def _at(values: np.ndarray, share: float) -> float:
    return round(float(np.quantile(values, share)), 2)
