# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made ready to be drawn, in a thread: frames, and samples of a world's anchors. No bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.color import LINEAR
from ..backend.shared.frame import FrameReply
from ..display import color_rgba, without_specks, without_twos
from .relief import Relief

MAX_POINTS = 150_000
SOME_POINTS = 50_000
GAP_POINTS = 15_000
"""Points where there is no frame yet, where the last one has little to show, and where it fills
the view but for gaps."""


@dataclass(frozen=True, eq=False)
class PointSample:
    """Some of a world's anchors, in random order: any first part is spread over everything.

    places: (N, 3) float32, metres. tints: (N, 4) float32, scene linear and a radius in metres that
    lets all of them cover the surfaces.
    """

    places: np.ndarray
    tints: np.ndarray

    @classmethod
    def of(cls, anchors: Anchors) -> PointSample:
        """Enough to see what is where until a frame comes. Takes its time: not for a draw."""
        chosen = np.random.default_rng(0).permutation(len(anchors))[:MAX_POINTS]
        chosen = chosen[anchors.rgb[chosen].any(axis=1)]  # black: nobody saw their colour
        tints = np.empty((len(chosen), 4), np.float32)
        tints[:, :3] = LINEAR[anchors.rgb[chosen]]
        wider = np.sqrt(len(anchors) / max(len(chosen), 1))
        tints[:, 3] = anchors.radius[chosen] * np.float32(wider)
        return cls(anchors.xyz[chosen], tints)


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame made ready to be drawn.

    rgba: (H, W, 4) float32 scene linear, alpha 0 where nothing is shown, with row 0 at the bottom
    and as `without_twos` leaves it. relief: its shape. near: metres to what is nearest, but for
    stray points. coverage: 0 to 1.
    """

    reply: FrameReply
    rgba: np.ndarray
    relief: Relief
    near: float
    coverage: float

    @classmethod
    def of(cls, reply: FrameReply, bare: bool) -> Shown:
        """Takes its time: not for a draw. bare: leave out the sky, as in local view."""
        known = np.where(np.isfinite(reply.depth), reply.depth, np.float32(0))
        seen = known[known > 0]
        near = float(np.quantile(seen, 0.1)) if seen.size else 1.0
        depth = np.ascontiguousarray(without_specks(known)[::-1], np.float32)
        rgba = color_rgba(reply)
        if bare:
            rgba[np.isinf(reply.depth[::-1])] = 0
        coverage = float(reply.coverage.mean())
        relief = Relief.of(depth, rgba, reply.request.camera)
        return cls(reply, without_twos(rgba), relief, near, coverage)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frame itself."""
        height, width = self.reply.depth.shape
        return width, height
