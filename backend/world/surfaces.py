# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces that memory frames saw: normals of points, and triangles of depth pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.depth_files import resize_depth
from ..shared.anchors import Anchors
from ..shared.frame import MemoryFrame

SAME = 0.03
"""Relative depth by which a point may lie off the surface that a frame saw there."""
JUMP = 0.06
"""Relative change of depth between neighbouring pixels from which on no triangle joins them."""
STEEP = 0.12
"""Least cosine to the line of sight of a triangle: what is flatter is a guess."""


def normals_of(anchors: Anchors, memory: Sequence[MemoryFrame]) -> np.ndarray:
    """(N, 3) float32 unit normals of points, zero where no frame saw their surface."""
    total = np.zeros((len(anchors), 3), np.float32)
    xyz = anchors.xyz.astype(np.float64)
    for frame in memory:
        if frame.depth is None or frame.camera.is_orthographic:
            continue
        normal = depth_normals(frame)
        uv, z, inside = frame.camera.within(xyz)
        x, y = uv[inside].astype(int).T
        near = np.abs(frame.depth[y, x] - z[inside]) < SAME * z[inside]
        total[np.flatnonzero(inside)[near]] += normal[y[near], x[near]]
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-6, total / np.maximum(length, 1e-9), 0).astype(np.float32)


def depth_normals(frame: MemoryFrame) -> np.ndarray:
    """(H, W, 3) float32 unit normals towards the camera, zero beside silhouettes and sky."""
    assert frame.depth is not None
    solid = np.isfinite(frame.depth) & (frame.depth > 0)
    z = np.where(solid, frame.depth, 1.0)
    points = frame.camera.rays() * z[..., None]
    normal = np.zeros_like(points)
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    cross = np.cross(down, across)
    length = np.linalg.norm(cross, axis=-1, keepdims=True)
    flat = solid[1:-1, 1:-1].copy()
    for part in ((1, 2), (1, 0), (2, 1), (0, 1)):
        other = z[part[0] : z.shape[0] - 2 + part[0], part[1] : z.shape[1] - 2 + part[1]]
        there = solid[part[0] : z.shape[0] - 2 + part[0], part[1] : z.shape[1] - 2 + part[1]]
        flat &= there & (np.abs(other - z[1:-1, 1:-1]) < JUMP * z[1:-1, 1:-1])
    unit = cross / np.maximum(length, 1e-12)
    away = (unit * points[1:-1, 1:-1]).sum(axis=-1, keepdims=True) > 0
    normal[1:-1, 1:-1] = np.where(flat[..., None], np.where(away, -unit, unit), 0)
    return normal.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A frame's surface: vertices (V, 3) float32 metres, faces (F, 3) int32 that face the camera,
    uv (V, 2) float32 in the frame's picture, v upwards."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray


def sheet_of(frame: MemoryFrame, side: int, others: Sequence[MemoryFrame]) -> Sheet:
    """Triangles of a frame's depth at `side` pixels, without what frames in `others` show too."""
    assert frame.depth is not None
    scale = min(1.0, side / max(frame.camera.width, frame.camera.height))
    width = max(4, round(frame.camera.width * scale))
    height = max(4, round(frame.camera.height * scale))
    camera = frame.camera.resized(width, height)
    depth = resize_depth(frame.depth, width, height)
    solid = np.isfinite(depth) & (depth > 0)
    z = np.where(solid, depth, 1.0)
    rays = camera.rays()
    points = camera.position + rays.astype(np.float64) * z[..., None]
    number = np.arange(height * width).reshape(height, width)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    faces = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)
    corners = z.ravel()[faces]
    joined = solid.ravel()[faces].all(axis=1)
    joined &= corners.max(axis=1) - corners.min(axis=1) < JUMP * corners.min(axis=1)
    faces = faces[joined]
    flat = points.reshape(-1, 3)
    cross = np.cross(flat[faces[:, 1]] - flat[faces[:, 0]], flat[faces[:, 2]] - flat[faces[:, 0]])
    middle = flat[faces].mean(axis=1)
    sight = camera.position - middle
    cosine = (cross * sight).sum(axis=1) / np.maximum(
        np.linalg.norm(cross, axis=1) * np.linalg.norm(sight, axis=1), 1e-20
    )
    keep = cosine > STEEP
    for other in others:
        keep &= ~_shown(other, middle, np.linalg.norm(sight, axis=1))
    faces = faces[keep]
    used, index = np.unique(faces, return_inverse=True)
    v, u = np.divmod(used, width)
    uv = np.stack([(u + 0.5) / width, 1 - (v + 0.5) / height], axis=1)
    return Sheet(
        flat[used].astype(np.float32),
        index.reshape(-1, 3).astype(np.int32),
        uv.astype(np.float32),
    )


def _shown(other: MemoryFrame, points: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(M,) bool: the surface at `points` is one that `other` saw from no farther away."""
    if other.depth is None:
        return np.zeros(len(points), bool)
    camera = other.camera
    uv, z, inside = camera.within(points, margin=2)
    x, y = uv[inside].astype(int).T
    same = np.abs(other.depth[y, x] - z[inside]) < SAME * z[inside]
    nearer = np.linalg.norm(points[inside] - camera.position, axis=1) <= 1.3 * distance[inside]
    out = np.zeros(len(points), bool)
    out[np.flatnonzero(inside)] = same & nearer
    return out
