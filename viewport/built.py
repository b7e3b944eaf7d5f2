# SPDX-License-Identifier: GPL-3.0-or-later
"""For which view of what kind a viewport's world was built, and whether it will do for another."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend.shared.camera import Camera
from .target import Target, fits, moved

REBUILD_SECONDS = 1.0
"""Time between worlds that are made for a view while it moves."""
_NEAR_ENOUGH = 0.1
_FAR_OFF = 0.5
"""Shares of the distance to what is nearest that a view may move before its anchors are too few:
at rest, and on its way."""


@dataclass(frozen=True, eq=False)
class Built:
    """target: what was looked at then, None = no world was built yet. at: when, seconds.

    lit: whether surfaces were to be lit; alone: whether points were all that could be seen;
    before_sky: whether the background was still being rendered.
    """

    target: Target | None = None
    at: float = 0.0
    lit: bool = True
    alone: bool = False
    before_sky: bool = False

    @property
    def free(self) -> bool:
        """Whether it was built for a view that looks through no camera."""
        return self.target is not None and self.target.free

    def dense_enough(self, wanted: Camera, near: float, still: bool, now: float) -> bool:
        """Whether its anchors will do for another free view. near: metres to what is nearest."""
        if self.target is None or not self.target.free:
            return False
        picture = self.target.picture
        if still:
            return fits(picture, wanted, _NEAR_ENOUGH * near)
        waited = now - self.at > REBUILD_SECONDS
        return not waited or moved(picture, wanted) < _FAR_OFF * near
