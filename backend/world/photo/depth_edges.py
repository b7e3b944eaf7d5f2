# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth that jumps at silhouettes instead of sloping through the air behind them."""

from __future__ import annotations

import cv2
import numpy as np

JUMP = 0.12
"""Difference of log depth over a few pixels from which on two surfaces are meant."""
_FAR = 20.0  # stands for the logarithm of the sky's distance


def sharpen_edges(depth: np.ndarray, reach: int = 5, rounds: int = 3) -> np.ndarray:
    """(H, W) float32: slopes steeper than JUMP over `reach` pixels become steps.

    Each pixel on such a slope takes the nearer in value of its window's extremes (a shock filter,
    Osher and Rudin, 1990, in its morphological form). Sky (+inf) takes part as a surface.
    """
    log = np.where(np.isfinite(depth), np.log(np.maximum(depth, 1e-6)), _FAR).astype(np.float32)
    kernel = np.ones((reach, reach), np.uint8)
    for _ in range(rounds):
        low, high = cv2.erode(log, kernel), cv2.dilate(log, kernel)
        steep = (high - low) > JUMP
        log = np.where(steep, np.where(log - low < high - log, low, high), log)
    sharp = np.exp(log).astype(np.float32)
    return np.where(log > _FAR - 1, np.float32(np.inf), sharp)


def jumps(depth: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with a silhouette between them and one of their four neighbours."""
    log = np.where(np.isfinite(depth), np.log(np.maximum(depth, 1e-6)), _FAR)
    found = np.zeros(depth.shape, bool)
    across, down = np.abs(np.diff(log, axis=1)) > JUMP, np.abs(np.diff(log, axis=0)) > JUMP
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def enlarge_depth(depth: np.ndarray, width: int, height: int) -> np.ndarray:
    """Depth at another size: linear in inverse depth within a surface, nearest at silhouettes."""
    size = (width, height)
    inverse = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    smooth = cv2.resize(inverse, size, interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(inverse, size, interpolation=cv2.INTER_NEAREST)
    edge = cv2.dilate(jumps(depth).astype(np.uint8), np.ones((3, 3), np.uint8))
    edge = cv2.resize(edge, size, interpolation=cv2.INTER_NEAREST) > 0
    inverse = np.where(edge, nearest, smooth)
    with np.errstate(divide="ignore"):
        return np.where(inverse > 0, 1 / inverse, np.inf).astype(np.float32)
