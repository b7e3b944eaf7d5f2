# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed sample patterns: the same for every frame, so that nothing boils."""

from __future__ import annotations

from functools import cache

import numpy as np

TILE = 4
"""Pixels of a square tile have patterns of their own; any square of this size has them all."""

TILE_ORDER = np.array(
    [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.int32
)  # Bayer's matrix: neighbours differ most

WIDE_TILE = 2 * TILE
"""The same for what is smoother still."""
_QUARTERS = np.repeat(np.repeat([[0, 2], [3, 1]], TILE, axis=0), TILE, axis=1)
WIDE_ORDER = (4 * np.tile(TILE_ORDER, (2, 2)) + _QUARTERS).astype(np.int32)


@cache
def plane_points(count: int) -> np.ndarray:
    """(count, 2) float64 in [0, 1), spread evenly, as is every run of consecutive ones.

    The additive recurrence of the plastic number (Roberts, 2018).
    """
    step = np.array([0.7548776662466927, 0.5698402909980532])
    return (0.5 + step * np.arange(1, count + 1)[:, None]) % 1.0


def hemisphere_points(count: int) -> np.ndarray:
    """(count, 3) unit vectors about +Z, as dense as their cosine (Malley's method)."""
    u, v = plane_points(count).T
    radius, angle = np.sqrt(u), 2 * np.pi * v
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - u)], axis=1)


GOLDEN = np.pi * (3 - np.sqrt(5))


def grid_points(count: int) -> np.ndarray:
    """(count, 2) the middles of the cells of a grid on the unit square; count is a square."""
    side = round(np.sqrt(count))
    step = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(step, step, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def disk_points(square: np.ndarray) -> np.ndarray:
    """(N, 2) points of the unit disk for those of the unit square, areas kept."""
    radius, angle = np.sqrt(square[:, 0]), 2 * np.pi * square[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def sunflower_points(count: int) -> np.ndarray:
    """(count, 2) evenly in the unit disk (Vogel, 1979)."""
    k = np.arange(count)
    radius, angle = np.sqrt((k + 0.5) / count), GOLDEN * k
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def sphere_points(square: np.ndarray) -> np.ndarray:
    """(N, 3) points of the unit sphere for those of the unit square, areas kept."""
    z, angle = 1 - 2 * square[:, 0], 2 * np.pi * square[:, 1]
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def fibonacci_points(count: int) -> np.ndarray:
    """(count, 3) evenly on the unit sphere (Swinbank and Purser, 2006)."""
    k = np.arange(count)
    z = 1 - (2 * k + 1) / count
    radius, angle = np.sqrt(1 - z * z), GOLDEN * k
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def frames_of(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) each: tangents that make a frame with unit normals (Duff and others, 2017)."""
    sign = np.where(normals[:, 2] >= 0, 1.0, -1.0)
    a = -1.0 / (sign + normals[:, 2])
    b = normals[:, 0] * normals[:, 1] * a
    x = np.stack([1 + sign * normals[:, 0] ** 2 * a, sign * b, -sign * normals[:, 0]], axis=1)
    y = np.stack([b, sign + normals[:, 1] ** 2 * a, -normals[:, 1]], axis=1)
    return x.astype(np.float32), y.astype(np.float32)
