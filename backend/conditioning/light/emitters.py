# SPDX-License-Identifier: GPL-3.0-or-later
"""Shining meshes, cut into lights that are compact enough for points to stand for them."""

from __future__ import annotations

import numpy as np

from ..anchors.surface import Matter
from ..anchors.tracing import Hits
from .lamps import Light, emitter_light

MOST = 48
"""Lights of this kind; when there are more, the faintest are joined to one."""
PIECES = 8
"""Parts that one long mesh is cut into at most."""
_HALVINGS = 8


def emitter_lights(matter: Matter) -> tuple[list[Light], np.ndarray]:
    """The shining meshes of a scene as lights, and which materials (M,) bool these are."""
    geometry = matter.geometry
    shines = np.array([m.emits for m in matter.materials], bool)
    sampled = np.zeros(len(matter.materials), bool)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for one in np.unique(geometry.owner[shines[geometry.material]]):
        triangles = np.arange(geometry.first[one], geometry.first[one + 1], dtype=np.int32)
        triangles = triangles[shines[geometry.material[triangles]]]
        glow = _glow(matter, triangles)
        bright = glow.max(axis=1) > 0
        if bright.any():
            sampled[np.unique(geometry.material[triangles[bright]])] = True
            parts += _pieces(geometry.corners[triangles[bright]], glow[bright])
    return [emitter_light(*part) for part in _few(parts)], sampled


def _glow(matter: Matter, triangles: np.ndarray) -> np.ndarray:
    """(K, 3) what triangles send out, at their middles."""
    third = np.full(len(triangles), 1 / 3, np.float32)
    hits = Hits(triangles, third, third, np.ones(len(triangles), np.float32))
    size = np.sqrt(matter.geometry.area[triangles])
    return matter.from_side(hits, matter.geometry.flat[triangles], size).lobes.emission


def _pieces(corners: np.ndarray, glow: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """A mesh (T, 3, 3) and its light (T, 3), cut across where it is much longer than wide."""
    middle = corners.reshape(-1, 3).mean(axis=0)
    _, _, axes = np.linalg.svd(corners.reshape(-1, 3) - middle, full_matrices=False)
    extent = np.ptp((corners.reshape(-1, 3) - middle) @ axes.T, axis=0)
    count = int(np.clip(np.ceil(extent[0] / max(2 * extent[1], 1e-6)), 1, PIECES))
    if count == 1:
        return [(corners, glow)]
    longest = extent[0] / count
    for _ in range(_HALVINGS):
        edges = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        large = edges.max(axis=1) > longest
        if not large.any():
            break
        halves = _halved(corners[large])
        corners = np.concatenate([corners[~large], halves])
        glow = np.concatenate([glow[~large], glow[large], glow[large]])
    along = (corners.mean(axis=1) - middle) @ axes[0]
    place = np.clip((along - along.min()) / max(np.ptp(along), 1e-9) * count, 0, count - 1)
    index = place.astype(int)
    return [(corners[index == k], glow[index == k]) for k in range(count) if (index == k).any()]


def _halved(corners: np.ndarray) -> np.ndarray:
    """(2 T, 3, 3): every triangle cut across its longest edge."""
    edges = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    order = (edges.argmax(axis=1)[:, None] + np.arange(3)) % 3
    a, b, c = (np.take_along_axis(corners, order[:, k, None, None], axis=1)[:, 0] for k in range(3))
    half = 0.5 * (a + b)
    return np.concatenate([np.stack([a, half, c], axis=1), np.stack([half, b, c], axis=1)])


def _few(parts: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The brightest first; what is beyond MOST is one."""
    parts = sorted(parts, key=lambda part: -_power(*part))
    if len(parts) <= MOST:
        return parts
    rest = tuple(np.concatenate([part[i] for part in parts[MOST - 1 :]]) for i in (0, 1))
    return [*parts[: MOST - 1], (rest[0], rest[1])]


def _power(corners: np.ndarray, glow: np.ndarray) -> float:
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float((np.linalg.norm(normal, axis=1) * glow.mean(axis=1)).sum())
