# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of what one memory frame says of a material others confirm."""

from __future__ import annotations

import numpy as np

from ..anchors.geometry import Geometry
from .lookup import fetch
from .remembered import MATTE, RATIO, Remembered
from .smoothed import Smoothed

NOISE = 0.1
"""What ratios are off by chance; if they vary more, then they are believed without a witness."""
FIRM = 200
"""Pairs of pixels that count as much as that belief."""
_POINTS = 2000
_OTHERS = 6


def agreement(memory: list[Remembered], smoothed: Smoothed, now: Geometry) -> np.ndarray:
    """(M + 1,) float32 in [0, 1] of the scene's materials and of none.

    It is the slope of one frame's ratios over another's at the same points (both less what is
    usual for the material): 1 where they say the same, 0 where one tells nothing of the other.
    """
    count = len(now.scene.materials) + 1
    both, one = np.zeros(count), np.zeros(count)
    for number, first in enumerate(memory):
        met = first.guide.valid
        weight = (first.known * first.values[..., MATTE])[met]
        index = np.flatnonzero(weight > 0.2)
        if len(index) > _POINTS:
            index = index[np.arange(_POINTS) * len(index) // _POINTS]
        points = first.points.take(index)
        material = now.material[points.triangle]
        usual, _ = smoothed.of_material(material)
        mine = first.values[met][index][:, RATIO] - usual
        for step in range(1, min(_OTHERS, len(memory) - 1) + 1):
            other = memory[(number + step) % len(memory)]
            found = fetch(other, points.standing(other.then.geometry))
            share = weight[index] * found.known * np.minimum(found.values[:, MATTE], 1)
            theirs = found.values[:, RATIO] - usual
            both += np.bincount(material, share * (mine * theirs).sum(axis=1), count)
            one += np.bincount(material, share * (theirs**2).sum(axis=1), count)
    variance = smoothed.variance(count)
    alone = variance / (variance + NOISE**2)
    # the belief without a witness, as so many pairs of pixels would tell it
    prior = FIRM * 3 * np.maximum(variance, 1e-6)
    return np.clip((both + alone * prior) / (one + prior), 0, 1).astype(np.float32)
