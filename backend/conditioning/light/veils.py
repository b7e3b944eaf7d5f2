# SPDX-License-Identifier: GPL-3.0-or-later
"""What panes, veils and leaves on cards leave of a lamp's light on its way."""

from __future__ import annotations

import numpy as np

from ..anchors.surface import Matter, Surface
from ..anchors.tracing import Rays
from . import direct
from .colors import mean
from .lamps import FAR, Lights
from .passing import left_over

SPREAD = 0.25
"""Part of a sun's light that comes straight through a pane: Filter Glossy makes glass so rough for
it that the rest is spread about the room, too far to be followed; beside Cycles 5.0, where hardly
an edge is left of a window's patch of sun, and a sixth to a half of its light."""
_CLAMPED_FROM = 0.055


def unveiled(
    veils: Rays | None,
    matter: Matter,
    lights: Lights,
    surface: Surface,
    index: int,
    first: np.ndarray,
    wanted: np.ndarray,
) -> np.ndarray:
    """(N, 3) of a light's way to points (one of its points each, `first`) what is left behind
    veils; wanted: (N,) bool, others are 1."""
    left = np.ones((len(surface), 3), np.float32)
    some = np.flatnonzero(wanted)
    if veils is None or not len(some):
        return left
    part = surface.take(some)
    origins, ways, _ = direct.shadow_rays(part, lights, index, first[some], 1)
    left[some], sides = left_over(veils, matter, origins, ways)
    glass = np.flatnonzero(sides)
    if len(glass):
        share = _clamped(matter, lights, part.take(glass), index)
        share *= SPREAD if lights.kind[index] == FAR else 1
        left[some[glass]] *= share[:, None]
    return left


def _clamped(matter: Matter, lights: Lights, surface: Surface, index: int) -> np.ndarray:
    """(N,) what Cycles' clamping of indirect light leaves of a light that comes through glass.

    The brighter a surface would be, the more of the samples that find the lamp are clamped: a fit
    to Cycles 5.0 for areas, points and suns of all sizes, within 15 %.
    """
    clamp = matter.geometry.scene.film.clamp_indirect
    if clamp <= 0:
        return np.ones(len(surface), np.float32)
    receiver = direct.Receiver.of(surface, diffuse_only=True)
    falls = direct.receive(receiver, lights, index).diffuse
    bright = mean(falls * surface.lobes.diffuse)
    return np.sqrt(np.minimum(_CLAMPED_FROM * clamp / np.maximum(bright, 1e-6), 1))
