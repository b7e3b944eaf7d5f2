# SPDX-License-Identifier: GPL-3.0-or-later
"""An analytic room for tests: the inside of a box with a window to the sky, a box and a ball."""

from __future__ import annotations

import numpy as np

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.color import linear_to_srgb
from backend.shared.frame import MemoryFrame

HALF = np.array([3.0, 4.0, 1.5])
BALL, BALL_RADIUS = np.array([0.8, 0.5, -0.7]), 0.7
BLOCK_LOW, BLOCK_HIGH = np.array([-1.6, 0.6, -1.5]), np.array([-0.6, 1.6, -0.2])


def room_camera(
    position: tuple[float, float, float] = (0.0, -3.0, 0.2),
    target: tuple[float, float, float] = (0.0, 1.0, -0.2),
    size: tuple[int, int] = (128, 96),
    fov: float = 1.1,
) -> Camera:
    return Camera(intrinsics(fov, *size), look_at(np.array(position), np.array(target)), *size)


def _texture(points: np.ndarray) -> np.ndarray:
    x, y, z = (points[..., i] for i in range(3))
    waves = np.sin(9 * x + 2 * np.sin(3 * y)) + np.sin(8 * y + 4 * z) + np.sin(11 * z - 5 * x)
    red = 0.45 + 0.12 * waves
    green = 0.4 + 0.15 * np.sin(5 * x) * np.cos(6 * y) + 0.1 * np.sin(7 * z)
    blue = 0.35 + 0.1 * np.cos(4 * x + 4 * y + 4 * z)
    return np.stack([red, green, blue], axis=-1)


def trace(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """rgb (H, W, 3) uint8 and z-depth (H, W) float32, +inf through the window."""
    o, d = camera.position, camera.rays().astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = np.where(d > 0, (HALF - o) / d, (-HALF - o) / d)
        t = np.nanmin(np.where(d == 0, np.inf, wall), axis=-1)
        a, b = (BLOCK_LOW - o) / d, (BLOCK_HIGH - o) / d
    enter, leave = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
    block = (enter < leave) & (enter > 0) & (enter < t)
    t = np.where(block, enter, t)
    oc = o - BALL
    quad, half_b, c = (d * d).sum(-1), (d @ oc), oc @ oc - BALL_RADIUS**2
    root = half_b**2 - quad * c
    hit = (-half_b - np.sqrt(np.maximum(root, 0))) / quad
    ball = (root > 0) & (hit > 0) & (hit < t)
    t = np.where(ball, hit, t)
    points = o + d * t[..., None]
    color = _texture(points) * np.where(ball, 1.3, np.where(block, 0.6, 1.0))[..., None]
    far_wall = np.abs(points[..., 1] - HALF[1]) < 1e-6
    window = far_wall & (np.abs(points[..., 0]) < 1.2) & (np.abs(points[..., 2] - 0.4) < 0.7)
    up = (d / np.linalg.norm(d, axis=-1, keepdims=True))[..., 2]
    sky = np.stack([0.3 + 0.2 * up, 0.5 + 0.2 * up, 0.9 + 0 * up], axis=-1)
    color = np.where(window[..., None], sky, color)
    depth = np.where(window, np.inf, t).astype(np.float32)
    return (linear_to_srgb(color) * 255 + 0.5).astype(np.uint8), depth


def photograph(camera: Camera, name: str = "view") -> MemoryFrame:
    """What `camera` sees, antialiased 3 x 3; depth at pixel centres."""
    fine, _ = trace(camera.resized(camera.width * 3, camera.height * 3))
    blocks = fine.reshape(camera.height, 3, camera.width, 3, 3).astype(np.float32)
    rgb = (blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)
    return MemoryFrame(name, name, camera, rgb, trace(camera)[1])


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """dB between two uint8 or [0, 255] pictures on the pixels `where`."""
    error = (a.astype(float) - b.astype(float))[where]
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-12)))
