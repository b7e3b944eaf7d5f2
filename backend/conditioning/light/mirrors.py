# SPDX-License-Identifier: GPL-3.0-or-later
"""What lobes show that reflect light into the view."""

from __future__ import annotations

import numpy as np

from ...shared.scene import GLOSSY
from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE, Hits
from . import direct
from .colors import brightest
from .fog import dimmed
from .ggx import SMOOTHEST
from .met import lamps_met
from .passing import SEEN, first_solid
from .received import SHARP
from .reflection import CLEAR, LOOKED_AT, MIRROR, density, mirrored
from .shade import Lighting, Shares, arriving, shares

SHOWS = 0.3
"""Least part of light that a mirror in a mirror gives back to be looked into."""


def reflection(
    lighting: Lighting,
    surface: Surface,
    roughness: np.ndarray,
    tile: np.ndarray,
    wanted: np.ndarray,
    last: np.ndarray | None = None,
    deep: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Radiance (N, 3) from one way of each point's lobe and its weight (N,); 0 if not wanted.

    roughness: (N,). tile: (N,) int32, as for `mirrored`. wanted: (N,) bool. last: what is met is
    shown as the cache has it, whatever the lobe; (N,) bool, whether lamps are seen too. deep: (N,)
    bool, behind glass, whose light Cycles clamps; all where `last` is given.
    """
    count = len(surface)
    radiance, weight = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    index = np.flatnonzero(wanted)
    if not len(index):
        return radiance, weight
    some = surface.take(index)
    # one way of a clear lobe speaks for its pixel alone: aside of the middle it would speckle
    spread = np.where(roughness[index] <= CLEAR, 0, roughness[index])
    ways, share = mirrored(some, spread, tile[index])
    origins = some.origins(ways, NUDGE)
    hits, left = first_solid(lighting.reflected, lighting.matter, origins, ways, SEEN)
    missed = hits.triangle < 0
    looks = ~missed & (roughness[index] <= LOOKED_AT) & (last is None)
    clear, dull = np.flatnonzero(looks), np.flatnonzero(~missed & ~looks)
    found = np.zeros((len(index), 3), np.float32)
    if len(dull):
        found[dull] = lighting.bounced.radiance(hits.take(dull), ways[dull])
    if lighting.sky.visible & GLOSSY:
        found[missed] = _sky(lighting, ways[missed], roughness[index][missed] ** 2)
    if len(clear):
        rough = roughness[index]
        found[clear] = _looked_at(lighting, hits, ways, some.width, rough, clear)
    if lighting.sampled.any():  # emitters were asked as lamps: lobes this wide do not meet them
        material = lighting.geometry.material[np.where(missed, 0, hits.triangle)]
        met = np.flatnonzero(~missed & lighting.sampled[material] & (roughness[index] > MIRROR))
        found[met] -= lighting.glow(hits.take(met), ways[met])
        np.maximum(found, 0, out=found)
    found = dimmed(lighting, origins, ways, hits.distance, tile[index], found * left)
    alpha = (roughness[index] ** 2).astype(np.float32)
    dense = density(some, np.maximum(alpha, SMOOTHEST), ways)
    if last is not None:
        alpha[~last[index]] = np.inf
    lights = lighting.lights
    glossy = (lights.visible & GLOSSY) != 0
    found += lamps_met(origins, ways, hits.distance, alpha, lights.only(glossy & lights.met), dense)
    unmet = glossy & ~lights.met
    if unmet.any():  # only Cycles' shadow rays find them, and a clear mirror sends none
        shown = lamps_met(origins, ways, hits.distance, alpha, lights.only(unmet), dense)
        found += np.where((roughness[index] > 0)[:, None], shown, 0)
    found[np.einsum("ni,ni->n", ways, some.flat) <= 0] = 0  # into the surface itself
    if last is not None or deep is not None:
        clamp(lighting, found, None if deep is None else deep[index])
    radiance[index], weight[index] = found, share
    return radiance, weight


def clamp(lighting: Lighting, radiance: np.ndarray, which: np.ndarray | None) -> None:
    """Radiance (N, 3) that comes by more than one mirror or pane, (N,) bool, None = all, becomes
    what Cycles' clamping of indirect light leaves of it: it goes one of the ways at random, so
    that what it brings is clamped before it is divided."""
    most = lighting.geometry.scene.film.clamp_indirect
    if most > 0:
        part = np.minimum(3 * most / np.maximum(radiance.sum(axis=1), 1e-9), 1)
        radiance *= (part if which is None else np.where(which, part, 1))[:, None]


def _sky(lighting: Lighting, ways: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(N, 3) what lobes of GGX alpha (N,) see of the sky; its suns are asked as lamps by those that
    are wide for them."""
    sky = lighting.sky
    sharp = alpha <= (SHARP * sky.suns[0].angle / 2 if sky.suns else SMOOTHEST)
    made = sky.blurred(ways, alpha)
    made[sharp] = sky.seen(ways[sharp])
    return made


def _looked_at(
    lighting: Lighting,
    hits: Hits,
    ways: np.ndarray,
    width: np.ndarray,
    roughness: np.ndarray,
    index: np.ndarray,
) -> np.ndarray:
    """(K, 3) radiance of what mirrors show: its own textures, mirrors that are met, and in clear
    ones its shadows."""
    kept = hits.take(index)
    spread = width[index] / np.maximum(kept.distance, 1e-6) + np.float32(2e-3)
    met = lighting.matter.surface(kept, ways[index], spread, is_camera=False)
    share, clear = shares(met), np.flatnonzero(roughness[index] <= CLEAR)
    around = lighting.bounced.whole_light(met.position, met.lobes.normal, met.back)
    through = met.lobes.translucent * lighting.bounced.whole_behind(met)
    found = (share.diffuse + share.coat) * around + through + met.lobes.emission
    if len(clear):
        part = met.take(clear)
        around[clear] = lighting.bounced.light(part.position, part.lobes.normal, part.back)
        found[clear] = _lit(lighting, part, share.take(clear), around[clear])
    lamps: np.ndarray = roughness[index] <= CLEAR  # in a dull mirror's mirror they would speckle
    return found + share.specular * _back(lighting, met, share, around, lamps)


def _back(
    lighting: Lighting, surface: Surface, share: Shares, around: np.ndarray, lamps: np.ndarray
) -> np.ndarray:
    """(N, 3) mean radiance in the way of main lobes: of mirrors what they show, lamps where (N,)
    `lamps` says so, of others the light (N, 3) `around`."""
    rough = surface.lobes.roughness
    mirror = (brightest(share.specular) > SHOWS) & (rough <= LOOKED_AT)
    if not mirror.any():
        return around
    middle = np.zeros(len(surface), np.int32)
    radiance, _ = reflection(lighting, surface, rough, middle, mirror, last=lamps)
    return np.where(mirror[:, None], radiance, around)


def _lit(lighting: Lighting, surface: Surface, share: Shares, around: np.ndarray) -> np.ndarray:
    """(N, 3) radiance with all lamps' light and bounced light, (N, 3) `around`, but for what
    reflects that."""
    tile = (np.arange(len(surface)) % 16).astype(np.int32)
    through = surface.lobes.translucent
    total = (share.diffuse + share.coat) * around + surface.lobes.emission
    total += through * lighting.bounced.behind(surface)
    receiver = direct.Receiver.of(surface)
    for i in range(len(lighting.lights)):
        received = direct.receive(receiver, lighting.lights, i)
        arrives = arriving(lighting, surface, i, tile, 4)
        scattered = share.diffuse * received.diffuse + through * received.behind
        total += (scattered + received.specular) * arrives
    return total
