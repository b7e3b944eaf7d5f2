# SPDX-License-Identifier: GPL-3.0-or-later
"""Bumps finer than a picture's pixels: where normals beside each other have nothing in common, a
pixel shows the mean of many, as many samples of it would, and neighbours stand for these."""

from __future__ import annotations

import cv2
import numpy as np

from .patterns import TILE

_BENT = 0.05
"""Mean square of what normals differ by from those of triangles below which they are no such
bumps: thirteen degrees, more than between the faces of something round."""
_UNLIKE = 0.7
"""Part of what normals of a neighbourhood vary by that the next one's has to differ by: 1 where
nothing tells one from the other."""


def unresolved(normal: np.ndarray, flat: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(H, W) bool where normals are noise.

    normal, flat: (H, W, 3) that surfaces are shaded by, and of their triangles. group: (H, W) int32
    of surfaces, -1 = none.
    """
    there, size = group >= 0, (2 * TILE + 1, 2 * TILE + 1)
    bent = ((normal - flat) ** 2).sum(axis=2, keepdims=True)
    if not (bent > _BENT).any():
        return np.zeros(group.shape, bool)
    step, pairs = (np.zeros(group.shape, np.float32) for _ in range(2))
    for here, next_ in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        alike = there[here] & (group[next_] == group[here])
        step[here] += alike * ((normal[next_] - normal[here]) ** 2).sum(axis=2)
        pairs[here] += alike
    step = cv2.blur(step, size) / np.maximum(cv2.blur(pairs, size), 1e-6)
    sums = np.concatenate([normal, bent, np.ones_like(bent)], axis=2) * there[..., None]
    sums = cv2.blur(sums.astype(np.float32), size)
    sums /= np.maximum(sums[..., 4:], 1e-6)
    varies = 1 - (sums[..., :3] ** 2).sum(axis=2)
    return there & (sums[..., 3] > _BENT) & (0.5 * step > _UNLIKE * varies)
