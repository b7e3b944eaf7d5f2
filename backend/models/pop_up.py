# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth from where things stand: the ground is cut out, all else rises from its edge.

After Hoiem, Efros and Hebert, "Automatic photo pop-up" (2005), with GrabCut (Rother et al., 2004)
in place of learned labels. Lengths are in camera heights.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

FARTHEST = 12.0
"""Camera heights at which the ground is taken to end."""
_ROUNDS = 3
_LEAST_SEEDS = 10


@dataclass(frozen=True, eq=False)
class PopUp:
    """log_distance: (H, W) float32, along the rays. ground: (H, W) bool."""

    log_distance: np.ndarray
    ground: np.ndarray


def pop_up(rgb: np.ndarray, directions: np.ndarray) -> PopUp | None:
    """rgb: (H, W, 3) uint8, small. directions: (H, W, 3) unit, z up.

    None when the picture shows too little below the horizon, or nothing but ground.
    """
    ground = _cut_ground(rgb, directions)
    if ground is None:
        return None
    height, width = ground.shape
    level = np.hypot(directions[..., 0], directions[..., 1])
    on_plane = 1 / np.maximum(-directions[..., 2], 1 / FARTHEST)
    # in every column the ground counts from the bottom up to its first gap
    rows = np.cumprod(ground[::-1], axis=0).sum(axis=0)
    edge = np.clip(height - rows, 0, height - 1)
    contact = (on_plane * level)[edge, np.arange(width)].astype(np.float32)
    contact = cv2.medianBlur(contact[None], 5)[0]
    standing = contact[None] / np.maximum(level, 0.2)
    return PopUp(np.log(np.minimum(on_plane, standing)).astype(np.float32), ground)


def _cut_ground(rgb: np.ndarray, directions: np.ndarray) -> np.ndarray | None:
    z = directions[..., 2]
    labels = np.full(z.shape, cv2.GC_PR_BGD, np.uint8)
    labels[z < -0.12] = cv2.GC_PR_FGD
    labels[(z < np.quantile(z, 0.12)) & (z < -0.15)] = cv2.GC_FGD
    labels[z > -0.02] = cv2.GC_BGD
    if min((labels == cv2.GC_FGD).sum(), (labels == cv2.GC_BGD).sum()) < _LEAST_SEEDS:
        return None
    smooth = cv2.GaussianBlur(np.ascontiguousarray(rgb), (3, 3), 0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its colour models start from random samples
    cv2.grabCut(smooth, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
