# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a camera stands when its shutter opens and closes."""

from __future__ import annotations

import math

import bpy

from ..backend.shared.camera import Camera
from .cameras import render_camera, scene_camera

_BEFORE = {"START": 0.0, "CENTER": 0.5, "END": 1.0}
"""Share of the time that the shutter is open that lies before the frame."""


def shutter_cameras(
    engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph
) -> tuple[Camera, Camera] | None:
    """The render's camera when the shutter opens and closes; None where nothing can move it.

    The scene is evaluated at both times and then at its own again: nothing evaluated that was
    taken from `depsgraph` before is good afterwards. Raises CameraError as `render_camera`.
    """
    scene = depsgraph.scene_eval
    ob = engine.camera_override or scene_camera(scene)
    if not scene.render.use_motion_blur or not _may_move(ob):
        return None
    frame, subframe = scene.frame_current, scene.frame_subframe
    open_for = scene.render.motion_blur_shutter
    position = getattr(scene.render, "motion_blur_position", "CENTER")
    begins = frame + subframe - _BEFORE[position] * open_for
    found = []
    try:
        for when in (begins, begins + open_for):
            whole = math.floor(when)
            engine.frame_set(whole, when - whole)
            found.append(render_camera(ob.evaluated_get(depsgraph), depsgraph.scene_eval))
    finally:
        engine.frame_set(frame, subframe)
    return found[0], found[1]


def _may_move(ob: bpy.types.Object) -> bool:
    """Whether anything is there that could move a camera, or zoom it."""
    own = ob.animation_data is not None or len(ob.constraints)
    if own or (ob.type == "CAMERA" and ob.data.animation_data is not None):
        return True
    return ob.parent is not None and (ob.parent_type != "OBJECT" or _may_move(ob.parent))
