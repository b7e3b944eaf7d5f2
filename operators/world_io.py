# SPDX-License-Identifier: GPL-3.0-or-later
"""New worlds from photos, panoramas, captures, point clouds and world folders.

The work is done by the command line in the backend's own Python; the operator polls it, shows how
far it is, and Esc ends it. Nothing is added to the file before all of it is there.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..backend.shared.errors import InputError, WorldFMError
from ..scene_sync.import_world import (
    RESOLUTION,
    add_world,
    camera_path_json,
    photo_camera,
    place_camera,
)
from ..scene_sync.world_reader import read_world
from .build_process import CommandRun

DEPTHS = (
    ("auto", "Automatic", "The best estimator whose weights are here"),
    ("embedded", "Embedded", "Small and coarse; ships with WorldFM"),
    ("moge-2", "MoGe-2", "Needs its package and weights"),
    ("depth-anything", "Depth Anything", "Needs its package and weights"),
    ("depth-pro", "Depth Pro", "Needs its package and weights"),
)


class CommandOperator:
    """Runs one command; subclasses say which, and what to do with its result."""

    _run: CommandRun | None = None
    _folder: tempfile.TemporaryDirectory | None = None
    _timer: bpy.types.Timer | None = None

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Arguments of the command; may write inputs into `folder`. Raises WorldFMError."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Take the result into the file. Raises WorldFMError."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Without a window to the end; with one, as a job that Esc stops."""
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="worldfm-")
            self._run = CommandRun(self.begin(context, Path(self._folder.name)))
        except WorldFMError as error:
            return self._failed(context, error)
        if bpy.app.background or context.window is None:
            return self._done(context)
        self._timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.progress_begin(0, 100)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Looks at the command at every tick of the timer."""
        if event.type == "ESC" and event.value == "PRESS":
            self._run.cancel()
            self._end(context)
            self.report({"INFO"}, "Stopped; nothing was added.")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._run.running:
            percent = int(100 * self._run.fraction)
            context.window_manager.progress_update(percent)
            context.workspace.status_text_set(f"{self._run.text}: {percent} % (Esc stops)")
            return {"PASS_THROUGH"}
        return self._done(context)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, as on quitting."""
        if self._run is not None:
            self._run.cancel()
        self._end(context)

    def _done(self, context: bpy.types.Context) -> set[str]:
        try:
            result = self._run.result()
            self.finish(context, Path(self._folder.name), result)
        except WorldFMError as error:
            return self._failed(context, error)
        for note in result.get("notes", []):
            self.report({"WARNING"}, note)
        self._end(context)
        return {"FINISHED"}

    def _failed(self, context: bpy.types.Context, error: WorldFMError) -> set[str]:
        self._end(context)
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}

    def _end(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.window_manager.progress_end()
            context.workspace.status_text_set(None)
            self._timer = None
        if self._folder is not None:
            with contextlib.suppress(OSError):  # Windows: a virus scanner still looks at a file
                self._folder.cleanup()
            self._folder = None


class _FromFile(CommandOperator):
    """Chooses a file first, then builds a world from it."""

    bl_options = {"REGISTER", "UNDO"}

    source = ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose the file first."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def path(self) -> Path:
        """The file as an absolute path. Raises InputError when none is chosen."""
        if not self.filepath:
            raise InputError("No file is chosen; choose one.")
        return Path(bpy.path.abspath(self.filepath))

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The build command for this source."""
        return ["world", "build", self.source, str(self.path()), "-o", str(folder / "world"),
                *self.arguments(context, folder)]  # fmt: skip

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """More arguments."""
        return []

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """The world as objects of the scene."""
        add_world(context.scene, self.path().stem, read_world(folder / "world"), None, False)


class WORLDFM_OT_world_from_photo(_FromFile, bpy.types.Operator):
    """Make a world that a camera can move through from one photo"""

    bl_idname = "worldfm.world_from_photo"
    bl_label = "New World from Photo"

    source = "--image"
    filepath: StringProperty(name="Photo", subtype="FILE_PATH")
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    camera: StringProperty(
        name="Camera", description="A camera that was matched to the photo; empty = find it"
    )
    camera_height: FloatProperty(
        name="Camera Height", description="Of the camera above the ground, in metres",
        default=1.6, min=0.01, soft_max=100.0, unit="LENGTH",
    )  # fmt: skip
    depth: EnumProperty(name="Depth", items=DEPTHS, default="auto")
    use_blockout: BoolProperty(
        name="Use Blockout",
        description="Make frames from the editable blockout meshes instead of the points",
    )

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Camera, height and estimator."""
        given = ["--camera-height", str(self.camera_height), "--depth", self.depth]
        if not self.camera:
            return given
        ob = context.scene.objects.get(self.camera)
        if ob is None or ob.type != "CAMERA" or RESOLUTION not in ob.data:
            raise InputError(
                f"'{self.camera}' is not a camera matched to a photo; match one or leave it empty."
            )
        camera = photo_camera(ob, context.scene.unit_settings.scale_length)
        (folder / "camera.json").write_text(camera_path_json(camera), encoding="utf-8")
        return [*given, "--camera", str(folder / "camera.json")]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Points, blockout, camera and memory."""
        built, scene = read_world(folder / "world"), context.scene
        add_world(scene, self.path().stem, built, self.path(), self.use_blockout)
        matched = scene.objects.get(self.camera) if self.camera else None
        if matched is not None:  # it moves to the height that was typed in
            place_camera(matched, built.memory[0].camera, scene.unit_settings.scale_length)


class WORLDFM_OT_world_from_panorama(_FromFile, bpy.types.Operator):
    """Make a world from an equirectangular panorama"""

    bl_idname = "worldfm.world_from_panorama"
    bl_label = "New World from Panorama"

    source = "--panorama"
    filepath: StringProperty(name="Panorama", subtype="FILE_PATH")
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    camera_height: FloatProperty(
        name="Camera Height", description="Of the camera above the ground, in metres",
        default=1.6, min=0.01, soft_max=100.0, unit="LENGTH",
    )  # fmt: skip
    depth: EnumProperty(name="Depth", items=DEPTHS, default="auto")

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Height and estimator."""
        return ["--camera-height", str(self.camera_height), "--depth", self.depth]


class WORLDFM_OT_world_from_capture(_FromFile, bpy.types.Operator):
    """Make a world from posed pictures: a folder with transforms.json or a COLMAP model"""

    bl_idname = "worldfm.world_from_capture"
    bl_label = "New World from Capture"

    source = "--dataset"
    filepath: StringProperty(options={"HIDDEN"})
    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    depth: EnumProperty(name="Depth", items=DEPTHS, default="auto")

    def path(self) -> Path:
        """The folder."""
        chosen = self.directory or self.filepath
        if not chosen:
            raise InputError("No folder is chosen; choose one with transforms.json or COLMAP.")
        return Path(bpy.path.abspath(chosen))

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The estimator, for pictures without depth."""
        return ["--depth", self.depth]


class WORLDFM_OT_world_from_points(_FromFile, bpy.types.Operator):
    """Make a world from a PLY point cloud or from 3D Gaussian splats"""

    bl_idname = "worldfm.world_from_points"
    bl_label = "New World from Points"

    source = "--ply"
    filepath: StringProperty(name="PLY", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})
    up: EnumProperty(
        name="Up",
        items=(("auto", "Automatic", "Z; -Y for splats"), ("z", "Z", ""), ("y", "Y", ""),
               ("-y", "-Y", "")),
    )  # fmt: skip
    scale: FloatProperty(name="Scale", description="Metres per unit", default=1.0, min=1e-6)

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Axis and scale."""
        up = [] if self.up == "auto" else [f"--up={self.up}"]
        return [*up, "--scale", str(self.scale)]


class WORLDFM_OT_open_world(bpy.types.Operator):
    """Bring a world's folder into this file"""

    bl_idname = "worldfm.open_world"
    bl_label = "Open World"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose the folder first."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Points and memory; nothing when the folder is damaged."""
        folder = Path(bpy.path.abspath(self.directory))
        try:
            add_world(context.scene, folder.name or "World", read_world(folder), None, False)
        except WorldFMError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (
    WORLDFM_OT_world_from_photo,
    WORLDFM_OT_world_from_panorama,
    WORLDFM_OT_world_from_capture,
    WORLDFM_OT_world_from_points,
    WORLDFM_OT_open_world,
)
