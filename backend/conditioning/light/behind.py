# SPDX-License-Identifier: GPL-3.0-or-later
"""What samples show in the end: their surfaces, what lies behind clear ones, and the background."""

from __future__ import annotations

import numpy as np

from ...shared.scene import CAMERA
from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE, Hits
from . import direct
from .colors import brightest, length, mean
from .reflection import refracted
from .samples import Samples
from .shade import Light, Lighting, Shares, outgoing, passes_on, shares
from .single import own_light

LAYERS = 8
"""Surfaces, one behind the other, that a ray passes at most."""
THROUGH = 0.01
"""Least part of light that is worth looking on for."""


def shown(
    lighting: Lighting,
    samples: Samples,
    met: np.ndarray,
    surface: Surface,
    share: Shares,
    light: Light,
) -> np.ndarray:
    """(N, 4) float32 premultiplied colour and alpha of samples.

    met: (M,) numbers of those that met the M points of `surface`, which divides light by `share`.
    """
    transparent = lighting.geometry.scene.film.transparent
    made = np.zeros((len(samples.ways), 4), np.float32)
    missed = samples.hits.triangle < 0
    if not transparent:
        made[missed, 3] = 1
        if lighting.sky.visible & CAMERA:
            made[missed, :3] = lighting.sky.seen(samples.ways[missed])
    made[:, :3] += seen_lamps(lighting, samples)
    made[met, :3] += outgoing(surface, share, light)
    left = passes_on(surface, share)
    made[met, 3] = 1 - mean(left) * transparent
    on = brightest(left) > THROUGH
    made[met[~on], 3] = 1
    if on.any():
        _look_on(lighting, samples, met[on], surface.take(on), left[on], made)
    return made


def seen_lamps(lighting: Lighting, samples: Samples) -> np.ndarray:
    """(N, 3) radiance of lamps in front of what rays met."""
    lights = lighting.lights
    visible = (lights.visible & CAMERA) != 0
    if not visible.any():
        return np.zeros((len(samples.ways), 3), np.float32)
    reach = length(samples.ways)
    ways, far = samples.ways / reach[:, None], samples.hits.distance * reach
    return direct.seen_lamps(samples.origins, ways, far, lights.only(visible))


def _look_on(
    lighting: Lighting,
    samples: Samples,
    index: np.ndarray,
    surface: Surface,
    left: np.ndarray,
    made: np.ndarray,
) -> None:
    """Add what is behind surfaces that let the part `left` of light through, layer by layer."""
    transparent = lighting.geometry.scene.film.transparent
    ways = samples.ways[index] / length(samples.ways[index])[:, None]
    for _ in range(LAYERS):
        bends = brightest(surface.lobes.transmission) > brightest(surface.lobes.transparent)
        ways = np.where(bends[:, None], refracted(surface), ways).astype(np.float32)
        origins = surface.origins(ways, NUDGE)
        hits = lighting.seen.first(origins, ways)
        missed = np.flatnonzero(hits.triangle < 0)
        if len(missed) and not transparent:
            made[index[missed], :3] += lighting.sky.seen(ways[missed]) * left[missed]
            made[index[missed], 3] = 1
        met = np.flatnonzero(hits.triangle >= 0)
        if not len(met):
            return
        kept = Hits(hits.triangle[met], hits.u[met], hits.v[met], hits.distance[met])
        spread = surface.width[met] / np.maximum(kept.distance, 1e-6) + samples.spread[index[met]]
        surface = lighting.matter.surface(kept, origins[met], ways[met], spread)
        index, left, ways = index[met], left[met], ways[met]
        share = shares(surface)
        light = own_light(lighting, surface, share, samples.tile[index])
        made[index, :3] += left * outgoing(surface, share, light)
        left = left * passes_on(surface, share)
        if transparent:
            made[index, 3] = 1 - mean(left)
        on = np.flatnonzero(brightest(left) > THROUGH)
        if not len(on):
            return
        surface, index, left, ways = surface.take(on), index[on], left[on], ways[on]
