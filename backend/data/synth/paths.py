# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths that a person would fly: smooth, clear of geometry, looking at something."""

from __future__ import annotations

import numpy as np
import torch

from ...shared.camera import Camera, intrinsics, look_at
from .prepared import solid
from .scene import Scene
from .trace import nearest


def fly_path(scene: Scene, seed: int, count: int, size: tuple[int, int]) -> list[Camera]:
    """`count` cameras of `size` (width, height) pixels along one smooth flight.

    The flight stays `scene.near` metres away from every surface and inside `scene.room`.
    """
    rng = np.random.default_rng([seed, scene.seed, 77])
    best: tuple[float, list[Camera]] | None = None
    for attempt in range(40):
        shrink = max(0.15, 1 - attempt / 25)
        cameras = _candidate(scene, rng, count, size, shrink)
        if cameras is None:
            continue
        score = _score(scene, cameras)
        if best is None or score > best[0]:
            best = (score, cameras)
        if score > 0.9:
            break
    return best[1] if best is not None else _at_roomiest(scene, rng, count, size)


def clearance(scene: Scene, points: np.ndarray) -> np.ndarray:
    """(N,) metres from points (N, 3) to the nearest primitive's box or to the terrain below."""
    local = np.einsum("pji,npj->npi", scene.rotation, points[:, None] - scene.center)
    outside = np.abs(local) - scene.half
    distance = np.linalg.norm(np.maximum(outside, 0), axis=2) + np.minimum(outside.max(2), 0)
    nearest_box = distance.min(1)
    if scene.terrain is None:
        return nearest_box
    above = points[:, 2] - scene.terrain.at(points[:, 0], points[:, 1])
    return np.minimum(nearest_box, above / np.sqrt(1 + min(scene.terrain.slope, 1.5) ** 2))


def _at_roomiest(
    scene: Scene, rng: np.random.Generator, count: int, size: tuple[int, int]
) -> list[Camera]:
    """A short move about the freest of many spots, for scenes too crowded for a flight."""
    spots = rng.uniform(scene.room[0], scene.room[1], (400, 3))
    if scene.terrain is not None:
        spots[:, 2] = scene.terrain.at(spots[:, 0], spots[:, 1]) + 2.5 * scene.near
    free = clearance(scene, spots)
    spot, reach = spots[int(free.argmax())], max(0.2 * float(free.max()), 1e-3)
    t = np.linspace(0, 1, count)
    away = rng.normal(size=3)
    positions = spot + (t - 0.5)[:, None] * away / np.linalg.norm(away) * reach
    targets = _targets(scene, rng, "turn", positions, scene.focus[0], t)
    K = intrinsics(float(np.radians(rng.uniform(45, 80))), *size)
    return [Camera(K, look_at(p, q), *size) for p, q in zip(positions, targets, strict=True)]


def _candidate(
    scene: Scene, rng: np.random.Generator, count: int, size: tuple[int, int], shrink: float
) -> list[Camera] | None:
    share = [0.45, 0.55, 0.0, 0.0] if scene.kind == "still_life" else [0.3, 0.25, 0.3, 0.15]
    style = str(rng.choice(["dolly", "orbit", "look_ahead", "turn"], p=share))
    low, high = scene.room
    t = np.linspace(0, 1, count)
    focus = scene.focus[rng.integers(len(scene.focus))] + rng.normal(0, 0.05, 3) * (high - low)
    if scene.kind == "still_life":
        focus = 0.5 * focus + 0.5 * scene.focus.mean(0)
    if style == "orbit":
        start = rng.uniform(low, high)
        arm = start - focus
        sweep = rng.choice([-1, 1]) * rng.uniform(0.4, 1.6) * shrink
        angle = sweep * (t - rng.random())
        c, s = np.cos(angle), np.sin(angle)
        ring = np.stack([arm[0] * c - arm[1] * s, arm[0] * s + arm[1] * c], 1)
        rise = arm[2] + (high[2] - low[2]) * 0.15 * rng.normal() * (t - 0.5)
        positions = np.column_stack([focus[:2] + ring, focus[2] + rise])
    else:
        knots = _knots(scene, rng, shrink * (0.15 if style == "turn" else 1.0))
        positions = _spline(knots, t)
    if scene.terrain is not None:  # keep above ground instead of giving up
        ground = scene.terrain.at(positions[:, 0], positions[:, 1]) + 2 * scene.near
        positions[:, 2] += max(0.0, float((ground - positions[:, 2]).max()))
        high = high + np.array([0, 0, 30.0])
    if (positions < low).any() or (positions > high).any():
        return None
    if clearance(scene, positions).min() < scene.near:
        return None
    targets = _targets(scene, rng, style, positions, focus, t)
    fov = np.radians(rng.uniform(40, 90)) + np.radians(rng.normal(0, 4)) * (t - 0.5)
    tilt = rng.normal(0, 0.02)
    up = (np.sin(tilt), 0.0, np.cos(tilt))
    return [
        Camera(intrinsics(float(f), *size), look_at(p, q, up), *size)
        for p, q, f in zip(positions, targets, fov, strict=True)
    ]


def _knots(scene: Scene, rng: np.random.Generator, shrink: float) -> np.ndarray:
    low, high = scene.room
    ends = rng.uniform(low, high, (2, 3))
    ends[1] = ends[0] + (ends[1] - ends[0]) * shrink
    length = np.linalg.norm(ends[1] - ends[0])
    bend = rng.normal(0, 0.12 * length, (2, 3)) * [1, 1, 0.4]
    return np.stack([ends[0], ends[0] * 2 / 3 + ends[1] / 3 + bend[0],
                     ends[0] / 3 + ends[1] * 2 / 3 + bend[1], ends[1]])  # fmt: skip


def _spline(knots: np.ndarray, t: np.ndarray) -> np.ndarray:
    """A cubic Bezier curve at t (N,) -> (N, 3)."""
    s = 1 - t
    weights = np.stack([s**3, 3 * s**2 * t, 3 * s * t**2, t**3], 1)
    return weights @ knots


def _targets(
    scene: Scene, rng: np.random.Generator, style: str, positions: np.ndarray, focus: np.ndarray,
    t: np.ndarray,
) -> np.ndarray:  # fmt: skip
    if style == "orbit" or (
        style == "dolly" and (scene.kind == "still_life" or rng.random() < 0.6)
    ):
        return focus + np.zeros_like(positions)
    if style == "turn":
        heading = np.arctan2(*(focus - positions[0])[1::-1])
        angle = heading + rng.choice([-1, 1]) * rng.uniform(0.3, 1.5) * (t - 0.5)
    else:
        step = positions[-1] - positions[0]
        heading = np.arctan2(step[1], step[0]) + (rng.normal(0, 0.5) if style == "dolly" else 0.0)
        angle = heading + rng.normal(0, 0.25) * (t - 0.5)
    pitch = np.clip(rng.normal(-0.08, 0.12), -0.5, 0.3)
    ray = np.stack([np.cos(angle), np.sin(angle), np.full_like(t, np.tan(pitch))], 1)
    return positions + ray


def _score(scene: Scene, cameras: list[Camera]) -> float:
    """How much there is to see: coarse rays that end at a comfortable distance, on many things."""
    geometry = solid(scene, "cpu").geometry
    open_air = scene.terrain is not None or scene.kind in ("street", "abstract")
    scores = []
    for camera in (cameras[0], cameras[len(cameras) // 2], cameras[-1]):
        rays = torch.from_numpy(camera.resized(10, 10).rays().reshape(-1, 3))
        origin = torch.from_numpy(camera.position.astype(np.float32))
        t, prim = nearest(geometry, origin, rays)
        good = torch.isfinite(t) & (t > 2.5 * scene.near)
        if scene.terrain is not None:
            good |= rays[:, 2] < -0.05 * rays.norm(dim=1)
        share = float(good.float().mean()) / (0.5 if open_air else 0.85)
        things = len(torch.unique(prim)) / (5 if open_air else 9)
        scores.append(min(1.0, share) * min(1.0, things))
    return min(scores)
