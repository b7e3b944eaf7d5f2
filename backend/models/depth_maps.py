# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to the maps of the embedded depth network: rooms get walls, edges those of the
picture.

Maps are (H, W, 3) float32: log distance in camera heights, probabilities of ground and of sky.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from .room_box import Box, fit_box

OUTDOORS = 0.03
"""Share of the picture that is sky from which on it counts as taken outdoors."""
BEFORE_WALL, BEHIND_WALL = (0.25, 0.4), (0.5, 0.8)
"""Log distance before and behind a room's walls: up to the first a pixel lies on them, from the
second on it does not. What lies behind them is more often a mistake than an opening."""
ROOM_FITS = 0.15
"""Log error of a box up to which a picture was taken in a room."""
WORTH_TURNING = 0.04
"""Log error by which another turn of the room has to fit better than the scene's axes."""
YAWS = [math.radians(angle) for angle in range(0, 90, 10)]
"""Turns of a room that are tried where the scene's axes do not fit."""


def without_islands(maps: np.ndarray) -> np.ndarray:
    """The network's maps (H, W, 3), where all that sky surrounds is sky too: nothing stands there,
    a cloud or a branch belongs to what is far away. The picture's upper border counts as sky."""
    solid = (maps[..., 2] <= 0.5).astype(np.uint8)
    _, part = cv2.connectedComponents(solid, connectivity=8)
    held = np.unique(np.concatenate([part[-1], part[:, 0], part[:, -1]]))
    island = (solid > 0) & ~np.isin(part, held)
    made = maps.copy()
    made[..., 2][island] = 1.0
    return made


def held_to_room(
    maps: np.ndarray,
    directions: np.ndarray,
    axis: float,
    refined: Callable[[Box], Box] = lambda box: box,
) -> tuple[np.ndarray, Box | None]:
    """Indoors: the log distance beyond the walls of the room, and the room. Else `maps` and None.

    maps, directions: (H, W, 3) of the network. axis: heading of the scene's x axis; walls are
    sought along the scene's axes first, since those of a matched camera follow the photo's lines.
    What lies nearly on a wall is taken to lie on it, and so is the little sky that is seen.
    refined: what else is known of the room that was found.
    """
    if (maps[..., 2] > 0.5).mean() > OUTDOORS:
        return maps, None
    step = max(1, min(maps.shape[:2]) // 24)
    seen = directions[::step, ::step].reshape(-1, 3)
    log_distance = maps[::step, ::step, 0].ravel()
    box, turned = (fit_box(seen, log_distance, yaws) for yaws in ([axis], YAWS))
    if turned.error < box.error - WORTH_TURNING:
        box = turned
    if box.error > ROOM_FITS:
        return maps, None
    beyond = maps[..., 0] - box.log_distance(directions)
    box = refined(box)
    off = maps[..., 0] - box.log_distance(directions)
    on, free = np.where(off[..., None] < 0, BEFORE_WALL, BEHIND_WALL).transpose(2, 0, 1)
    # a wall that comes nearer leaves nothing behind it that lay on it
    off *= np.clip((np.where(off < 0, -off, beyond) - on) / (free - on), 0, 1)
    off[maps[..., 2] > 0.5] = 0
    ground = np.where(box.shows_ground(directions) & (off == 0), 1.0, maps[..., 1])
    return np.stack([off, ground, np.zeros_like(off)], axis=-1).astype(np.float32), box


def upsample_guided(maps: np.ndarray, small: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """(H, W, C) maps at the size of `rgb`, their edges moved to those of the picture.

    maps: (h, w, C) float32 at the size of `small`. A guided filter on the picture's brightness
    (He, Sun and Tang, 2010): local linear models, solved small and applied large.
    """
    size = (rgb.shape[1], rgb.shape[0])
    guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    full = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    window, epsilon = (5, 5), 2e-3

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, window)

    mean_guide = mean(guide)
    variance = mean(guide * guide) - mean_guide**2
    out = np.empty((*full.shape, maps.shape[2]), np.float32)
    for c in range(maps.shape[2]):
        values = np.ascontiguousarray(maps[..., c])
        mean_value = mean(values)
        slope = (mean(guide * values) - mean_guide * mean_value) / (variance + epsilon)
        offset = mean(mean_value - slope * mean_guide)
        slope = mean(slope)
        slope, offset = (cv2.resize(x, size, interpolation=cv2.INTER_LINEAR) for x in
                         (slope, offset))  # fmt: skip
        out[..., c] = np.clip(slope * full + offset, values.min(), values.max())
    return out
