# SPDX-License-Identifier: GPL-3.0-or-later
"""Which views of a capture see the same place from a useful distance, and how far it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...shared.camera import Camera

SOURCES = 5
"""Other views that a view is compared with."""
BEST_ANGLE = np.radians(9.0)
"""Between two lines of sight: less says little of depth, more changes what things look like."""
ANGLE_SPREAD = (np.radians(5.0), np.radians(12.0))
"""How quickly smaller and larger angles lose."""
LEAST_ANGLE = np.radians(0.7)
NEAREST = 1.2
"""Baselines from the camera to the nearest thing that can be compared."""
MARGIN = 1.6
"""By how much things may be nearer or farther than the points that are known."""
FEW = 24
"""Points in a picture from which on they tell its range of depth."""
_GRID = 6


@dataclass(frozen=True, eq=False)
class View:
    """A picture that is compared. grey: (H, W) float32 in [0, 1]. known: (H, W) bool or None."""

    camera: Camera
    grey: np.ndarray
    known: np.ndarray | None = None

    def scaled(self, side: int) -> View:
        """With a longer side of at most `side` pixels."""
        height, width = self.grey.shape
        scale = side / max(height, width)
        if scale >= 1.0:
            return self
        size = max(8, round(width * scale)), max(8, round(height * scale))
        known = self.known
        if known is not None:
            share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            known = share > 0.99
        grey = cv2.resize(self.grey, size, interpolation=cv2.INTER_AREA)
        return View(self.camera.resized(*size), grey, known)


def view_of(camera: Camera, rgb: np.ndarray, known: np.ndarray | None, side: int) -> View:
    """rgb: (H, W, 3) uint8 of the camera's size."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return View(camera, grey, known).scaled(side)


@dataclass(frozen=True, eq=False)
class Plan:
    """sources: numbers of the views to compare with, the best first. near, far: metres."""

    sources: list[int]
    near: float
    far: float


def plan(cameras: Sequence[Camera], points: np.ndarray | None) -> list[Plan]:
    """For every view. points: (N, 3) that some of the views are known to see, or None."""
    centres = np.array([c.position for c in cameras])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    ranges = [_range(i, camera, apart, points) for i, camera in enumerate(cameras)]
    plans = []
    for i, camera in enumerate(cameras):
        near, far, middle = ranges[i]
        grid = _spread_points(camera, middle, near, far)
        scores = np.array(
            [0.0 if j == i else _score(camera, other, grid) for j, other in enumerate(cameras)]
        )
        sources = _choose(scores, centres, i)
        if points is None and sources:
            near = NEAREST * float(np.median(apart[i, sources]))
        plans.append(Plan(sources, near, far))
    return plans


def _range(
    index: int, camera: Camera, apart: np.ndarray, points: np.ndarray | None
) -> tuple[float, float, np.ndarray]:
    """Nearest and farthest depth, and depths that are typical of the view."""
    if points is not None and len(points):
        _, z, inside = camera.within(points)
        z = z[inside]
        if len(z) >= FEW:
            low, high = np.percentile(z, [1.5, 98.5])
            return low / MARGIN, high * MARGIN, np.percentile(z, [20, 50, 80])
    others = np.sort(np.delete(apart[index], index))
    others = others[others > 1e-6]
    step = float(np.median(others[:6])) if len(others) else 1.0
    across = float(others[-1]) if len(others) else 1.0
    typical = max(4 * step, 0.5 * across)
    return NEAREST * step, np.inf, typical * np.array([0.5, 1.0, 2.0])


def _spread_points(camera: Camera, depths: np.ndarray, near: float, far: float) -> np.ndarray:
    """(M, 3) points of the picture at some depths."""
    x = (np.arange(_GRID) + 0.5) / _GRID * camera.width
    y = (np.arange(_GRID) + 0.5) / _GRID * camera.height
    u, v = np.meshgrid(x, y)
    local = np.stack([(u - camera.K[0, 2]) / camera.K[0, 0],
                      (v - camera.K[1, 2]) / camera.K[1, 1], np.ones_like(u)], -1)  # fmt: skip
    rays = local.reshape(-1, 3) @ camera.c2w[:3, :3].T
    depths = np.clip(depths, near, far)
    return camera.position + (rays[None] * depths[:, None, None]).reshape(-1, 3)


def _score(camera: Camera, other: Camera, grid: np.ndarray) -> float:
    """How much of the view the other one sees, at how useful an angle."""
    _, _, inside = other.within(grid)
    a, b = camera.position - grid, other.position - grid
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    angle = np.arccos(np.clip(cosine, -1, 1))
    spread = np.where(angle < BEST_ANGLE, *ANGLE_SPREAD)
    worth = np.exp(-0.5 * ((angle - BEST_ANGLE) / spread) ** 2) * (angle > LEAST_ANGLE)
    # one that looks from much nearer or farther sees other things
    ratio = np.linalg.norm(a, axis=1) / np.maximum(np.linalg.norm(b, axis=1), 1e-9)
    alike = np.minimum(ratio, 1 / np.maximum(ratio, 1e-9))
    return float((worth * inside * alike).mean())


def _choose(scores: np.ndarray, centres: np.ndarray, index: int) -> list[int]:
    """The best ones, not all from one side: what is hidden from there is seen from the other."""
    chosen: list[int] = []
    left = scores.copy()
    for _ in range(SOURCES):
        best = int(np.argmax(left))
        if left[best] <= 0.02 * max(float(scores.max()), 1e-9) or left[best] <= 1e-4:
            break
        chosen.append(best)
        towards = centres[best] - centres[index]
        others = centres - centres[index]
        length = np.linalg.norm(others, axis=1) * np.linalg.norm(towards)
        along = (others @ towards) / np.maximum(length, 1e-12)
        left = left * np.where(along > 0.7, 0.6, 1.0)
        left[chosen] = 0.0
    return chosen
