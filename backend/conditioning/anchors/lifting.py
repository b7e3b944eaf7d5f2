# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with depth become anchor points."""

from __future__ import annotations

import numpy as np

from ...shared.anchors import Anchors
from ...shared.errors import InputError
from ...shared.frame import MemoryFrame

SAME_SURFACE = 0.1
"""Neighbours whose inverse depths differ by more than this part belong to two surfaces."""

WIDEST = 6.0
"""A radius is at most this many times that of a surface that faces the camera."""


def lift(frame: MemoryFrame, stride: int = 1) -> Anchors:
    """Points of every `stride`-th pixel with a surface; sky and unknown depth give none.

    The radius is half the distance to the farthest of the four neighbours on the same surface.
    Raises InputError when the frame has no depth.
    """
    if frame.depth is None:
        raise InputError(f"Memory frame '{frame.name}' has no depth; estimate or render it first.")
    first = stride // 2
    depth = frame.depth[first::stride, first::stride]
    # black is kept for points without a colour (see Anchors)
    rgb = np.maximum(frame.rgb[first::stride, first::stride], 1)
    known = np.isfinite(depth) & (depth > 0)
    z = np.where(known, depth, 1.0).astype(np.float32)
    directions = frame.camera.rays()[first::stride, first::stride]
    offsets = directions * z[..., None]
    radius = _radius(offsets, z, known, stride / float(frame.camera.K[[0, 1], [0, 1]].min()))
    xyz = offsets[known].astype(np.float64) + frame.camera.position
    colors = rgb[known]
    colors[~colors.any(axis=1)] = 1  # true black; (0, 0, 0) would mean unknown, see Anchors
    return Anchors(xyz.astype(np.float32), colors, radius[known])


def _radius(points: np.ndarray, z: np.ndarray, known: np.ndarray, pixel: float) -> np.ndarray:
    """(H, W) half the spacing of `points` (H, W, 3); `pixel`: size of one at depth 1."""
    facing = 0.5 * pixel * z
    radius = facing.copy()
    for axis in (0, 1):
        a = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        b = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        nearer, farther = np.minimum(z[a], z[b]), np.maximum(z[a], z[b])
        same = known[a] & known[b] & (farther - nearer < SAME_SURFACE * farther)
        half = np.where(same, 0.5 * np.linalg.norm(points[a] - points[b], axis=-1), 0.0)
        radius[a] = np.maximum(radius[a], half)
        radius[b] = np.maximum(radius[b], half)
    return np.minimum(radius, WIDEST * facing).astype(np.float32)
