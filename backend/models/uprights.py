# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries upright lines is upright. A coarse guess of depth bends walls, doors and windows,
which lean from aside; but everything along an upright line is equally far away over the ground.

Directions are azimuth, radians to the right of +y, and elevation above the horizon. *Reach* is the
logarithm of the distance over the ground.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..data.lines import detect_segments
from ..shared.camera import Camera

SLANT = math.tan(math.radians(2.0))
"""Of a line against the upright, in azimuth a piece of elevation."""
SHORTEST = math.radians(3.0)
STEPS = 24
"""Places along a line that are looked at."""
ON_GROUND = 0.1
"""Of the camera's height: what is lower may be ground."""
MOSTLY, STRAIGHT, FOOT = 0.6, 0.25, 0.8
"""Part of a line that may lie on the ground, what its reach may vary by, and how much nearer than
that its foot may stand."""
ACROSS, UPWARDS = math.radians(2.0), math.radians(16.0)
"""How far around a line others are taken to be on the same surface."""
ROWS = 512
"""Of the sphere on which lines are spread."""
ENOUGH = 0.7
"""Of what one line that is as long as it can matter weighs at its own place."""
APART = (0.2, 0.3)
"""Reaches of lines around that vary by this say less and less, and nothing."""
NEAR = (0.25, 0.4)
"""Difference from the lines' reach up to which a pixel lies on their surface, and from which on it
does not."""

Look = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(N,) azimuth and elevation -> (N,) reach, NaN where there is nothing or sky, (N,) height."""


@dataclass(frozen=True, eq=False)
class Uprights:
    """reach, share: (ROWS, 2 ROWS) over the sphere, what lines around say and how sure it is."""

    reach: np.ndarray
    share: np.ndarray

    def moves(
        self,
        reach: np.ndarray,
        height: np.ndarray,
        azimuth: np.ndarray,
        elevation: np.ndarray,
        camera_height: float,
    ) -> np.ndarray:
        """(H, W) what to add to the reach, so that surfaces of upright lines lie on these.

        All (H, W); height: metres above the ground. What may be ground only comes nearer.
        """
        at = _place(azimuth, elevation)
        lines, share = (
            cv2.remap(x, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for x in (self.reach, self.share)
        )
        off = lines - reach
        on, free = NEAR
        moved = off * share * np.clip((free - np.abs(off)) / (free - on), 0, 1)
        low = height < ON_GROUND * camera_height
        return np.where(low, np.minimum(moved, 0), moved)


def upright_lines(rgb: np.ndarray, camera: Camera) -> np.ndarray:
    """(N, 3) azimuth, elevation of the upper and of the lower end of lines in (H, W, 3) uint8."""
    segments = detect_segments(rgb)
    azimuth, elevation = [], []
    for uv in (segments[:, :2], segments[:, 2:]):
        rays = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ np.linalg.inv(camera.K).T
        rays = rays @ camera.c2w[:3, :3].T
        azimuth.append(np.arctan2(rays[:, 0], rays[:, 1]))
        elevation.append(np.arctan2(rays[:, 2], np.hypot(rays[:, 0], rays[:, 1])))
    turn = (azimuth[1] - azimuth[0] + math.pi) % (2 * math.pi) - math.pi
    top, foot = np.maximum(*elevation), np.minimum(*elevation)
    wide = np.abs(turn) * np.cos((top + foot) / 2)
    kept = (wide < SLANT * (top - foot)) & (top - foot > SHORTEST)
    return np.stack([azimuth[0] + turn / 2, top, foot], axis=1)[kept]


def uprights(lines: np.ndarray, look: Look, camera_height: float) -> Uprights | None:
    """What the lines (N, 3) say of the surfaces around them; None if nothing."""
    shape = (ROWS, 2 * ROWS)
    weight, total, squares = (np.zeros(shape, np.float32) for _ in range(3))
    for azimuth, top, foot in lines:
        reach = _reach_of(azimuth, top, foot, look, camera_height)
        if reach is None:
            continue
        x, y = _place(np.array(azimuth, np.float32), np.array([top, foot], np.float32))
        rows = np.arange(max(0, round(float(y[0]))), min(ROWS - 1, round(float(y[1]))) + 1)
        column = round(float(x)) % shape[1]
        weight[rows, column] += 1
        total[rows, column] += reach
        squares[rows, column] += reach**2
    if not weight.any():
        return None
    weight, total, squares = (_spread(x) for x in (weight, total, squares))
    mean = total / np.maximum(weight, 1e-9)
    varies = np.sqrt(np.maximum(squares / np.maximum(weight, 1e-9) - mean**2, 0))
    alone = 1 / (ACROSS * ROWS / math.pi * math.sqrt(2 * math.pi))
    share = np.clip(weight / (ENOUGH * alone), 0, 1)
    share *= np.clip((APART[1] - varies) / (APART[1] - APART[0]), 0, 1)
    return Uprights(mean.astype(np.float32), share.astype(np.float32))


def _reach_of(
    azimuth: float, top: float, foot: float, look: Look, camera_height: float
) -> float | None:
    """Of the surface that a line is on: the foot's, where it ends on the ground."""
    elevation = np.linspace(top, foot, STEPS)
    reach, height = look(np.full(STEPS, azimuth), elevation)
    if np.isnan(reach).any():
        return None
    low = height < ON_GROUND * camera_height
    if low.mean() > MOSTLY:  # a line on the ground may look upright
        return None
    middle = float(np.median(reach[~low]))
    if np.median(np.abs(reach[~low] - middle)) > STRAIGHT:
        return None
    if low[-1] and foot < 0:
        stands = math.log(camera_height / math.tan(-foot))
        if middle - FOOT < stands < middle:
            return stands
    return middle


def _spread(lines: np.ndarray) -> np.ndarray:
    """Over what is around, farther along the uprights than across, round the sphere."""
    step = math.pi / ROWS
    around = round(3 * ACROSS / step)
    wrapped = np.concatenate([lines[:, -around:], lines, lines[:, :around]], axis=1)
    size = 2 * around + 1, 4 * round(UPWARDS / step) + 1
    spread = cv2.GaussianBlur(wrapped, size, sigmaX=ACROSS / step, sigmaY=UPWARDS / step)
    return spread[:, around:-around]


def _place(azimuth: np.ndarray, elevation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row on the sphere, from pixel centres."""
    column = (azimuth + math.pi) / (2 * math.pi) * 2 * ROWS - 0.5
    row = (math.pi / 2 - elevation) / math.pi * ROWS - 0.5
    return column.astype(np.float32), row.astype(np.float32)


def depth_stood_up(
    depth: np.ndarray, rgb: np.ndarray, camera: Camera, known: np.ndarray | None = None
) -> np.ndarray:
    """(H, W) float32 z-depth of a picture (H, W, 3) uint8, what carries upright lines upright.

    known: (N, 3) lines besides those of the picture, as `upright_lines` tells them.
    """
    rays = camera.rays()
    across = np.hypot(rays[..., 0], rays[..., 1])
    azimuth = np.arctan2(rays[..., 0], rays[..., 1])
    elevation = np.arctan2(rays[..., 2], across)
    above = float(camera.position[2])
    solid = np.isfinite(depth) & (depth > 0)
    reach = np.log(np.where(solid, depth, 1) * np.maximum(across, 1e-6)).astype(np.float32)
    height = above + np.where(solid, depth, 0) * rays[..., 2]

    def look(azimuth: np.ndarray, elevation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.cos(elevation)
        directions = np.stack(
            [np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)], axis=1
        )
        local = directions @ camera.c2w[:3, :3] @ camera.K.T
        x, y = (local[:, :2] / local[:, 2:]).astype(int).T
        x, y = x.clip(0, camera.width - 1), y.clip(0, camera.height - 1)
        return np.where(solid[y, x], reach[y, x], np.nan), height[y, x]

    lines = upright_lines(rgb, camera)
    if known is not None:
        lines = np.concatenate([lines, known])
    found = uprights(lines, look, above)
    if found is None:
        return depth
    moved = found.moves(reach, height, azimuth, elevation, above)
    return np.where(solid, depth * np.exp(moved), depth).astype(np.float32)
