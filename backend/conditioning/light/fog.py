# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin fog that is the same everywhere: it dims what is behind it and scatters light once."""

from __future__ import annotations

import numpy as np

from ..anchors.tracing import NUDGE
from . import direct
from .colors import length
from .samples import Samples
from .shade import Lighting

STEPS = 6
"""Places along a ray that light is scattered at."""
FARTHEST = 6.0
"""Mean free ways beyond which fog hides everything."""


def through_fog(lighting: Lighting, samples: Samples, color: np.ndarray) -> np.ndarray:
    """(N, 3) colours (N, 3) seen through the scene's fog; themselves without any.

    Light is scattered once from lamps, with their shadows, by the phase function of Henyey and
    Greenstein (1941); what was scattered before counts as the mean of bounced light.
    """
    scene = lighting.geometry.scene
    density = scene.fog_density
    if density <= 0 or not len(color):
        return color
    reach = length(samples.ways)
    ways = samples.ways / reach[:, None]
    whole = np.minimum(samples.hits.distance * reach, FARTHEST / density)
    left = np.exp(-density * whole)[:, None]
    hidden = samples.hits.distance * reach > FARTHEST / density
    left[hidden] = 0
    albedo = np.array(scene.fog_color, np.float32)
    ambient = lighting.bounced.ambient
    scattered = (1 - left) * albedo * ambient
    # places that each stand for an equal part of what is scattered
    for k in range(STEPS):
        part = (k + (samples.tile * 7 % 16 + 0.5) / 16) / STEPS
        along = -np.log1p(-part * (1 - np.exp(-density * whole))) / density
        place = (samples.origins + ways * along[:, None]).astype(np.float32)
        for i in range(len(lighting.lights)):
            sent, towards = direct.sent(place, lighting.lights, i)
            lit = np.ones(len(place), bool)
            if lighting.lights.shadow[i]:
                off = NUDGE * towards
                lit = ~lighting.between.blocked(place + off, towards - 2 * off)
            phase = _phase(ways, towards, scene.fog_anisotropy)
            share = (1 - left[:, 0]) / STEPS * phase * lit
            scattered += share[:, None] * albedo * sent
    return (color * left + scattered).astype(np.float32)


def _phase(ways: np.ndarray, towards: np.ndarray, g: float) -> np.ndarray:
    """(N,) part of light per steradian that is turned from a lamp's way into the viewer's."""
    cosine = np.einsum("ni,ni->n", ways, towards) / np.maximum(length(towards), 1e-12)
    return (1 - g * g) / (4 * np.pi * np.maximum(1 + g * g - 2 * g * cosine, 1e-6) ** 1.5)
