# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on points that have no neighbours to share with."""

from __future__ import annotations

import numpy as np

from ..anchors.surface import Surface
from . import direct
from .colors import brightest
from .mirrors import reflection
from .reflection import DULL, LOOKED_AT
from .shade import Light, Lighting, Shares, arriving

RAYS = 16
"""Points of a lamp that such a point asks about: the same for all, as nobody completes them."""
FEW_RAYS = 2
"""The same for lamps of which a pixel's samples ask about different points."""


def dark(count: int) -> Light:
    """No light on N points."""
    return Light(*(np.zeros((count, 3), np.float32) for _ in range(6)))


def add(light: Light, received: direct.Received, arrives: np.ndarray) -> None:
    """Add a lamp's light, of which the part `arrives` (N, 3) does."""
    light.direct += received.diffuse * arrives
    light.glints += received.specular * arrives
    light.behind += received.behind * arrives


def add_lamps(
    lighting: Lighting, light: Light, surface: Surface, tile: np.ndarray, soft: bool
) -> None:
    """Add what lamps of one kind, soft or not, send to points that each ask by themselves.

    tile: (N,) int32 places in the pattern: samples of one pixel complete narrow shadows together.
    """
    lights, receiver = lighting.lights, direct.Receiver.of(surface)
    for i in range(len(lights)):
        if lights.wide[i] == soft:
            first, rays = (np.zeros_like(tile), RAYS) if soft else (tile, FEW_RAYS)
            arrives = arriving(lighting, surface, i, first, rays)
            add(light, direct.receive(receiver, lights, i), arrives)


def add_bounced(lighting: Lighting, light: Light, surface: Surface) -> None:
    """Add the cache's light, on both sides of what lets some through."""
    falls = lighting.bounced.light(surface.position, surface.lobes.normal, surface.back)
    light.bounced += falls * surface.open_to()
    light.behind += lighting.bounced.behind(surface)


def reflect(
    lighting: Lighting,
    light: Light,
    surface: Surface,
    share: Shares,
    tile: np.ndarray,
    wanted: tuple[np.ndarray, np.ndarray] | None = None,
    deep: np.ndarray | None = None,
) -> None:
    """Look up what the main lobe and the coat show.

    tile: (N,) int32, as for `add_lamps`. wanted: (N,) bool each, None = all. deep: see
    `reflection`.
    """
    lobes = surface.lobes
    parts = ((share.specular, lobes.roughness), (share.coat, lobes.coat_roughness))
    for k, (part, roughness) in enumerate(parts):
        chosen = brightest(part) > DULL
        if wanted is not None:
            chosen &= wanted[k]
        target = (light.mirrored, light.coated)[k]
        clear = chosen & (roughness <= LOOKED_AT)
        if clear.any():
            radiance, _ = reflection(lighting, surface, roughness, tile, clear, deep=deep)
            target[clear] = radiance[clear]
        dull = np.flatnonzero(chosen & ~clear)
        if len(dull):
            # one way of a wide lobe would be a weave: the cache's light from about there is none
            some = surface.take(dull)
            target[dull] = lighting.bounced.light(some.position, facing(some), some.back)


def facing(surface: Surface) -> np.ndarray:
    """(N, 3) unit directions that views are mirrored to."""
    normal, view = surface.shine, surface.incoming
    return 2 * np.einsum("ni,ni->n", normal, view)[:, None] * normal - view


def own_light(
    lighting: Lighting, surface: Surface, share: Shares, tile: np.ndarray, deep: np.ndarray
) -> Light:
    """All light on N points. tile: (N,) int32, as for `add_lamps`. deep: see `reflection`."""
    light = dark(len(surface))
    for soft in (False, True):
        add_lamps(lighting, light, surface, tile, soft)
    add_bounced(lighting, light, surface)
    reflect(lighting, light, surface, share, tile, deep=deep)
    return light
