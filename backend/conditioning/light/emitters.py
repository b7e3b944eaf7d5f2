# SPDX-License-Identifier: GPL-3.0-or-later
"""Shining meshes, cut into lights that are compact enough for points to stand for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anchors.geometry import Geometry
from ..anchors.surface import Matter
from ..anchors.tracing import Hits
from .lamps import LightSource, emitter_light
from .patterns import frames_of

MOST = 48
"""Lights of this kind; when there are more, the faintest are joined to one."""
PIECES = 8
"""Parts that one long mesh is cut into at most."""
SIDES = 4
"""Directions that what shines is looked at from, for it may shine differently to each."""
_LARGEST = 20_000
"""Triangles of meshes that are asked whether they are closed, and of points whether in them."""


@dataclass(frozen=True, eq=False)
class _Part:
    """corners: (T, 3, 3) counterclockwise seen from in front. glow: (T, 3). closed: whether they
    are sides of a body that nobody is in."""

    corners: np.ndarray
    glow: np.ndarray
    closed: bool

    def power(self) -> float:
        normal = _normals(self.corners)
        return float((np.linalg.norm(normal, axis=1) * self.glow.mean(axis=1)).sum())


def emitter_lights(matter: Matter, room: int) -> tuple[list[LightSource], np.ndarray]:
    """The shining meshes of a scene as lights, and which materials (M,) bool these are.

    room: how many there may be without one being left to the cache.
    """
    geometry = matter.geometry
    shines = np.array([m.emits for m in matter.materials], bool)
    sampled = np.zeros(len(matter.materials), bool)
    whole: list[_Part] = []
    for one in np.unique(geometry.owner[shines[geometry.material]]):
        triangles = np.arange(geometry.first[one], geometry.first[one + 1], dtype=np.int32)
        triangles = triangles[shines[geometry.material[triangles]]]
        glow = _glow(matter, triangles)
        bright = glow.max(axis=1) > 0
        if bright.any():
            chosen = triangles[bright]
            sampled[np.unique(geometry.material[chosen])] = True
            corners, flat = geometry.corners[chosen], geometry.flat[chosen]
            turned = np.einsum("ti,ti->t", _normals(corners), flat) < 0
            corners = np.where(turned[:, None, None], corners[:, ::-1], corners)
            whole.append(_Part(corners, glow[bright], _is_body(geometry, one)))
    most = int(np.clip(room // max(len(whole), 1), 1, PIECES))
    parts = [piece for one in whole for piece in _pieces(one, most)]
    return [emitter_light(part.corners, part.glow, part.closed) for part in _few(parts)], sampled


def _normals(corners: np.ndarray) -> np.ndarray:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _is_body(geometry: Geometry, one: int) -> bool:
    """Whether an instance is closed, faces outwards, and nothing and no camera is in it."""
    scene, part = geometry.scene, slice(geometry.first[one], geometry.first[one + 1])
    triangles = scene.meshes[scene.instances[one].mesh].triangles
    if len(triangles) > _LARGEST:
        return False
    # every edge runs once each way
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ways = edges.astype(np.int64) @ np.array([int(triangles.max()) + 1, 1])
    back = edges[:, ::-1].astype(np.int64) @ np.array([int(triangles.max()) + 1, 1])
    if not np.array_equal(np.sort(ways), np.sort(back)) or len(np.unique(ways)) < len(ways):
        return False
    corners, flat = geometry.corners[part], geometry.flat[part]
    middle = corners.mean(axis=(0, 1))
    outwards = np.einsum("ti,ti->t", corners.mean(axis=1) - middle, flat) * geometry.area[part]
    if outwards.sum() <= 0:
        return False
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    step = max(1, len(geometry) // _LARGEST)
    others = geometry.corners[::step, 0][geometry.owner[::step] != one]
    eyes = np.array([camera.position for camera in scene.viewpoints]).reshape(-1, 3)
    inside = np.concatenate([others, eyes])
    return not ((inside > low) & (inside < high)).all(axis=1).any()


def _glow(matter: Matter, triangles: np.ndarray) -> np.ndarray:
    """(K, 3) what triangles send out at their middles, in the mean over where it falls."""
    third = np.full(len(triangles), 1 / 3, np.float32)
    hits = Hits(triangles, third, third, np.ones(len(triangles), np.float32))
    size = np.sqrt(matter.geometry.area[triangles])
    flat = matter.geometry.flat[triangles]
    along, across = frames_of(flat)
    total = np.zeros((len(triangles), 3), np.float32)
    for side in range(SIDES):  # as many as light leaves by each part of the hemisphere
        sine = np.sqrt((side + 0.5) / SIDES)
        turn = 2 * np.pi * side / SIDES
        tilt = np.cos(turn) * along + np.sin(turn) * across
        way = (np.sqrt(1 - sine * sine) * flat + sine * tilt).astype(np.float32)
        total += matter.from_side(hits, way, size).lobes.emission
    return total / SIDES


def _pieces(part: _Part, most: int) -> list[_Part]:
    """A mesh cut across where it is much longer than wide, `most` pieces at most."""
    corners = part.corners
    middle = corners.reshape(-1, 3).mean(axis=0)
    _, _, axes = np.linalg.svd(corners.reshape(-1, 3) - middle, full_matrices=False)
    extent = np.ptp((corners.reshape(-1, 3) - middle) @ axes.T, axis=0)
    count = int(np.clip(np.ceil(extent[0] / max(2 * extent[1], 1e-6)), 1, most))
    if count == 1:
        return [part]
    place = (corners - middle) @ axes[0]
    low, length, left, pieces = place.min(), np.ptp(place), part, []
    for k in range(1, count):
        below, left = _cut(left, middle, axes[0], low + length * k / count)
        pieces.append(below)
    return [piece for piece in (*pieces, left) if len(piece.corners)]


def _cut(part: _Part, middle: np.ndarray, axis: np.ndarray, at: float) -> tuple[_Part, _Part]:
    """What lies below and above the plane `at` metres from `middle` along a unit axis."""
    corners, glow = part.corners, part.glow
    height = (corners - middle) @ axis - at
    up = (height > 0).sum(axis=1)
    sides: list[tuple[list[np.ndarray], list[np.ndarray]]] = [
        ([corners[up == n]], [glow[up == n]]) for n in (0, 3)
    ]
    for lone in (0, 1):  # whether the corner that is alone on its side is above
        crossed = np.flatnonzero(up == (1 if lone else 2))
        if not len(crossed):
            continue
        over = height[crossed] > 0
        alone = (over if lone else ~over).argmax(axis=1)
        order = (alone[:, None] + np.arange(3)) % 3
        turned = np.take_along_axis(corners[crossed], order[..., None], axis=1)
        h = np.take_along_axis(height[crossed], order, axis=1)
        a, b, c = turned[:, 0], turned[:, 1], turned[:, 2]
        p = a + (b - a) * (h[:, 0] / (h[:, 0] - h[:, 1]))[:, None]
        q = a + (c - a) * (h[:, 0] / (h[:, 0] - h[:, 2]))[:, None]
        mine, other = sides[lone], sides[1 - lone]
        mine[0].append(np.stack([a, p, q], axis=1))
        mine[1].append(glow[crossed])
        other[0].extend((np.stack([p, b, c], axis=1), np.stack([p, c, q], axis=1)))
        other[1].extend((glow[crossed], glow[crossed]))
    below, above = (
        _Part(np.concatenate(triangles), np.concatenate(light), part.closed)
        for triangles, light in sides
    )
    return below, above


def _few(parts: list[_Part]) -> list[_Part]:
    """The brightest first; what is beyond MOST is one."""
    parts = sorted(parts, key=lambda part: -part.power())
    if len(parts) <= MOST:
        return parts
    rest = parts[MOST - 1 :]
    joined = _Part(
        np.concatenate([part.corners for part in rest]),
        np.concatenate([part.glow for part in rest]),
        all(part.closed for part in rest),
    )
    return [*parts[: MOST - 1], joined]
