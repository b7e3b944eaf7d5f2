# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's bounced light: the cache's, and by a ray of each pixel what is too near for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE, Hits
from .patterns import WIDE_TILE, frames_of, hemisphere_points
from .window import spread

if TYPE_CHECKING:
    from .grid import Grid

_RAYS = 4
"""Rays of pixels near which something was met: those of a tile are as many as a pattern has."""
STEP = 4
"""Pixels between two at which the cache of bounced light, and whole shadows, are asked first."""


def gathered(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) irradiance / pi that comes by way of surfaces and sky; and that of the other side of
    points that let some through, which the cache alone tells."""
    reach, far, apart, behind = _cached(grid)
    return _with_what_is_near(grid, far, reach) + apart, behind


def _with_what_is_near(grid: Grid, far: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(N, 3) light from afar (N, 3) where nothing nearer than `reach` (N, 1) hides it, and what
    is near sends instead: looked for by one ray a pixel, and by more about those that met any."""
    every = np.ones(len(far), np.float32)
    first, _ = _met(grid, grid.surface, grid.wide, reach)
    marks = grid.image((first.distance < 1).astype(np.uint8))
    about = cv2.dilate(marks, np.ones((2 * WIDE_TILE - 1, 2 * WIDE_TILE - 1), np.uint8))
    some = np.flatnonzero(about.ravel()[grid.met])
    if not len(some):
        return far
    change = np.zeros_like(far)
    for k in range(_RAYS):
        change[some] += _change(grid, some, _RAYS * grid.tile[some] + k, far, reach) / _RAYS
    return np.maximum(far + grid.completed(change, every), 0)


def _met(
    grid: Grid, surface: Surface, wide: np.ndarray, reach: np.ndarray
) -> tuple[Hits, np.ndarray]:
    """What rays of `reach` (K, 1) metres meet nearer than their length of one, and their ways.

    wide: (K,) which way of the pattern each goes.
    """
    ways = near_ways(surface, wide) * reach
    return grid.lighting.bounced.met(surface.origins(ways, NUDGE), ways), ways


def _change(
    grid: Grid, index: np.ndarray, wide: np.ndarray, far: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """(K, 3) what a ray of each point of numbers `index` changes of its light from afar.

    wide: (K,) which way of the pattern it goes.
    """
    hits, ways = _met(grid, grid.surface.take(index), wide, reach[index])
    near = np.flatnonzero(hits.distance < 1)
    change: np.ndarray = np.zeros((len(index), 3), np.float32)
    if not len(near):
        return change
    kept = hits.take(near)
    found = grid.lighting.bounced.radiance(kept, ways[near])
    # shining meshes were asked as lamps
    material = grid.lighting.geometry.material[kept.triangle]
    asked = np.flatnonzero(grid.lighting.sampled[material])
    found[asked] -= grid.lighting.glow(kept.take(asked), ways[near[asked]])
    change[near] = np.maximum(found, 0) - far[index[near]]
    return change


def near_ways(surface: Surface, wide: np.ndarray) -> np.ndarray:
    """(N, 3) float32 unit directions, one of a wide tile's each, as dense as their cosine."""
    local = hemisphere_points(WIDE_TILE * WIDE_TILE).astype(np.float32)[wide]
    normal = surface.lobes.normal
    tangent, bitangent = frames_of(normal)
    return local[:, :1] * tangent + local[:, 1:2] * bitangent + local[:, 2:] * normal


def _cached(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `Bounced.from_afar` tells, (N, 1), (N, 3) and (N, 3), and (N, 3) the cache's light on
    the other side: asked at some pixels, brought to all."""
    rows, columns, there = grid.sparse
    some = there[there >= 0]
    coarse: np.ndarray = np.zeros((len(there), 10), np.float32)
    if len(some):
        coarse[there >= 0] = _ask(grid, some)
    coarse = coarse.reshape(len(rows), len(columns), -1)
    made, found = spread(coarse, rows, columns, STEP, grid.guide)
    made, found = made.reshape(-1, coarse.shape[2])[grid.met], found.reshape(-1)[grid.met]
    if not found.all():
        rest = np.flatnonzero(~found)
        made[rest] = _ask(grid, rest)
    return made[:, :1], made[:, 1:4], made[:, 4:7], made[:, 7:]


def _ask(grid: Grid, index: np.ndarray) -> np.ndarray:
    """(K, 10) the same at points of numbers `index`."""
    bounced, surface = grid.lighting.bounced, grid.surface.take(index)
    reach, far, apart = bounced.from_afar(surface.position, surface.lobes.normal, surface.back)
    return np.concatenate([reach[:, None], far, apart, bounced.behind(surface)], axis=1)
