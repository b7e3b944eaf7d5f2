# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls of a room stand where the lines on them end: door frames and columns have their feet on the
ground, so a wall that is taken to be farther away would lay the lowest piece of them on the floor.

Lengths are in camera heights, as in `room_box.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..data.lines import detect_segments
from ..shared.camera import Camera, about_vertical
from .room_box import Box, approach, ground

UPRIGHT = math.cos(math.radians(2.0))
"""Least cosine, in the picture, between a line and the direction in which uprights run there."""
SHORTEST = 0.06
"""Of the picture's height."""
BORDER = 0.02
"""Of the picture's height: what ends this near its lower border may go on below."""
NEARER = (0.5, 0.98)
"""Part of its distance to which a wall may come."""
ALIKE = 0.06
"""Log distance by which lines on one wall may differ."""
SUPPORT = 0.4
"""Of the picture's height: length that lines which agree must have together."""
APART = 0.02
"""Of the picture's width: two lines nearer than this are the edges of one."""


@dataclass(frozen=True, eq=False)
class _Uprights:
    """top, foot: (N, 3) directions to the ends, level frame. length: (N,) in picture heights.
    across: (N,) of the picture's width."""

    top: np.ndarray
    foot: np.ndarray
    length: np.ndarray
    across: np.ndarray


def stood_on_ground(box: Box, rgb: np.ndarray, camera: Camera) -> Box:
    """The box with walls as near as the feet of upright lines on them say, where these agree.

    rgb: (H, W, 3) uint8 of the camera's size. A line counts that begins on a wall and ends on what
    the box takes for ground before it. Walls only come nearer: lines that end higher up are
    pictures and windows.
    """
    lines = _uprights(rgb, camera)
    offsets = box.offsets.copy()
    towards = approach(lines.top, box.yaw) / box.offsets
    wall = towards.argmax(axis=1)
    shown = towards.max(axis=1) > ground(lines.top)
    there = approach(lines.foot, box.yaw)
    down = np.maximum(-lines.foot[:, 2], 1e-6)
    shown &= down > (there / box.offsets).max(axis=1)
    nearer = there[np.arange(len(wall)), wall] / down / box.offsets[wall]
    shown &= (nearer > NEARER[0]) & (nearer < NEARER[1])
    for number in range(4):
        own = shown & (wall == number)
        offsets[number] *= _agreed(np.log(nearer[own]), lines.length[own], lines.across[own])
    return replace(box, offsets=offsets)


def _agreed(log: np.ndarray, length: np.ndarray, across: np.ndarray) -> float:
    """By what to multiply a wall's distance. All (N,): each line's word, its length and place.

    Lines often break off above their foot and never go on below it, so of several places that
    enough of them agree on the nearest one is it.
    """
    alike = np.abs(log[:, None] - log) < ALIKE
    support = (alike * length).sum(axis=1)
    believed = support > max(SUPPORT, 0.5 * float(support.max(initial=0)))
    for one in np.argsort(log):
        if believed[one] and np.ptp(across[alike[one]]) > APART:
            return math.exp(np.average(log[alike[one]], weights=length[alike[one]]))
    return 1.0


def _uprights(rgb: np.ndarray, camera: Camera) -> _Uprights:
    """Line segments that run towards the nadir."""
    height, width = rgb.shape[:2]
    segments = detect_segments(rgb)
    first, second = segments[:, :2], segments[:, 2:]
    nadir = camera.K @ -camera.c2w[2, :3]
    towards = nadir[:2] - nadir[2] * (first + second) / 2
    towards *= np.sign(towards[:, 1:]) / np.maximum(np.linalg.norm(towards, axis=1), 1e-9)[:, None]
    along = ((second - first) * towards).sum(axis=1)
    length = np.linalg.norm(second - first, axis=1)
    top, foot = (np.where((along > 0)[:, None], a, b) for a, b in
                 ((first, second), (second, first)))  # fmt: skip
    kept = (np.abs(along) > UPRIGHT * length) & (length > SHORTEST * height)
    kept &= foot[:, 1] < (1 - BORDER) * height
    top, foot = top[kept], foot[kept]
    return _Uprights(
        _directions(camera, top),
        _directions(camera, foot),
        length[kept] / height,
        (top[:, 0] + foot[:, 0]) / (2 * width),
    )


def _directions(camera: Camera, uv: np.ndarray) -> np.ndarray:
    """(N, 3) unit rays through pixels (N, 2), the camera's heading turned to +y."""
    local = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ np.linalg.inv(camera.K).T
    rays = local @ camera.c2w[:3, :3].T
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    forward = camera.c2w[:3, 2]
    return rays @ about_vertical(math.atan2(forward[0], forward[1])).T
