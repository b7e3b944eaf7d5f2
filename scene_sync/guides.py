# SPDX-License-Identifier: GPL-3.0-or-later
"""The cameras that decide how dense a scene's anchors are.

They do not depend on the current frame where the path can be foretold, so that every frame of an
animation sees the same anchors, in whatever order frames are rendered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.errors import CameraError
from .animation import (
    fcurves_of,
    is_predictable,
    moves,
    number_at,
    places,
    turns_by_itself,
    world_matrix_at,
)
from .cameras import Lens, lens_camera, lens_of, raster, rigid
from .sampling import Guide, nearest_of

PATH_SAMPLES = 12
MEMORY_SAMPLES = 8


def render_guides(
    scene: bpy.types.Scene, memory: list[Camera], current: Camera | None
) -> list[Guide]:
    """Cameras along the paths of the scene's cameras and of its memory.

    current: used where the path cannot be foretold from F-curves.
    """
    guides = [Guide(_sized(camera, scene)) for camera in _spread(memory, MEMORY_SAMPLES)]
    foreseen = True
    for ob in _cameras(scene):
        path = _path(ob, scene)
        foreseen &= path is not None
        guides += path or []
    if current is not None and not (foreseen and guides):
        guides.append(Guide(current))
    nearest = nearest_of(scene.unit_settings.scale_length)
    return [replace(guide, nearest=nearest) for guide in guides]


def _cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The active camera and those that timeline markers switch to, in order of name."""
    marked = {m.camera for m in scene.timeline_markers if m.camera}
    cameras = {scene.camera} | marked if scene.camera else marked
    usable = (c for c in cameras if c.type == "CAMERA" and c.data.type == "PERSP")
    return sorted(usable, key=lambda c: c.name_full)


def _path(ob: bpy.types.Object, scene: bpy.types.Scene) -> list[Guide] | None:
    """Guides along an object's animation; None when it cannot be foretold."""
    frames = np.linspace(scene.frame_start, scene.frame_end, PATH_SAMPLES)
    foreseen = is_predictable(ob)
    if foreseen and not moves(ob) and not fcurves_of(ob.data):
        frames = frames[:1]
    matrices = [world_matrix_at(ob, frame) for frame in frames]
    if not foreseen:
        stands = places(ob, frames)
        if stands is None:
            return None
        stands = stands[np.linspace(0, len(stands) - 1, PATH_SAMPLES).round().astype(int)]
        for matrix, stand in zip(matrices, stands, strict=True):
            matrix[:3, :3], matrix[:3, 3] = np.eye(3), stand
    directed = foreseen and not turns_by_itself(ob)
    try:
        picture = raster(scene, use_border=False)
        scale = scene.unit_settings.scale_length
        return [
            Guide(
                lens_camera(_lens_at(ob, frame), picture, rigid(matrix, scale, ob.name), scale),
                directed,
            )
            for frame, matrix in zip(frames, matrices, strict=True)
        ]
    except CameraError:  # this camera is not the one asked for; that one is checked elsewhere
        return []


def _lens_at(ob: bpy.types.Object, frame: float) -> Lens:
    now = lens_of(ob)
    names = ["lens", "sensor_width", "sensor_height", "shift_x", "shift_y"]
    names += ["ortho_scale"] if now.ortho_scale else []
    then: dict[str, Any] = {name: number_at(ob.data, name, frame) for name in names}
    return replace(now, **then)


def _spread(cameras: list[Camera], count: int) -> list[Camera]:
    """At most `count` of the cameras, evenly picked."""
    if len(cameras) <= count:
        return cameras
    return [cameras[i] for i in np.linspace(0, len(cameras) - 1, count).round().astype(int)]


def _sized(camera: Camera, scene: bpy.types.Scene) -> Camera:
    """A memory camera as fine as the scene's pictures are."""
    width = scene.render.resolution_x * scene.render.resolution_percentage // 100
    height = max(1, round(width * camera.height / camera.width))
    return camera.resized(max(width, 1), height)
