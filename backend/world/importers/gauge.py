# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up in a model that COLMAP made, where its ground lies, and how long a metre is."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from ...shared.reading import MALFORMED

ORIENTATION = 0x0112
_UP = {3: (0, 1), 4: (0, 1), 5: (-1, 0), 6: (-1, 0), 7: (1, 0), 8: (1, 0)}
"""Up, to people, in the stored pixels (x right, y down) by EXIF's orientation; else (0, -1)."""
TOWARDS_MEAN = 0.02
"""How much the cameras' mean up counts against their level sides, whose squared sine counts 1."""


def picture_up(path: Path) -> tuple[int, int]:
    """The direction in a picture's stored pixels, x right and y down, that its camera held up."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            return _UP.get(image.getexif().get(ORIENTATION, 1), (0, -1))
    except MALFORMED:  # what is wrong with it is said where its pixels are read
        return 0, -1


def gauge(c2w: np.ndarray, xyz: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, float]:
    """Translation, then scale into metres, after the rotation `turn` (3, 3). c2w: (N, 4, 4).

    The lowest common level of the points becomes z = 0, and lengths are scaled so that the cameras'
    median height is 1.6 m.
    """
    height = (c2w[:, :3, 3] @ turn.T)[:, 2]
    floor = float(np.percentile((xyz @ turn.T)[:, 2], 2)) if len(xyz) else float(height.min()) - 1.6
    above = float(np.median(height)) - floor
    scale = 1.6 / above if above > 1e-6 else 1.0
    centre = (c2w[:, :3, 3] @ turn.T).mean(axis=0)
    return np.array([-centre[0], -centre[1], -floor]), scale


def upright_turn(c2w: np.ndarray, ups: np.ndarray) -> np.ndarray:
    """(3, 3) rotation to axes with z up, as the cameras were held.

    c2w: (N, 4, 4). ups: (N, 2) `picture_up` of each.
    """
    up = _up(c2w, np.asarray(ups, np.float64))
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(up, side), up])


def _up(c2w: np.ndarray, ups: np.ndarray) -> np.ndarray:
    """(3,) The direction that is level in no camera: people hold them level from side to side, but
    look up or down all alike at a thing that they stand on one side of. Where all look the same
    way that says nothing of the tilt, and the mean of the cameras' up counts."""
    x, y = c2w[:, :3, 0], c2w[:, :3, 1]
    held_up = x * ups[:, :1] + y * ups[:, 1:]
    to_the_right = y * ups[:, :1] - x * ups[:, 1:]
    mean = held_up.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        return -y[0]
    mean /= length
    level = to_the_right.T @ to_the_right / len(c2w)
    found = np.linalg.eigh(level - TOWARDS_MEAN * np.outer(mean, mean))[1][:, 0]
    found = found if found @ mean > 0 else -found
    # cameras that were not held level from side to side
    return found if found @ mean > np.cos(np.radians(60)) else mean
