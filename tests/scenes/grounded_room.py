# SPDX-License-Identifier: GPL-3.0-or-later
"""The analytic room with its floor at z = 0, as imports see it: pictures, depth, an estimator."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from backend.data.nerfstudio import PosedFrame
from backend.models.depth import DepthGuess
from backend.shared.camera import Camera, intrinsics, look_at

from .world_room import HALF, trace

FLOOR = float(HALF[2])  # the room's centre is the origin; its floor lies this far below


def grounded(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The room's picture and depth with its floor at z = 0."""
    c2w = camera.c2w.copy()
    c2w[2, 3] -= FLOOR
    return trace(Camera(camera.K, c2w, camera.width, camera.height))


class ExactDepth:
    """An estimator that is right, up to a scale that differs from view to view."""

    name, coarse = "exact", False

    def __init__(self, wrong: float = 0.0) -> None:
        self.wrong, self.calls = wrong, 0

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        self.calls += 1
        depth = grounded(camera)[1] * math.exp(self.wrong * (-1) ** self.calls)
        height = camera.position[2] + camera.rays()[..., 2] * np.where(np.isinf(depth), 0, depth)
        ground = (np.abs(height) < 0.02) & np.isfinite(depth)
        return DepthGuess(depth.astype(np.float32), ground.astype(np.float32), self.name)


class BendingDepth(ExactDepth):
    """An estimator whose mistakes depend on where in the picture that it is given a thing is."""

    def __init__(self, bend: float) -> None:
        super().__init__()
        self.bend = bend

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        guess = super().estimate(rgb, camera)
        factor = np.exp(self.bend * np.sin(np.linspace(0, 6, camera.width)))
        return DepthGuess((guess.depth * factor).astype(np.float32), guess.ground, self.name)


def viewer(size: tuple[int, int] = (160, 120)) -> Camera:
    target = np.array([0.3, 1.0, 1.0])
    return Camera(intrinsics(1.2, *size), look_at(np.array([0.0, -3.0, 1.6]), target), *size)


def off_surface(xyz: np.ndarray) -> np.ndarray:
    """(N,) metres from the nearest wall, floor or ceiling of the room."""
    return np.abs(HALF - np.abs(xyz - [0, 0, FLOOR])).min(axis=1)


def capture(count: int = 4, depth: bool = True) -> list[PosedFrame]:
    frames = []
    for i in range(count):
        place = np.array([0.8 * math.sin(i), -2.5 + 0.5 * i, 1.5])
        camera = Camera(intrinsics(1.2, 96, 72), look_at(place, np.array([0, 2.0, 1.2])), 96, 72)
        rgb, exact = grounded(camera)
        frames.append(PosedFrame(camera, rgb, exact if depth else None, f"{i:04d}"))
    return frames


def save_photo(folder: Path) -> Path:
    """The picture that `viewer` sees, as a file."""
    Image.fromarray(grounded(viewer())[0]).save(folder / "room.png")
    return folder / "room.png"
