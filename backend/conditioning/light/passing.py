# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays that pass through what is clear: panes, leaves cut out of cards, thin veils."""

from __future__ import annotations

import numpy as np

from ..anchors.surface import Matter
from ..anchors.tracing import NUDGE, Hits, Rays
from .colors import brightest

LAYERS = 6
"""Clear surfaces, one behind the other, that light passes at most."""
NOTHING = 0.02
"""What is left of light that is not followed further."""
Sides = tuple[float, float]
LAMPS, AROUND, SEEN = (0.51, 1.2), (0.456, 0.95), (0.92, 0.92)
"""What the first and the second side of flat glass do to light, as measured in Cycles 5.0: to a
lamp's and to all others' on their way to a surface, of which half comes through a sheet of one side
and 0.6 or 0.43 through a pane of two, thick or thin, as Filter Glossy makes glass rough for such
light; and to what a mirror shows, by Fresnel."""

ELSEWHERE = 0.5
"""What one side of curved glass lets through to where its shadow is, about."""
_FLAT = 0.9995


def first_solid(
    rays: Rays, matter: Matter, origins: np.ndarray, ways: np.ndarray, glass: Sides
) -> tuple[Hits, np.ndarray]:
    """`Rays.first`, but surfaces that let more than half of light through are not met; and
    (N, 3) float32 what they leave of light, or (1, 1) where there are none.

    origins, ways: (N, 3) float32. glass: what its sides do to such light.
    """
    hits = rays.first(origins, ways)
    if matter.all_opaque:
        return hits, np.ones((1, 1), np.float32)
    left = np.ones((len(origins), 3), np.float32)
    sides = np.zeros(len(origins), np.int64)
    clear = ~matter.opaque()[matter.geometry.material]
    index = np.flatnonzero((hits.triangle >= 0) & clear[hits.triangle])
    travelled = np.zeros(len(origins), np.float32)
    for _ in range(LAYERS):
        if not len(index):
            break
        met = hits.take(index)
        passes, whole, is_glass = _passes(matter, met, ways[index], sides[index], glass)
        through = whole > 0.5
        index = index[through]
        if not len(index):
            break
        left[index] *= passes[through]
        sides[index] += is_glass[through]
        step = np.maximum(hits.distance[index] * NUDGE, NUDGE)
        travelled[index] = hits.distance[index] + step
        further = rays.first(origins[index] + ways[index] * travelled[index, None], ways[index])
        hits.triangle[index], hits.u[index] = further.triangle, further.u
        hits.v[index], hits.distance[index] = further.v, further.distance + travelled[index]
        index = index[(further.triangle >= 0) & clear[further.triangle]]
    return hits, left


def left_over(
    clear: Rays, matter: Matter, origins: np.ndarray, ways: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) float32 of light that passes all clear surfaces from origins to origins + ways; and
    (N,) how many of them are glass."""
    left = np.ones((len(origins), 3), np.float32)
    sides = np.zeros(len(origins), np.int64)
    index, start = np.arange(len(origins)), np.zeros(len(origins), np.float32)
    for _ in range(LAYERS):
        hits = clear.first(origins[index] + ways[index] * start[index, None], ways[index])
        met = np.flatnonzero((hits.triangle >= 0) & (hits.distance + start[index] < 1))
        if not len(met):
            break
        some = index[met]
        passes, _, is_glass = _passes(matter, hits.take(met), ways[some], sides[some], LAMPS, True)
        left[some] *= passes
        sides[some] += is_glass
        reach = np.sqrt(np.einsum("ni,ni->n", ways[some], ways[some]))
        start[some] += hits.distance[met] + NUDGE / np.maximum(reach, NUDGE)
        index = some[brightest(left[some]) > NOTHING]
        if not len(index):
            break
    return left, sides


def _passes(
    matter: Matter,
    hits: Hits,
    ways: np.ndarray,
    sides: np.ndarray,
    glass: Sides,
    is_shadow: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 3) what surfaces let through, glass as if it did not bend light; (N,) the same if flat
    glass took nothing; (N,) bool, glass.

    sides: (N,) of glass that were passed before. is_shadow: a lamp's light passes.
    """
    spread = np.full(len(ways), 1e-3, np.float32)
    lobes = matter.surface(hits, ways, spread, is_camera=False, is_shadow=is_shadow).lobes
    # a pane lets light pass as it came; what is curved gathers it elsewhere
    corners, flat = matter.geometry.normals[hits.triangle], matter.geometry.flat[hits.triangle]
    curved = (np.einsum("nci,ni->nc", corners, flat) < _FLAT).any(axis=1)
    flat_glass = np.where(sides % 2 == 0, *glass)
    straight = np.where(curved, ELSEWHERE, flat_glass).astype(np.float32)[:, None]
    passes = lobes.transparent + straight * lobes.transmission
    is_glass: np.ndarray = np.any(lobes.transmission > lobes.transparent, axis=1)
    whole = np.where(curved, ELSEWHERE, 1).astype(np.float32)[:, None] * lobes.transmission
    return passes, brightest(lobes.transparent + whole), is_glass
