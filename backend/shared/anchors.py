# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points: the explicit 3D part of a world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import WorldError


@dataclass(frozen=True, eq=False)
class Anchors:
    """Coloured surface points.

    xyz: (N, 3) float32, metres, world space. rgb: (N, 3) uint8 sRGB; (0, 0, 0) = a point whose
    colour is unknown (geometry only), so that a true black is stored as (1, 1, 1).
    radius: (N,) float32, metres: half the distance to the neighbouring points of the same
    surface, so that a renderer can close the gaps between them; 0 = a point by itself.
    whole: no surface is missing (a scene's own geometry), so that nothing means sky.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    radius: np.ndarray
    whole: bool = False

    def __post_init__(self) -> None:
        n = self.xyz.shape[0] if self.xyz.ndim else -1
        if self.xyz.shape != (n, 3) or self.rgb.shape != (n, 3) or self.radius.shape != (n,):
            raise WorldError("Anchor arrays do not agree: xyz and rgb are (N, 3), radius is (N,).")
        for name, dtype in (("xyz", np.float32), ("rgb", np.uint8), ("radius", np.float32)):
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.xyz)

    @classmethod
    def empty(cls) -> Anchors:
        """No points."""
        return cls(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32)
        )

    @classmethod
    def concatenate(cls, parts: list[Anchors]) -> Anchors:
        """All points of `parts`, in order."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([p.xyz for p in parts]),
            np.concatenate([p.rgb for p in parts]),
            np.concatenate([p.radius for p in parts]),
            any(p.whole for p in parts),
        )

    def uncoloured(self) -> Anchors:
        """The same points as geometry alone: of no known colour, and with no surface missing."""
        return Anchors(self.xyz, np.zeros_like(self.rgb), self.radius, whole=True)

    def finite(self) -> Anchors:
        """Without the points that have NaN or infinite coordinates."""
        keep = np.isfinite(self.xyz).all(axis=1)
        return self if keep.all() else self.only(keep)

    def only(self, keep: np.ndarray) -> Anchors:
        """The points that `keep`, (N,) bool, marks."""
        return Anchors(self.xyz[keep], self.rgb[keep], self.radius[keep], self.whole)
