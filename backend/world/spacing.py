# SPDX-License-Identifier: GPL-3.0-or-later
"""How far apart the points of a cloud lie, for clouds that come without a radius."""

from __future__ import annotations

import numpy as np

PER_CELL = 8


def point_radii(xyz: np.ndarray) -> np.ndarray:
    """(N,) float32: half the local spacing of points (N, 3) taken to lie on surfaces.

    A cell of side s that a surface with n points crosses has a spacing of about s / sqrt(n). The
    side is chosen so that occupied cells hold about PER_CELL points.
    """
    count = len(xyz)
    if count < 2:
        return np.zeros(count, np.float32)
    low = xyz.min(axis=0).astype(np.float64)
    side = float(np.linalg.norm(np.percentile(xyz[:: max(1, count // 100_000)], 98, axis=0) - low))
    side = max(side, 1e-6) / np.sqrt(count)
    for _ in range(6):
        cell, occupancy = _occupancy(xyz, low, side)
        mean = float(occupancy[cell].mean())  # as a point sees it
        if PER_CELL / 2 < mean < PER_CELL * 2:
            break
        side *= float(np.clip(np.sqrt(PER_CELL / mean), 0.2, 5.0))
    spacing = side / np.sqrt(occupancy[cell])
    return np.where(occupancy[cell] > 1, 0.5 * spacing, 0.0).astype(np.float32)


def _occupancy(xyz: np.ndarray, low: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Each point's cell (N,) and the number of points in every cell."""
    index = np.minimum((xyz - low) / side, 2**20).astype(np.int64)
    key = (index[:, 0] << 42) | (index[:, 1] << 21) | index[:, 2]
    _, cell, occupancy = np.unique(key, return_inverse=True, return_counts=True)
    return cell.reshape(-1), occupancy.astype(np.float64)
