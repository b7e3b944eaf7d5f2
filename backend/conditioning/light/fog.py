# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin fog: it dims what is behind it and scatters light once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..anchors.tracing import NUDGE
from . import direct
from .colors import length
from .lamps import FAR, Lights

if TYPE_CHECKING:
    from .samples import Samples
    from .shade import Lighting

STEPS = 6
"""Places along a ray that light is scattered at."""
_LEAST = 0.5
"""Radii of a light that rays count as passing it by at least."""
REACH = 2.0
"""Sizes of a scene up to which surfaces light fog."""
FARTHEST = 6.0
"""Mean free ways beyond which fog hides everything."""


def through_fog(lighting: Lighting, samples: Samples, color: np.ndarray) -> np.ndarray:
    """(N, 3) colours (N, 3) that samples show, seen through the scene's fog."""
    reach = length(samples.ways)
    ways = samples.ways / reach[:, None]
    distance = samples.hits.distance * reach
    return dimmed(lighting, samples.origins, ways, distance, samples.tile, color)


def dimmed(
    lighting: Lighting,
    origins: np.ndarray,
    ways: np.ndarray,
    distance: np.ndarray,
    tile: np.ndarray,
    color: np.ndarray,
) -> np.ndarray:
    """(N, 3) colours (N, 3) seen `distance` metres away along rays of unit ways through the scene's
    fog; themselves without any.

    Light is scattered once from lamps, with their shadows, by the phase function of Henyey and
    Greenstein (1941); what was scattered before counts as the mean of bounced light.

    origins, ways: (N, 3). distance: (N,). tile: (N,) int32.
    """
    medium = lighting.medium
    if medium is None or not len(color):
        return color
    density, albedo = medium.density, medium.color
    first, last = medium.span(origins, ways, distance)
    origins, whole = origins + ways * first[:, None], last - first
    hidden = whole > FARTHEST / density
    whole = np.minimum(whole, FARTHEST / density)
    left = np.exp(-density * whole)[:, None]
    left[hidden] = 0
    ambient = lighting.bounced.ambient
    # far from everything there is no bounced light
    among = np.minimum(whole, REACH * lighting.bounced.scale)
    scattered = (1 - np.exp(-density * among))[:, None] * albedo * ambient
    for k in range(STEPS):
        part = ((k + (tile * 7 % 16 + 0.5) / 16) / STEPS).astype(np.float32)
        for i in range(len(lighting.lights)):
            along, share = _places(lighting.lights, density, i, origins, ways, whole, part)
            place = (origins + ways * along[:, None]).astype(np.float32)
            sent, towards = direct.sent(place, lighting.lights, i)
            lit = np.ones(len(place), bool)
            if lighting.lights.shadow[i]:
                off = NUDGE * towards
                lit = ~lighting.between.blocked(place + off, towards - 2 * off)
            phase = _phase(ways, towards, medium.anisotropy)
            scattered += (share * phase * lit / STEPS)[:, None] * albedo * sent
    return (color * left + scattered).astype(np.float32)


def _places(
    lights: Lights,
    density: float,
    i: int,
    origins: np.ndarray,
    ways: np.ndarray,
    whole: np.ndarray,
    part: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Metres along rays (N,) of places for parts (N,) of them, and what each stands for: how much
    is scattered a metre there over how densely places lie.

    Of a light that is near they see it turn by equal angles (Kulla and Fajardo, 2012); of one
    that is far each stands for as much of what is scattered.
    """
    if lights.kind[i] == FAR:
        gone = 1 - np.exp(-density * whole)
        return -np.log1p(-part * gone) / density, gone
    to = lights.middle[i] - origins
    nearest = np.einsum("ni,ni->n", to, ways)
    off = length(to - nearest[:, None] * ways)
    off = np.maximum(off, max(_LEAST * float(lights.radius[i]), 1e-4))
    first, last = np.arctan2(-nearest, off), np.arctan2(whole - nearest, off)
    from_nearest = off * np.tan(first + part * (last - first))
    along = np.clip(nearest + from_nearest, 0, whole)
    metres = (last - first) * (off**2 + from_nearest**2) / off
    return along, density * np.exp(-density * along) * metres


def _phase(ways: np.ndarray, towards: np.ndarray, g: float) -> np.ndarray:
    """(N,) part of light per steradian that is turned from a lamp's way into the viewer's."""
    cosine = np.einsum("ni,ni->n", ways, towards) / np.maximum(length(towards), 1e-12)
    return (1 - g * g) / (4 * np.pi * np.maximum(1 + g * g - 2 * g * cosine, 1e-6) ** 1.5)
