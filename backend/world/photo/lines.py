# SPDX-License-Identifier: GPL-3.0-or-later
"""Straight line segments of a picture."""

from __future__ import annotations

import cv2
import numpy as np

WORKING_SIDE = 1280
MOST = 600


def detect_segments(rgb: np.ndarray) -> np.ndarray:
    """(N, 4) float64 x1 y1 x2 y2 in the picture's pixels, longest first, at most MOST.

    rgb: (H, W, 3) uint8. Pieces shorter than 2 % of the diagonal are left out.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(width, height))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    if found is None:
        return np.zeros((0, 4))
    # the detector's coordinates have pixel centres at whole numbers
    lines = (found.reshape(-1, 4).astype(np.float64) + 0.5) * np.tile(
        [width / grey.shape[1], height / grey.shape[0]], 2
    )
    length = np.hypot(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    keep = np.argsort(-length)[:MOST]
    return lines[keep[length[keep] > 0.02 * np.hypot(width, height)]]
