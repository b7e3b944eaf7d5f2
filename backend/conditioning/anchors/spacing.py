# SPDX-License-Identifier: GPL-3.0-or-later
"""How far apart the points of a cloud lie, for clouds that come without a radius."""

from __future__ import annotations

import numpy as np

PER_CELL, ENOUGH, LEVELS = 8, 4, 5


def point_radii(xyz: np.ndarray) -> np.ndarray:
    """(N,) float32: half the local spacing of points (N, 3) taken to lie on surfaces.

    A cell of side s that a surface with n points crosses has a spacing of about s / sqrt(n). Cells
    start at a side that holds about PER_CELL points in the densest parts and double until they hold
    ENOUGH; points that are still alone after LEVELS are points by themselves (radius 0).
    """
    count = len(xyz)
    radius = np.zeros(count, np.float32)
    if count < 2:
        return radius
    low = xyz.min(axis=0).astype(np.float64)
    side = float(np.linalg.norm(np.percentile(xyz[:: max(1, count // 100_000)], 98, axis=0) - low))
    side = max(side, 1e-6) / np.sqrt(count)
    for _ in range(6):
        mean = float(_occupancy(xyz, low, side).mean())
        if PER_CELL / 2 < mean < PER_CELL * 2:
            break
        side *= float(np.clip(np.sqrt(PER_CELL / mean), 0.2, 5.0))
    left = np.arange(count)
    for _ in range(LEVELS):
        occupancy = _occupancy(xyz[left], low, side)
        done = occupancy >= ENOUGH
        radius[left[done]] = 0.5 * side / np.sqrt(occupancy[done])
        left, side = left[~done], 2 * side
        if not len(left):
            break
    return radius


def _occupancy(xyz: np.ndarray, low: np.ndarray, side: float) -> np.ndarray:
    """(N,) how many of the points share each point's cell."""
    index = np.minimum((xyz - low) / side, 2**20).astype(np.int64)
    key = (index[:, 0] << 42) | (index[:, 1] << 21) | index[:, 2]
    _, cell, occupancy = np.unique(key, return_inverse=True, return_counts=True)
    return occupancy[cell.reshape(-1)].astype(np.float64)
