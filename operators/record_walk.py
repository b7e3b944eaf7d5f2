# SPDX-License-Identifier: GPL-3.0-or-later
"""Record Walk: what a walk or fly through the viewport sees becomes an editable camera path."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.shared.camera_moves import key_poses
from .camera_path import keyed

SAMPLE_SECONDS = 1 / 30
STRAY = 0.01
"""Share of the walk's length that a key's absence may move the camera."""
LEAST_STRAY = 0.005
ASKEW = 0.01
"""Units and radians that the recorded path may differ from the walk by."""
_WALKS = {"VIEW3D_OT_walk", "VIEW3D_OT_fly"}


@dataclass(eq=False)
class _Recording:
    """A walk under way. scene: its name, for an undo makes references useless."""

    scene: str
    window: bpy.types.Window
    area: bpy.types.Area
    began: float = field(default_factory=time.monotonic)
    seen: bool = False
    times: list[float] = field(default_factory=list)
    poses: list[np.ndarray] = field(default_factory=list)


_recording: _Recording | None = None


class WORLDFM_OT_record_walk(bpy.types.Operator):
    """Walk through the viewport (W A S D, mouse; click ends, Esc drops) and keep it as a camera"""

    bl_idname = "worldfm.record_walk"
    bl_label = "Record Walk"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In a 3D viewport."""
        cls.poll_message_set("Only in a 3D viewport")
        return context.region_data is not None and _recording is None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Blender's own navigation does the walking; a timer looks on."""
        global _recording
        view = context.region_data
        if view.view_perspective == "CAMERA":  # the walk is not to move the scene's camera
            view.view_perspective = "PERSP"
        region = next(r for r in context.area.regions if r.type == "WINDOW")
        _recording = _Recording(context.scene.name, context.window, context.area)
        with context.temp_override(region=region):
            bpy.ops.view3d.navigate("INVOKE_DEFAULT")
        bpy.app.timers.register(_look, first_interval=0.0)
        return {"FINISHED"}


def _look() -> float | None:
    """One sample; at the end of the walk the camera is made."""
    global _recording
    record = _recording
    if record is None:
        return None
    try:
        walking = any(o.bl_idname in _WALKS for o in record.window.modal_operators)
        view = record.area.spaces.active.region_3d
        pose = np.array(view.view_matrix.inverted())
    except (ReferenceError, AttributeError):  # the window or the area is gone
        _recording = None
        return None
    now = time.monotonic() - record.began
    if walking or not record.seen:
        record.seen |= walking
        record.times.append(now)
        record.poses.append(pose)
        if walking or now < 2.0:
            return SAMPLE_SECONDS
    _recording = None
    scene = bpy.data.scenes.get(record.scene)
    # Esc puts the view back to where it was
    if scene is not None and record.seen and not np.allclose(pose, record.poses[0], atol=1e-5):
        add_walk(scene, np.array(record.times), np.array(record.poses))
        bpy.ops.ed.undo_push(message="Record Walk")
    return None


def add_walk(scene: bpy.types.Scene, times: np.ndarray, poses: np.ndarray) -> bpy.types.Object:
    """A camera that goes as the poses (N, 4, 4) did at `times` in seconds, with as few keys as
    keep it within STRAY and ASKEW of them. The scene's camera and frame range stay."""
    rate = scene.render.fps / scene.render.fps_base
    moving = np.flatnonzero(np.abs(np.diff(poses, axis=0)).max(axis=(1, 2)) > 1e-6)
    first, last = (moving[0], moving[-1] + 1) if len(moving) else (0, len(poses) - 1)
    even = np.linspace(times[first], times[last], max(2, round((times[last] - times[first]) * 30)))
    nearest = np.searchsorted(times, even).clip(0, len(times) - 1)
    poses = poses[nearest]
    length = float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())
    kept = key_poses(poses, max(LEAST_STRAY, STRAY * length), ASKEW)
    data = bpy.data.cameras.new("Walk Camera")
    if scene.camera is not None and scene.camera.type == "CAMERA":
        data.lens = scene.camera.data.lens
    ob = bpy.data.objects.new("Walk Camera", data)
    scene.collection.objects.link(ob)
    frames = scene.frame_start + (even - even[0]) * rate
    keyed(ob, [(float(frames[i]), Matrix(poses[i].tolist())) for i in kept], ease=False)
    if scene.camera is None:
        scene.camera = ob
    return ob


def stop() -> None:
    """End recording, as on unregister."""
    global _recording
    _recording = None
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)


CLASSES = (WORLDFM_OT_record_walk,)
