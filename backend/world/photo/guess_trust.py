# SPDX-License-Identifier: GPL-3.0-or-later
"""How far off the depth of one picture is likely to be, told from how the estimator disagrees with
itself about parts of the picture."""

from __future__ import annotations

import math

import numpy as np

from ...models.depth import DepthEstimator
from ...shared.camera import Camera
from ...shared.trust import Guess

PARTS = ((0.0, 0.7, 0.0, 1.0), (0.3, 1.0, 0.0, 1.0), (0.15, 0.85, 0.15, 0.85))
"""Left, right, top and bottom of the parts, of the picture's width and height."""
LEAST_ERROR = {"embedded": 0.10}
"""Error of log distance, by estimator, that is expected where it always agrees with itself: as
fitted on traced scenes (docs/photo.md)."""
OTHERS_ERROR, MOST_ERROR = 0.05, 1.0
PER_SPREAD = 1.3
"""How much the expected error grows with the disagreement, as fitted there."""
VISIBLE = 0.02
"""Misplacement that is noticed: this part of the width of a view of 60 degrees."""
LEAST_SHARED = 64
"""Pixels of surfaces in both from which on a part says something."""


def photo_guess(
    rgb: np.ndarray,
    camera: Camera,
    depth: np.ndarray,
    estimator: DepthEstimator,
    match: float | None,
) -> Guess:
    """rgb: (H, W, 3) uint8 of the camera's size. depth: (H, W) as `estimator` tells it of all."""
    return expected(_spread(rgb, camera, depth, estimator), depth, estimator.name, match)


def expected(
    spread: float, distance: np.ndarray, estimator: str, match: float | None = None
) -> Guess:
    """spread: mean |difference of log distance| between guesses of the same surfaces. distance:
    metres, of which the median of what is finite and above 0 counts."""
    least = LEAST_ERROR.get(estimator, OTHERS_ERROR)
    error = min(least + PER_SPREAD * spread, MOST_ERROR)
    solid = distance[np.isfinite(distance) & (distance > 0)]
    typical = float(np.median(solid)) if solid.size else 1.0
    # a camera that steps aside by s turns what is at z by s / z, and by as much less as z is wrong
    noticed = VISIBLE * 2 * math.tan(math.radians(30))
    return Guess(error, max(noticed * typical / error, 1e-3), match)


def _spread(rgb: np.ndarray, camera: Camera, depth: np.ndarray, estimator: DepthEstimator) -> float:
    """Mean |difference of log depth| between the whole picture and its parts, each scaled alike."""
    height, width = depth.shape
    found = []
    for left, right, top, bottom in PARTS:
        x0, x1, y0, y1 = (round(left * width), round(right * width),
                          round(top * height), round(bottom * height))  # fmt: skip
        if x1 - x0 < 16 or y1 - y0 < 16:
            continue
        K = camera.K.copy()
        K[:2, 2] -= (x0, y0)
        part = Camera(K, camera.c2w, x1 - x0, y1 - y0)
        other = estimator.estimate(np.ascontiguousarray(rgb[y0:y1, x0:x1]), part).depth
        whole = depth[y0:y1, x0:x1]
        both = np.isfinite(whole) & np.isfinite(other) & (whole > 0) & (other > 0)
        if both.sum() < LEAST_SHARED:
            continue
        log = np.log(other[both] / whole[both])
        found.append(float(np.abs(log - np.median(log)).mean()))
    return float(np.mean(found)) if found else MOST_ERROR
