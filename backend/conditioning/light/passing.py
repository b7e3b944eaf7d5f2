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
PANE = 0.87
"""What one side of glass lets through of light on its way to a surface, as measured in Cycles,
whose Filter Glossy makes glass rough for such light (without, it is 0.92)."""

ELSEWHERE = 0.5
"""What one side of curved glass lets through to where its shadow is, about."""
_FLAT = 0.9995


def first_solid(rays: Rays, matter: Matter, origins: np.ndarray, ways: np.ndarray) -> Hits:
    """`Rays.first`, but surfaces that let more than half of light through are not met."""
    hits = rays.first(origins, ways)
    if matter.all_opaque:
        return hits
    clear = ~matter.opaque()[matter.geometry.material]
    index = np.flatnonzero((hits.triangle >= 0) & clear[hits.triangle])
    travelled = np.zeros(len(origins), np.float32)
    for _ in range(LAYERS):
        if not len(index):
            break
        met = hits.take(index)
        passes = _passes(matter, met, origins[index], ways[index])
        index = index[brightest(passes) > 0.5]
        if not len(index):
            break
        step = np.maximum(hits.distance[index] * NUDGE, NUDGE)
        travelled[index] = hits.distance[index] + step
        further = rays.first(origins[index] + ways[index] * travelled[index, None], ways[index])
        hits.triangle[index], hits.u[index] = further.triangle, further.u
        hits.v[index], hits.distance[index] = further.v, further.distance + travelled[index]
        index = index[(further.triangle >= 0) & clear[further.triangle]]
    return hits


def left_over(clear: Rays, matter: Matter, origins: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """(N, 3) float32 of light that passes all clear surfaces from origins to origins + ways."""
    left = np.ones((len(origins), 3), np.float32)
    index, start = np.arange(len(origins)), np.zeros(len(origins), np.float32)
    for _ in range(LAYERS):
        hits = clear.first(origins[index] + ways[index] * start[index, None], ways[index])
        met = np.flatnonzero((hits.triangle >= 0) & (hits.distance + start[index] < 1))
        if not len(met):
            break
        some = index[met]
        left[some] *= _passes(matter, hits.take(met), origins[some], ways[some])
        reach = np.sqrt(np.einsum("ni,ni->n", ways[some], ways[some]))
        start[some] += hits.distance[met] + NUDGE / np.maximum(reach, NUDGE)
        index = some[brightest(left[some]) > NOTHING]
        if not len(index):
            break
    return left


def _passes(matter: Matter, hits: Hits, origins: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """(N, 3) what surfaces let through, glass as if it did not bend light."""
    spread = np.full(len(origins), 1e-3, np.float32)
    lobes = matter.surface(hits, origins, ways, spread, is_camera=False).lobes
    # a pane lets light pass as it came; what is curved gathers it elsewhere
    corners, flat = matter.geometry.normals[hits.triangle], matter.geometry.flat[hits.triangle]
    curved = (np.einsum("nci,ni->nc", corners, flat) < _FLAT).any(axis=1)
    straight = np.where(curved, ELSEWHERE, PANE).astype(np.float32)[:, None]
    return np.minimum(lobes.transparent + straight * lobes.transmission, 1)
