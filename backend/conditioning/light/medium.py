# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a scene's fog is, and what it leaves of light on a way through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...shared.scene import Scene


@dataclass(frozen=True, eq=False)
class Medium:
    """Fog that is the same wherever it is.

    density: extinction per metre. color: (3,) float32 part of it that is scattered. anisotropy: of
    Henyey and Greenstein. box: (4, 4) from the world to where fog lies between -1 and 1 on each
    axis; None = everywhere.
    """

    density: float
    color: np.ndarray
    anisotropy: float
    box: np.ndarray | None

    @classmethod
    def of(cls, scene: Scene) -> Medium | None:
        """A scene's; None without any."""
        if scene.fog_density <= 0:
            return None
        color = np.array(scene.fog_color, np.float32)
        return cls(scene.fog_density, color, scene.fog_anisotropy, scene.fog_box)

    def span(
        self, origins: np.ndarray, ways: np.ndarray, far: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N,) metres along rays of unit ways (N, 3) at which fog begins and ends, up to `far`
        (N,): the slabs of a box (Kay and Kajiya, 1986)."""
        far = np.asarray(far, np.float32)
        if self.box is None:
            return np.zeros_like(far), far
        turn, shift = self.box[:3, :3].astype(np.float32), self.box[:3, 3].astype(np.float32)
        start, along = origins @ turn.T + shift, ways @ turn.T
        along = np.where(np.abs(along) < 1e-12, np.float32(1e-12), along)
        one, other = (-1 - start) / along, (1 - start) / along
        first = np.clip(np.minimum(one, other).max(axis=1), 0, far)
        return first, np.clip(np.maximum(one, other).min(axis=1), first, far)

    def left(self, origins: np.ndarray, ways: np.ndarray, far: np.ndarray) -> np.ndarray:
        """(N, 1) float32 of light that gets through along rays of unit ways (N, 3), `far` (N,)."""
        first, last = self.span(origins, ways, far)
        return np.exp(-self.density * (last - first))[:, None].astype(np.float32)
