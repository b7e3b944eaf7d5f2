# SPDX-License-Identifier: GPL-3.0-or-later
"""How quickly frames come to a viewport, and how large they may be while it moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..backend.shared.camera import Camera
from ..backend.shared.frame import FrameReply
from .target import MOVING_SIDE, moving_side, seconds_of

RATE_SECONDS = 2.0
"""Time over which frames are counted."""


@dataclass(eq=False)
class Pace:
    """moving_side: longest side of frames while it moves, as large as there is time for.

    arrivals: when the frames of the last seconds came. latency: seconds from request to screen.
    """

    moving_side: int = MOVING_SIDE
    arrivals: list[float] = field(default_factory=list)
    latency: float = 0.0

    def came(self, now: float) -> None:
        """A frame is on screen."""
        self.arrivals = [*(t for t in self.arrivals if now - t < RATE_SECONDS), now]

    def learn_from(self, reply: FrameReply, wanted: Camera) -> None:
        """How large a moving view's frames can be, from one of them. One of another size than is
        `wanted` now tells nothing: frames that were asked for before are still coming."""
        mine = reply.request.camera
        if (mine.width, mine.height) == (wanted.width, wanted.height):
            side = moving_side(self.moving_side, seconds_of(reply))
            if side < self.moving_side or max(mine.width, mine.height) == self.moving_side:
                self.moving_side = side
