# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes out of what surfels gathered the noise of their few rays: a small bright patch that one
of them meets and the next one misses would be a weave on the wall."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..threads import thread_count
from .colors import mean

NEIGHBOURS = 24
_DIFFERENT = 4.0
"""Variances by which the square of a difference counts as more than noise, by 1 / e."""


def noise_of(arrives: np.ndarray) -> np.ndarray:
    """(S,) variance of the mean brightness of rays (S, R, 3)."""
    bright: np.ndarray = arrives @ np.full(3, 1 / 3, np.float32)
    return bright.var(axis=1) / arrives.shape[1]


def neighbours(tree: cKDTree) -> tuple[np.ndarray, np.ndarray]:
    """(S, K) distances to the points around each of a tree's own, rising, and their numbers."""
    k = min(NEIGHBOURS, tree.n)
    distance, near = tree.query(tree.data, k=k, workers=thread_count())
    return distance.reshape(-1, k), near.reshape(-1, k)


def quieted(
    distance: np.ndarray, near: np.ndarray, light: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """(S, C) the light (S, C) of points, each the mean of those around that differ from it by no
    more than noise explains.

    distance, near: see `neighbours`. light: three channels tell how bright it is, others go along.
    noise: (S,) variance of their light's brightness. Who met nothing bright knows of no noise: the
    neighbourhood's counts.
    """
    bright = mean(light)
    around = noise[near].mean(axis=1, keepdims=True)
    differs = (bright[near] - bright[:, None]) ** 2 / np.maximum(_DIFFERENT * around, 1e-20)
    away = (distance / np.maximum(distance[:, -1:], 1e-20)) ** 2
    weight = np.exp(-differs - 2 * away)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkc->nc", weight, light[near]).astype(np.float32)
