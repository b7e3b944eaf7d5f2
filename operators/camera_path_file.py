# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths as files: what `worldfm render --cameras` reads, and back as an animated camera."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, IntProperty, StringProperty

from ..backend.shared.camera import Camera
from ..backend.shared.camera_path import read_camera_path, write_camera_path
from ..backend.shared.errors import InputError
from ..scene_sync.animation import fcurves_of
from ..scene_sync.cameras import render_camera, scene_camera
from ..scene_sync.import_world import place_camera
from .file_choice import OVERWRITE, ChoosesFile, refuse_existing
from .reports import reports_errors

_LAST_FRAME = 1_048_574
_LENS = ("lens", "ortho_scale", "shift_x", "shift_y")
_SQUARE = 1e-3
"""Relative difference of the focal lengths up to which pixels count as square."""


def path_cameras(scene: bpy.types.Scene) -> list[Camera]:
    """The active camera at every frame of the scene's range. Raises CameraError.

    The scene's frame is set and put back: constraints and drivers are followed.
    """
    frame, subframe = scene.frame_current, scene.frame_subframe
    cameras = []
    try:
        for number in range(scene.frame_start, scene.frame_end + 1, scene.frame_step):
            scene.frame_set(number)
            cameras.append(render_camera(scene_camera(scene), scene, use_border=False))
    finally:
        scene.frame_set(frame, subframe=subframe)
    return cameras


def check_path(cameras: list[Camera], first: int) -> None:
    """Raises InputError when Blender's cameras cannot follow a path from frame `first` on."""
    if first + len(cameras) - 1 > _LAST_FRAME:
        raise InputError("The path has more frames than a scene can; choose an earlier start.")
    for camera in cameras:
        if abs(camera.K[0, 0] / camera.K[1, 1] - 1) > _SQUARE:
            raise InputError(
                "The path's pixels are not square, and Blender's cameras cannot take that; render "
                "it with 'worldfm render' instead."
            )


def add_camera_path(
    scene: bpy.types.Scene, name: str, cameras: list[Camera], first: int, activate: bool
) -> bpy.types.Object:
    """A new camera that moves along `cameras`; the scene's camera where that is wanted, or where
    there is none."""
    ob = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    scene.collection.objects.link(ob)
    _animate(ob, cameras, first, scene.unit_settings.scale_length)
    if activate or scene.camera is None:
        scene.camera = ob
    return ob


def _animate(ob: bpy.types.Object, cameras: list[Camera], first: int, scale_length: float) -> None:
    """A key a frame from `first` on: place, direction and, where it changes, the lens."""
    zoomed = any(not np.allclose(camera.K, cameras[0].K) for camera in cameras)
    ob.rotation_mode = "QUATERNION"
    before = None
    for frame, camera in enumerate(cameras, start=first):
        place_camera(ob, camera, scale_length)
        location, rotation, _ = ob.matrix_world.decompose()
        if before is not None:
            rotation.make_compatible(before)
        ob.location, ob.rotation_quaternion, before = location, rotation, rotation
        ob.keyframe_insert("location", frame=frame)
        ob.keyframe_insert("rotation_quaternion", frame=frame)
        for name in _LENS if zoomed else ():
            ob.data.keyframe_insert(name, frame=frame)
    for curve in (*fcurves_of(ob), *fcurves_of(ob.data)):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


class WORLDFM_OT_export_camera_path(ChoosesFile, bpy.types.Operator):
    """Write the active camera at every frame to a file for 'worldfm render --cameras'"""

    bl_idname = "worldfm.export_camera_path"
    bl_label = "Export Camera Path"

    filepath: StringProperty(name="File", default="cameras.json", subtype="FILE_PATH")
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    overwrite: OVERWRITE

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """An existing file is replaced only once the new one is whole."""
        path = Path(bpy.path.abspath(self.filepath))
        refuse_existing(path, self.overwrite)
        write_camera_path(path, path_cameras(context.scene))
        return {"FINISHED"}


class WORLDFM_OT_import_camera_path(ChoosesFile, bpy.types.Operator):
    """Add a camera that moves along a path from a file, one key a frame"""

    bl_idname = "worldfm.import_camera_path"
    bl_label = "Import Camera Path"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    start: IntProperty(name="First Frame", default=1, min=0, max=_LAST_FRAME)
    set_range: BoolProperty(
        name="Fit Frame Range", description="Make the scene as long as the path"
    )
    activate: BoolProperty(name="Make Active", description="Render with the new camera")
    use_size: BoolProperty(
        name="Use the Path's Size", description="Set the scene's resolution to the path's"
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """A file that does not fit is reported."""
        path = Path(bpy.path.abspath(self.filepath))
        cameras = read_camera_path(path)
        check_path(cameras, self.start)
        scene = context.scene
        add_camera_path(scene, path.stem, cameras, self.start, self.activate)
        if self.set_range:
            scene.frame_start, scene.frame_end = self.start, self.start + len(cameras) - 1
        if self.use_size:
            render = scene.render
            render.resolution_x, render.resolution_y = cameras[0].width, cameras[0].height
            render.resolution_percentage = 100
            render.pixel_aspect_x = render.pixel_aspect_y = 1.0
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_export_camera_path, WORLDFM_OT_import_camera_path)
