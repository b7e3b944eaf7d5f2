# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that sees a picture small does not see what is small in it: it is shown parts as well.

The whole picture tells how far away things are, its parts tell them apart (as Miangoleh et al.,
"Boosting Monocular Depth Estimation Models", 2021, but without a second network to merge them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from ..shared.camera import Camera

LEVELS = (1.5, 3.0)
"""How many parts wide the picture is in each look; they overlap."""
OVERLAP = 1 / 3
"""Of a part: what its neighbour shows too, at least."""
SMOOTH = 0.25
"""Of a part's width: standard deviation of what a look takes over from the one before."""

Look = Callable[[np.ndarray, Camera], np.ndarray]
"""(H, W, 3) uint8 picture and its camera -> (H, W, C) float32 maps."""


def looked_closer(rgb: np.ndarray, camera: Camera, maps: np.ndarray, look: Look) -> np.ndarray:
    """(H, W, C) maps of the picture (H, W, 3) uint8: each look adds what its parts alone can tell.

    maps: (H, W, C) what `look` says of the whole; C is 2 or more.

    What is as wide as a part stays as the look before saw it, for a part lacks its surroundings.
    Nothing stands on the ground in parts above the horizon, which stay as they are.
    """
    for level in LEVELS:
        closer = _in_parts(rgb, camera, look, level, maps)
        maps = closer + cv2.GaussianBlur(maps - closer, (0, 0), SMOOTH * camera.width / level)
    return maps


def _in_parts(
    rgb: np.ndarray, camera: Camera, look: Look, level: float, before: np.ndarray
) -> np.ndarray:
    """The maps of `look` at parts of the picture, each faded into its neighbours."""
    down = camera.rays()[..., 2] < 0
    width, height = (max(1, round(side / level)) for side in (camera.width, camera.height))
    fade = np.outer(_fade(height), _fade(width))[..., None]
    total, weight = np.zeros_like(before), np.zeros_like(before[..., :1])
    for top in _starts(camera.height, height):
        for left in _starts(camera.width, width):
            part = np.s_[top : top + height, left : left + width]
            maps = before[part]
            if down[part].any():
                view = camera.cropped(left, top, width, height)
                maps = look(np.ascontiguousarray(rgb[part]), view)
            total[part] += maps * fade
            weight[part] += fade
    return total / weight


def _fade(side: int) -> np.ndarray:
    """(side,) weights that fall to the borders of a part."""
    return np.minimum(np.arange(side) + 1, side - np.arange(side)).astype(np.float32) / side


def _starts(whole: int, part: int) -> Iterator[int]:
    """Where parts begin that cover the whole."""
    count = 1 + math.ceil((whole - part) / (part * (1 - OVERLAP)))
    for number in range(count):
        yield round(number * (whole - part) / max(count - 1, 1))
