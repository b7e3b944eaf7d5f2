# SPDX-License-Identifier: GPL-3.0-or-later
"""The box that fits a distance map best: upright walls at right angles, a ceiling, the ground.

Small networks bend walls and ceilings. Indoors most of what is seen lies on a few planes, and where
these are can be told from all pixels together much better than from each. Lengths are in camera
heights, so the ground lies at -1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_OFFSETS = np.append(np.geomspace(0.3, 60, 40), np.inf)
"""Distances from the camera that are tried for every plane; the last one is no plane."""
_FARTHEST = 400.0
_OUTLIER = 0.5
"""Log error from which on a pixel is furniture, and how wrong it is no longer matters."""
_COST = 0.004
"""What a plane has to gain in mean log error."""
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Box:
    """yaw: radians from +x to the first wall's normal. offsets: of the walls towards the first
    normal, against it, towards the second, against it, and of the ceiling; inf where there is none.
    error: truncated mean log error of the fit."""

    yaw: float
    offsets: np.ndarray
    error: float

    def log_distance(self, directions: np.ndarray) -> np.ndarray:
        """(...,) along unit directions (..., 3) with z up."""
        return -np.log(np.maximum(self._walls(directions), ground(directions)))

    def shows_ground(self, directions: np.ndarray) -> np.ndarray:
        """(...,) bool: directions in which the ground is met before any wall."""
        down = -directions[..., 2]
        return (down > self._walls(directions)) & (down > 1 / _FARTHEST)

    def _walls(self, directions: np.ndarray) -> np.ndarray:
        return (approach(directions, self.yaw) / self.offsets).max(axis=-1)


def fit_box(directions: np.ndarray, log_distance: np.ndarray, yaws: list[float]) -> Box:
    """The best box, planes refined in turn. directions: (N, 3) unit. log_distance: (N,)."""
    return min((_fit(directions, log_distance, yaw) for yaw in yaws), key=lambda box: box.error)


def _fit(directions: np.ndarray, log_distance: np.ndarray, yaw: float) -> Box:
    nears, floor = approach(directions, yaw), ground(directions)
    offsets, error = np.full(5, np.inf), math.inf
    for _ in range(_ROUNDS):
        for i in range(5):
            offsets[i] = np.inf
            others = np.maximum((nears / offsets).max(axis=1), floor)
            tried = np.maximum(others, nears[:, i] / _OFFSETS[:, None])
            wrong = np.minimum(np.abs(-np.log(tried) - log_distance), _OUTLIER).mean(axis=1)
            wrong += _COST * (np.isfinite(_OFFSETS) + np.isfinite(offsets).sum())
            best = int(wrong.argmin())
            offsets[i], error = _OFFSETS[best], float(wrong[best])
    return Box(yaw, offsets, error)


def approach(directions: np.ndarray, yaw: float) -> np.ndarray:
    """(..., 5): how fast each direction nears the four walls and the ceiling."""
    x = directions[..., 0] * math.cos(yaw) + directions[..., 1] * math.sin(yaw)
    y = directions[..., 1] * math.cos(yaw) - directions[..., 0] * math.sin(yaw)
    return np.maximum(np.stack([x, -x, y, -y, directions[..., 2]], axis=-1), 0)


def ground(directions: np.ndarray) -> np.ndarray:
    """(...,) how fast each unit direction (..., 3) nears the ground."""
    return np.maximum(-directions[..., 2], 1 / _FARTHEST)
