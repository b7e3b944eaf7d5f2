# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames looked through: no surface can be there."""

from __future__ import annotations

import numpy as np

from ...shared.camera import Camera
from ...shared.frame import MemoryFrame

FREE_SPACE = 0.04
"""Relative depth by which a new point may stand before what a memory frame saw."""


def contradicts(depth: np.ndarray, camera: Camera, memory: list[MemoryFrame]) -> np.ndarray:
    """(H, W) bool: pixels whose point would hide what a memory frame has seen behind it.

    depth: (H, W) metres, 0 or inf where there is no point.
    """
    solid = np.isfinite(depth) & (depth > 0)
    wrong = np.zeros(depth.shape, bool)
    if not solid.any():
        return wrong
    points = camera.position + camera.rays()[solid].astype(np.float64) * depth[solid, None]
    hides = np.zeros(len(points), bool)
    for frame in memory:
        if frame.depth is None or not frame.enabled:
            continue
        uv, z, inside = frame.camera.within(points, nearest=1e-3)
        at = uv[inside].astype(int)
        # silhouettes are uncertain by a pixel: the nearest of the neighbourhood counts
        seen = _nearest_around(frame.depth, at[:, 0], at[:, 1])
        hides[inside] |= (seen > 0) & (z[inside] < seen * (1 - FREE_SPACE))
    wrong[solid] = hides
    return wrong


def _nearest_around(depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N,) least known depth of the 3x3 pixels around each; 0 where one of them is unknown."""
    height, width = depth.shape
    least = np.full(len(x), np.inf, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            value = depth[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
            least = np.minimum(least, value)
    return least
