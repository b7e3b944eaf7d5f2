# SPDX-License-Identifier: GPL-3.0-or-later
"""What several views say of the same surface: depths that agree are kept, the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...shared.camera import Camera

SAME = 0.012
"""Relative difference of depth up to which two views mean the same surface."""
BACK = 1.2
"""Pixels by which a point may come back elsewhere."""
BEHIND = 0.03
"""Relative depth by which a point must stand before another view's surface to contradict it."""


@dataclass(eq=False)
class Agreement:
    """depth: (H, W) float32, the mean of the views that agree. count: (H, W) int, how many others
    do. hides: (H, W) int, how many saw through it. looked: (H, W) int, how many look there and know
    what they see."""

    depth: np.ndarray
    count: np.ndarray
    hides: np.ndarray
    looked: np.ndarray


def agree(
    camera: Camera,
    depth: np.ndarray,
    others: Sequence[tuple[Camera, np.ndarray, np.ndarray]],
) -> Agreement:
    """depth: (H, W), 0 = unknown, +inf = sky. others: camera, depth and where to trust it."""
    height, width = depth.shape
    solid = np.isfinite(depth) & (depth > 0)
    rays = camera.rays().astype(np.float32)
    points = rays * np.where(solid, depth, 1.0)[..., None].astype(np.float32)
    total, weight = np.where(solid, 1 / np.where(solid, depth, 1), 0.0), np.ones(depth.shape)
    count, hides, looks = (np.zeros(depth.shape, int) for _ in range(3))
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    for other, theirs, trusted in others:
        u, v, z = _seen(other, points + camera.position.astype(np.float32))
        at = ((u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32))
        there = cv2.remap(theirs, *at, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        trust = cv2.remap(trusted.astype(np.uint8), *at, cv2.INTER_NEAREST,
                          borderMode=cv2.BORDER_CONSTANT) > 0  # fmt: skip
        looked = solid & (z > 1e-6) & (there > 0)
        surface = looked & np.isfinite(there)
        own = _back(camera, other, u, v, there, surface)
        off = np.hypot(own[0] - x, own[1] - y)
        same = surface & (np.abs(own[2] - depth) < SAME * depth) & (off < BACK)
        count += same
        total += np.where(same, 1 / np.where(same, own[2], 1), 0)
        weight += same
        looks += looked
        hides += looked & trust & (z < there * (1 - BEHIND))
    mean = np.where(solid, weight / np.maximum(total, 1e-12), depth)
    return Agreement(mean.astype(np.float32), count, hides, looks)


def _seen(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H, W) pixels and depth of points (H, W, 3)."""
    P = (camera.K @ camera.w2c[:3]).astype(np.float32)
    local = points @ P[:, :3].T + P[:, 3]
    z = local[..., 2]
    safe = np.where(np.abs(z) > 1e-9, z, 1e-9)
    return local[..., 0] / safe, local[..., 1] / safe, z


def _back(
    camera: Camera,
    other: Camera,
    u: np.ndarray,
    v: np.ndarray,
    depth: np.ndarray,
    surface: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels and depth in `camera` of what `other` sees at the pixel (u, v) falls on."""
    column, row = np.floor(u) + 0.5, np.floor(v) + 0.5
    z = np.where(surface, depth, 1.0)
    local = np.stack([(column - other.K[0, 2]) / other.K[0, 0] * z,
                      (row - other.K[1, 2]) / other.K[1, 1] * z, z], -1)  # fmt: skip
    world = local @ other.c2w[:3, :3].T + other.position
    # what the pixel's centre shows is moved along the surface to where the point fell
    a, b, c = _seen(camera, world.astype(np.float32))
    return a + (u - column), b + (v - row), c
