# SPDX-License-Identifier: GPL-3.0-or-later
"""Straight line segments of a picture."""

from __future__ import annotations

import cv2
import numpy as np

WORKING_SIDE = 1280
MOST = 600
SHORTEST = 0.02
"""Of the diagonal."""


def working_grey(rgb: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of an (H, W, 3) uint8 picture, at most WORKING_SIDE long."""
    height, width = rgb.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(width, height))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale == 1.0:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def find_pieces(grey: np.ndarray, shortest: float = SHORTEST) -> np.ndarray:
    """(N, 4) float64 x1 y1 x2 y2 in the pixels of `grey` (H, W), longest first.

    Pieces shorter than `shortest` diagonals are left out. All have their dark side on one side.
    """
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    if found is None:
        return np.zeros((0, 4))
    lines = found.reshape(-1, 4).astype(np.float64) + 0.5  # its pixel centres are whole numbers
    length = np.hypot(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    order = np.argsort(-length)
    return lines[order[length[order] > shortest * np.hypot(*grey.shape)]]


def detect_segments(rgb: np.ndarray) -> np.ndarray:
    """(N, 4) float64 x1 y1 x2 y2 in the picture's pixels, longest first, at most MOST.

    rgb: (H, W, 3) uint8.
    """
    grey = working_grey(rgb)
    scale = np.tile([rgb.shape[1] / grey.shape[1], rgb.shape[0] / grey.shape[0]], 2)
    return find_pieces(grey)[:MOST] * scale
