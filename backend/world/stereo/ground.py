# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground of a capture: gravel, lawns and floors look alike everywhere, so that comparing
pictures finds little of them, but what it finds lies on one plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...shared.camera import Camera

STEP = 4
"""Pixels between those that are looked at."""
LEVEL = np.cos(np.radians(20.0))
"""Least cosine between up and the normal of the ground, and of a piece of it."""
OFF = 0.01
"""Distance from the plane, of that from the camera, up to which a point lies on it."""
DRAWS = 300
FEWEST, SHARE = 60, 0.3
"""Least points that lie on the ground, and part of all level ones."""
BELOW = 0.1
"""Most of what is known that may lie below the ground."""
_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Plane:
    """Points x with normal . x = offset. normal: (3,) unit, upwards."""

    normal: np.ndarray
    offset: float

    def depth(self, camera: Camera) -> np.ndarray:
        """(H, W) float32 z-depth at which the camera sees it, 0 where it does not."""
        facing = camera.rays().astype(np.float64) @ self.normal
        above = float(self.normal @ camera.position) - self.offset
        sees = (facing < -1e-3) & (above > 0)
        return np.where(sees, -above / np.where(sees, facing, -1.0), 0).astype(np.float32)


def ground_plane(
    cameras: Sequence[Camera], depths: Sequence[np.ndarray], good: Sequence[np.ndarray]
) -> Plane | None:
    """The plane below everything that most level pieces of surface lie on, if there is one.

    depths: (H, W) of each camera. good: (H, W) bool where they can be trusted.
    """
    points, level, scale = [], [], []
    for camera, depth, trusted in zip(cameras, depths, good, strict=True):
        xyz, flat, far = _pieces(camera, np.where(trusted & np.isfinite(depth), depth, 0))
        points.append(xyz)
        level.append(flat)
        scale.append(far)
    xyz, far, flat = np.concatenate(points), np.concatenate(scale), np.concatenate(level)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(np.nonzero(flat)[0])[:_AT_ONCE]
    if len(chosen) < FEWEST:
        return None
    floor, allowed = xyz[chosen], OFF * far[chosen]
    best, most = None, 0
    for draw in rng.integers(0, len(floor), (DRAWS, 3)):
        plane = _through(floor[draw])
        if plane is None:
            continue
        count = int((np.abs(floor @ plane.normal - plane.offset) < allowed).sum())
        if count > most:
            best, most = plane, count
    if best is None or most < max(FEWEST, SHARE * len(floor)):
        return None
    best = _fitted(floor, allowed, best)
    under = xyz @ best.normal - best.offset < -3 * OFF * far
    return best if under.mean() < BELOW else None


def _pieces(camera: Camera, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 3) points of what is known, (N,) which are level, (N,) their distance."""
    rays = camera.rays()[::STEP, ::STEP].astype(np.float64)
    z = depth[::STEP, ::STEP].astype(np.float64)
    xyz = rays * z[..., None] + camera.position
    known = z > 0
    across, down = np.zeros_like(xyz), np.zeros_like(xyz)
    across[:, 1:-1] = xyz[:, 2:] - xyz[:, :-2]
    down[1:-1] = xyz[2:] - xyz[:-2]
    whole = known.copy()
    whole[:, [0, -1]] = whole[[0, -1]] = False
    whole[:, 1:-1] &= known[:, 2:] & known[:, :-2]
    whole[1:-1] &= known[2:] & known[:-2]
    normal = np.cross(across, down)
    length = np.linalg.norm(normal, axis=2)
    steep = np.abs(normal[..., 2]) / np.maximum(length, 1e-12)
    level = whole & (steep > LEVEL) & (xyz[..., 2] < camera.position[2])
    far = np.linalg.norm(rays, axis=2) * z
    return xyz[known], level[known], far[known]


def _through(points: np.ndarray) -> Plane | None:
    """Of (3, 3) points; None where they make no level plane."""
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    length = float(np.linalg.norm(normal))
    if length < 1e-9:
        return None
    normal = normal / length * (1.0 if normal[2] > 0 else -1.0)
    return Plane(normal, float(normal @ points[0])) if normal[2] > LEVEL else None


def _fitted(points: np.ndarray, allowed: np.ndarray, plane: Plane) -> Plane:
    """The plane of least squares through what lies on it."""
    on = np.abs(points @ plane.normal - plane.offset) < 2 * allowed
    centre = points[on].mean(axis=0)
    normal = np.linalg.svd(points[on] - centre, full_matrices=False)[2][2]
    normal = normal if normal[2] > 0 else -normal
    return Plane(normal, float(normal @ centre)) if normal[2] > LEVEL else plane
