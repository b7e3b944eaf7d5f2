# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds and camera paths as files that the command line renders without Blender."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldFMError
from ..backend.shared.files import write_atomically
from ..scene_sync.cameras import render_camera, scene_camera
from ..scene_sync.world import SceneReader, WorldBuilder
from ..scene_sync.world_files import write_world


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


def cameras_json(cameras: list[Camera]) -> str:
    """Cameras of one picture size as `worldfm render --cameras` reads them."""
    return json.dumps(
        {
            "K": [camera.K.tolist() for camera in cameras],
            "size": [cameras[0].width, cameras[0].height],
            "c2w": [camera.c2w.tolist() for camera in cameras],
        }
    )


class WORLDFM_OT_export_camera_path(bpy.types.Operator):
    """Write the active camera at every frame to a file for 'worldfm render --cameras'"""

    bl_idname = "worldfm.export_camera_path"
    bl_label = "Export Camera Path"

    filepath: StringProperty(name="File", default="cameras.json", subtype="FILE_PATH")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose the file first."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """An existing file is replaced only once the new one is whole."""
        path = Path(bpy.path.abspath(self.filepath))
        try:
            text = cameras_json(path_cameras(context.scene))
            write_atomically(path, text.encode())
        except WorldFMError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class WORLDFM_OT_export_world(bpy.types.Operator):
    """Write the scene's anchors and memory to a folder for 'worldfm render'"""

    bl_idname = "worldfm.export_world"
    bl_label = "Export World"

    directory: StringProperty(name="Folder", default="//world", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose the folder first."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The same anchors and memory that a render of this view layer uses."""
        folder = Path(bpy.path.abspath(self.directory))
        try:
            written = self._export(context, folder)
        except WorldFMError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{written} points and the memory are in {folder}.")
        return {"FINISHED"}

    def _export(self, context: bpy.types.Context, folder: Path) -> int:
        scene = context.scene
        depsgraph = context.evaluated_depsgraph_get()
        camera = None
        if scene.camera is not None:
            evaluated = scene_camera(scene).evaluated_get(depsgraph)
            camera = render_camera(evaluated, scene, use_border=False)
        copy = SceneReader().read(depsgraph, camera)
        for warning in copy.warnings:
            self.report({"WARNING"}, warning)
        world = WorldBuilder().build(copy)
        source = Path(bpy.data.filepath).name or "unsaved.blend"
        write_world(folder, world, {"source": source, "scene": scene.name})
        return len(world.anchors)


CLASSES = (WORLDFM_OT_export_camera_path, WORLDFM_OT_export_world)
