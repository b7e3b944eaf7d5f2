# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference implementation's panoramas, for comparison: points, depth clean-up and 42 views.

A panorama is equirectangular, (H, W, 3); column x looks at angle 2 pi x / W - pi, row y at pi y / H
from straight up, without the half pixel. Points have y down and the middle column along +x; views
are aimed in the same world with y up.
"""

from __future__ import annotations

import cv2
import numpy as np

ZERO_LENGTH = 1e-8
CONDITION_SIZE, CONDITION_FOCAL = 504, 320.0
"""Side and focal length of a condition view, pixels."""
WORLD_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


def lift_panorama(rgb: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (H * W, 3) float32 and their colours, row-major. depth: (H, W) distance along rays."""
    height, width = depth.shape
    # in float32 like there, because views from the centre put points on the borders of pixels
    turn, half_turn = np.float32(2 * np.pi), np.float32(np.pi)
    around = np.arange(width, dtype=np.float32) / width * turn - half_turn
    down = (np.arange(height, dtype=np.float32) / height * half_turn)[:, None]
    flat = depth * np.sin(down)
    xyz = np.stack(
        [
            flat * np.cos(around),
            np.broadcast_to(-depth * np.cos(down), depth.shape),
            -flat * np.sin(around),
        ],
        axis=-1,
    )
    return xyz.reshape(-1, 3).astype(np.float32), rgb.reshape(-1, 3)


def clean_depth(raw: np.ndarray, width: int, height: int, scale: float = 100.0) -> np.ndarray:
    """Scaled to metres and resized; (H, W) float32.

    Pixels without depth take no part in the interpolation; where nothing is known the farthest
    depth stands.
    """
    known = np.isfinite(raw) & (raw > 0)
    depth = np.where(known, raw.astype(np.float32) * np.float32(scale), np.float32(0))
    if depth.shape != (height, width):
        weight = cv2.resize(known.astype(np.float32), (width, height))
        total = cv2.resize(depth, (width, height))
        depth = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-6)
    return np.where(depth > 0, depth, depth.max())


def shrink_panorama(rgb: np.ndarray, most_width: int, most_height: int) -> np.ndarray:
    """(H, W, 3) uint8 scaled down (never up) to fit within a size."""
    height, width = rgb.shape[:2]
    scale = min(1.0, most_width / width, most_height / height)
    size = round(width * scale), round(height * scale)
    return rgb if scale == 1.0 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def condition_angles() -> np.ndarray:
    """(42, 2) yaw and pitch: eight directions at five heights, then straight up and down."""
    yaws = [k * np.pi / 4 if k <= 4 else (k - 8) * np.pi / 4 for k in range(8)]
    pitches = [0.0, np.pi / 4, -np.pi / 4, np.pi / 6, -np.pi / 6]
    views = [(yaw, pitch) for pitch in pitches for yaw in yaws]
    return np.array([*views, (0.0, np.pi / 2), (0.0, -np.pi / 2)])


def view_basis(yaw: float, pitch: float) -> np.ndarray:
    """(3, 3) float32 rows right, up, forward, in the world with y up."""
    forward = np.array(
        [np.cos(yaw) * np.cos(pitch), np.sin(pitch), np.sin(yaw) * np.cos(pitch)], np.float32
    )
    forward /= np.linalg.norm(forward)
    right = np.array([-forward[2], 0.0, forward[0]], np.float32)  # forward x up
    length = np.linalg.norm(right)
    right = right / length if length > ZERO_LENGTH else np.array([0, 0, 1], np.float32)
    up = np.cross(right, forward)
    return np.stack([right, up / np.linalg.norm(up), forward]).astype(np.float32)


def view_c2w(yaw: float, pitch: float) -> np.ndarray:
    """(4, 4) camera to world of a view, OpenCV axes, in the points' world (y down)."""
    right, up, forward = view_basis(yaw, pitch)
    c2w = np.eye(4)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2] = right, up, -forward
    return WORLD_FLIP @ c2w @ WORLD_FLIP


def condition_K(size: int) -> np.ndarray:
    """(3, 3) of a square condition view of `size` pixels a side."""
    focal = CONDITION_FOCAL * size / CONDITION_SIZE
    return np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])


def condition_image(
    rgb: np.ndarray, K: np.ndarray, size: tuple[int, int], yaw: float, pitch: float
) -> np.ndarray:
    """What a view sees of the panorama, (H, W, 3) uint8, bilinear. size: width, height."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    x, y = (columns - K[0, 2]) / K[0, 0], (K[1, 2] - rows) / K[1, 1]
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    rays = rays @ view_basis(yaw, pitch).astype(np.float64)
    height, width = rgb.shape[:2]
    u = (np.arctan2(rays[..., 2], rays[..., 0]) + np.pi) / (2 * np.pi) * width % width
    v = np.arccos(np.clip(rays[..., 1], -1, 1)) / np.pi * height
    return _bilinear(rgb, u, np.clip(v, 0, height - 1e-6))


def _bilinear(rgb: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Wraps around in u, stops at the border in v; rounds half up."""
    height, width = rgb.shape[:2]
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    part_u, part_v = (u - left)[..., None], (v - top)[..., None]
    left, right, below = left % width, (left + 1) % width, np.minimum(top + 1, height - 1)
    above = rgb[top, left] * (1 - part_u) + rgb[top, right] * part_u
    under = rgb[below, left] * (1 - part_u) + rgb[below, right] * part_u
    return np.clip(above * (1 - part_v) + under * part_v + 0.5, 0, 255).astype(np.uint8)
