# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the Gaps: what a camera's path shows that no memory frame saw, and which views would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Vector

from ..backend.shared.camera import Camera
from ..backend.shared.coverage import (
    Shown,
    beside,
    choose_views,
    could_see,
    merged,
    per_frame,
    seen_by,
)
from ..backend.shared.errors import InputError
from .cameras import render_camera, scene_camera
from .memory import read_frames

FRAMES = 24
"""Frames of the path that are looked at."""
CANDIDATES = 12
"""Of these, so many may become memory, and as many to either side of them and above."""
RAYS = 24
"""Rays across a frame."""
ASIDE = 0.12
"""Step to the side of the path, as a share of the distance to what is seen."""
_CELLS = 40
"""Cubes along the scene's size that points share."""
_MOST_POINTS = 2500
_CLEAR = 0.995
"""Share of the way to a point that must be clear for it to be seen."""


@dataclass(eq=False)
class Gaps:
    """What was found. cameras: the views to capture, with their frames."""

    frames: list[int]
    cameras: list[tuple[int, Camera]] = field(default_factory=list)
    before: float = 0.0
    after: float = 0.0
    coverage: list[float] = field(default_factory=list)

    def to_json(self) -> str:
        """Frames and their coverage, for the panel."""
        pairs = zip(self.frames, self.coverage, strict=True)
        return json.dumps([[frame, round(share, 4)] for frame, share in pairs])


def find_gaps(scene: bpy.types.Scene, aim: float, most: int) -> Iterator[float | Gaps]:
    """Fractions of the work that is done, and at last what was found.

    The scene's frame is set; the caller puts it back. What moves counts where it stands at the
    frame of the view. Raises InputError when the path shows no surfaces.
    """
    numbers = np.linspace(scene.frame_start, scene.frame_end, FRAMES).round().astype(int)
    gaps = Gaps([int(number) for number in np.unique(numbers)])
    path: list[Camera] = []
    hits: list[np.ndarray] = []
    for i, number in enumerate(gaps.frames):
        scene.frame_set(number)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        camera = render_camera(scene_camera(scene).evaluated_get(depsgraph), scene, False)
        path.append(camera)
        hits.append(_hits(scene, depsgraph, camera, i))
        yield 0.3 * (i + 1) / len(gaps.frames)
    found = np.concatenate(hits)
    if not len(found):
        raise InputError("The camera's path shows no surfaces; point the camera at the scene.")
    shown = _points(found, len(path))
    chosen = np.unique(np.linspace(0, len(path) - 1, CANDIDATES).round().astype(int))
    distance = float(np.median(found[:, 7]))
    candidates = beside([path[i] for i in chosen], ASIDE * distance)
    frames = [gaps.frames[i] for i in (*chosen, *np.repeat(chosen, 3))]
    visible = np.zeros((len(candidates), len(shown.xyz)), bool)
    for i in np.argsort(frames, kind="stable"):
        if scene.frame_current != frames[i]:
            scene.frame_set(frames[i])
        visible[i] = _visible(scene, candidates[i], shown)
        yield 0.3 + 0.7 * (i + 1) / len(candidates)
    seen = np.zeros(len(shown.xyz), bool)
    for frame in read_frames(scene)[0]:
        seen |= seen_by(frame, shown.xyz, shown.normal)
    choice = choose_views(visible, shown.weights, seen, aim, most)
    gaps.cameras = [(frames[i], candidates[i]) for i in choice.views]
    gaps.before = choice.before
    gaps.after = choice.shares[-1] if choice.shares else choice.before
    covered = seen | visible[choice.views].any(axis=0) if choice.views else seen
    gaps.coverage = per_frame(shown, covered).tolist()
    yield gaps


def _hits(
    scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, camera: Camera, number: int
) -> np.ndarray:
    """(K, 8): place and normal of what a coarse picture shows, its frame and distance. Metres."""
    rows = max(2, round(RAYS * camera.height / camera.width))
    small = camera.resized(RAYS, rows)
    rays = small.rays().reshape(-1, 3).astype(np.float64)
    starts = np.broadcast_to(small.origins(), small.rays().shape).reshape(-1, 3)
    scale = scene.unit_settings.scale_length
    found = []
    for start, ray in zip(starts, rays, strict=True):
        origin = Vector(start / scale)
        hit, place, normal, *_ = scene.ray_cast(depsgraph, origin, Vector(ray))
        if hit:
            facing = normal if normal.dot(Vector(ray)) < 0 else -normal
            away = (place - origin).length * scale
            found.append([*(place * scale), *facing, number, away])
    return np.array(found, dtype=np.float64).reshape(-1, 8)


def _points(found: np.ndarray, frames: int) -> Shown:
    """Hits as points, coarser where there would be too many."""
    xyz, normal, frame = found[:, :3], found[:, 3:6], found[:, 6].astype(int)
    low, high = np.percentile(xyz, (2, 98), axis=0)
    cell = max(float((high - low).max()) / _CELLS, 1e-4)
    shown = merged(xyz, normal, frame, cell, frames)
    while len(shown.xyz) > _MOST_POINTS:
        cell *= 1.3
        shown = merged(xyz, normal, frame, cell, frames)
    return shown


def _visible(scene: bpy.types.Scene, camera: Camera, shown: Shown) -> np.ndarray:
    """(N,) bool: what nothing hides from a camera."""
    scale = scene.unit_settings.scale_length
    depsgraph = bpy.context.evaluated_depsgraph_get()
    seen = could_see(camera, shown.xyz, shown.normal)
    for i in np.flatnonzero(seen):
        target = Vector(shown.xyz[i] / scale)
        if camera.is_orthographic:
            depth = float((shown.xyz[i] - camera.position) @ camera.c2w[:3, 2]) / scale
            start = target - Vector(camera.c2w[:3, 2]) * depth
        else:
            start = Vector(camera.position / scale)
        way = target - start
        hit, place, *_ = scene.ray_cast(depsgraph, start, way.normalized(), distance=way.length)
        seen[i] = not hit or (place - start).length >= _CLEAR * way.length
    return seen


def sized(camera: Camera, percentage: int) -> Camera:
    """The camera at a share of its size, in percent."""
    width, height = (max(8, side * percentage // 100) for side in (camera.width, camera.height))
    return camera.resized(width, height)
