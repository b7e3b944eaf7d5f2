# SPDX-License-Identifier: GPL-3.0-or-later
"""What samples show in the end: their surfaces, what lies behind clear ones, and the background."""

from __future__ import annotations

import numpy as np

from ...shared.scene import CAMERA, TRANSMISSION
from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE
from .colors import brightest, length, mean
from .fog import dimmed, through_fog
from .met import lamps_met
from .mirrors import clamp
from .reflection import refracted
from .samples import Samples
from .shade import Light, Lighting, Shares, outgoing, passes_on, shares
from .single import own_light

LAYERS = 16
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
    color, left = outgoing(surface, share, light), passes_on(surface, share)
    cut = _cut_out(lighting, surface, light, color, left)
    made[met, :3] += color
    on = brightest(left) > THROUGH
    made[met, 3] = 1 - cut
    if on.any():
        _look_on(lighting, samples, met[on], surface.take(on), left[on], made)
    made[:, :3] = through_fog(lighting, samples, made[:, :3])
    return made


def _cut_out(
    lighting: Lighting, surface: Surface, light: Light, color: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """(N,) how much of surfaces leaves a hole; `color` and `left` (N, 3) are changed accordingly.

    Holdouts leave one; shadow catchers show what is behind them, as dark as light on them is.
    """
    cut = surface.lobes.holdout.copy()
    instances, owner = lighting.geometry.scene.instances, lighting.geometry.owner
    holdout = np.array([one.holdout for one in instances], bool)
    catcher = np.array([one.shadow_catcher for one in instances], bool)
    if holdout.any():
        cut[holdout[owner[surface.triangle]]] = 1
    if cut.any():
        color *= (1 - cut)[:, None]
        left *= (1 - cut)[:, None]
    if catcher.any():
        some = np.flatnonzero(catcher[owner[surface.triangle]])
        part = surface.take(some)
        falls = light.direct[some] + light.bounced[some]
        free = lighting.unshadowed(part)
        color[some] = 0
        left[some] = np.clip(falls / np.maximum(free, 1e-6), 0, 1)
    return cut


def seen_lamps(lighting: Lighting, samples: Samples) -> np.ndarray:
    """(N, 3) radiance of lamps in front of what rays met."""
    lights = lighting.lights
    visible = (lights.visible & CAMERA) != 0
    if not visible.any():
        return np.zeros((len(samples.ways), 3), np.float32)
    reach = length(samples.ways)
    ways, far = samples.ways / reach[:, None], samples.hits.distance * reach
    alpha = np.zeros(len(ways), np.float32)
    return lamps_met(samples.origins, ways, far, alpha, lights.only(visible))


def _lamps_behind(
    lighting: Lighting,
    surface: Surface,
    origins: np.ndarray,
    ways: np.ndarray,
    far: np.ndarray,
    through_glass: np.ndarray,
) -> np.ndarray:
    """(N, 3) radiance of lamps before `far` (N,) on ways (N, 3) on from `surface`.

    through_glass: (N,) bool, where glass has been passed; polished glass, as rough one shows lamps
    by its glints. Others are still a camera's rays.
    """
    made: np.ndarray = np.zeros((len(ways), 3), np.float32)
    alpha: np.ndarray = np.where(through_glass, surface.lobes.roughness**2, 0).astype(np.float32)
    lights = lighting.lights
    for some, bit in ((through_glass, TRANSMISSION), (~through_glass, CAMERA)):
        lamps = lights.only(((lights.visible & bit) != 0) & (lights.met | (bit == CAMERA)))
        index = np.flatnonzero(some)
        if len(lamps) and len(index):
            made[index] = lamps_met(origins[index], ways[index], far[index], alpha[index], lamps)
    clamp(lighting, made, through_glass)
    return made


def _look_on(
    lighting: Lighting,
    samples: Samples,
    index: np.ndarray,
    surface: Surface,
    left: np.ndarray,
    made: np.ndarray,
) -> None:
    """Add what is behind surfaces that let the part `left` of light through, layer by layer."""
    film = lighting.geometry.scene.film
    ways = samples.ways[index] / length(samples.ways[index])[:, None]
    through_glass = np.zeros(len(index), bool)
    for _ in range(LAYERS):
        bends = brightest(surface.lobes.transmission) > brightest(surface.lobes.transparent)
        ways = np.where(bends[:, None], refracted(surface), ways).astype(np.float32)
        through_glass |= bends
        origins = surface.origins(ways, NUDGE)
        hits = lighting.seen.first(origins, ways)
        missed = hits.triangle < 0
        lamps = _lamps_behind(lighting, surface, origins, ways, hits.distance, through_glass)
        lamps = dimmed(lighting, origins, ways, hits.distance, samples.tile[index], lamps)
        made[index, :3] += left * lamps
        # behind glass the background is there, unless the film says otherwise
        hole = missed & film.transparent & (film.transparent_glass | ~through_glass)
        made[index[hole], 3] -= mean(left[hole])
        there = missed & ~hole
        beyond = lighting.sky.seen(ways[there])
        tile, far = samples.tile[index], hits.distance
        beyond = dimmed(lighting, origins[there], ways[there], far[there], tile[there], beyond)
        made[index[there], :3] += beyond * left[there]
        met = np.flatnonzero(hits.triangle >= 0)
        if not len(met):
            return
        kept = hits.take(met)
        spread = surface.width[met] / np.maximum(kept.distance, 1e-6) + samples.spread[index[met]]
        surface = lighting.matter.surface(kept, ways[met], spread)
        index, left, ways, through_glass = index[met], left[met], ways[met], through_glass[met]
        share = shares(surface)
        light = own_light(lighting, surface, share, samples.tile[index], through_glass)
        color, passes = outgoing(surface, share, light), passes_on(surface, share)
        cut = _cut_out(lighting, surface, light, color, passes)
        color = dimmed(lighting, origins[met], ways, far[met], tile[met], color)
        made[index, :3] += left * color
        made[index, 3] -= mean(left) * cut
        left = left * passes
        on = np.flatnonzero(brightest(left) > THROUGH)
        if not len(on):
            return
        surface, index, left, ways = surface.take(on), index[on], left[on], ways[on]
        through_glass = through_glass[on]
