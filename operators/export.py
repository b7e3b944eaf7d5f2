# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds for the command line and for other programs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from ..backend.shared.anchors import Anchors
from ..backend.shared.camera_path import write_camera_path
from ..backend.shared.errors import InputError
from ..backend.shared.files import new_folder, replacing
from ..backend.shared.world import World
from ..backend.shared.world_folder import save_world
from ..scene_sync.cameras import render_camera, scene_camera
from ..scene_sync.scene_reader import SceneReader
from ..scene_sync.world import WorldBuilder
from .build_process import CommandOperator
from .camera_path_file import path_cameras
from .file_choice import OVERWRITE, ChoosesFile, refuse_existing
from .reports import reports_errors


def scene_world(context: bpy.types.Context, operator: bpy.types.Operator) -> World:
    """The anchors and memory that a render of this view layer uses. Raises WorldFMError."""
    scene = context.scene
    depsgraph = context.evaluated_depsgraph_get()
    camera = None
    if scene.camera is not None:
        evaluated = scene_camera(scene).evaluated_get(depsgraph)
        camera = render_camera(evaluated, scene, use_border=False)
    copy = SceneReader().read(depsgraph, camera)
    for warning in copy.warnings:
        operator.report({"WARNING"}, warning)
    source = Path(bpy.data.filepath).name or "unsaved.blend"
    provenance = {"source": source, "scene": scene.name}
    return replace(WorldBuilder().build(copy), provenance=provenance)


def with_points(world: World) -> World:
    """Its points and memory frames. Raises InputError when it has no points."""
    if not len(world.anchors):
        raise InputError("The scene has no points to export; add geometry or a world first.")
    return replace(world, scene=None)


def with_memory(world: World) -> World:
    """Its points and memory frames. Raises InputError when it has no frames."""
    if not world.memory:
        raise InputError("The scene has no memory frames to export; capture some first.")
    return replace(world, scene=None)


def memory_of(world: World) -> World:
    """Its memory frames alone. Raises InputError when it has none."""
    return replace(with_memory(world), anchors=Anchors.empty())


class WORLDFM_OT_export_world(ChoosesFile, bpy.types.Operator):
    """Write the scene's anchors and memory to a folder for 'worldfm render'"""

    bl_idname = "worldfm.export_world"
    bl_label = "Export World"

    directory: StringProperty(name="Folder", default="//world", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    overwrite: OVERWRITE

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """The same anchors and memory that a render of this view layer uses."""
        folder = Path(bpy.path.abspath(self.directory))
        world = scene_world(context, self)
        save_world(world, folder, self.overwrite)
        self.report({"INFO"}, f"{len(world.anchors)} points and the memory are in {folder}.")
        return {"FINISHED"}


class ExportByCommand(ChoosesFile, CommandOperator):
    """Writes the scene's world to a temporary folder, lets the backend convert it, puts it there.

    The target appears when all of it is written, and stays as it was on Esc or an error.
    """

    bl_options = {"REGISTER"}

    stopped = "Stopped; nothing was written."
    target = ""
    """The option of `worldfm world export`."""

    def path(self) -> Path:
        """Where it goes, absolute. Raises InputError when that cannot be."""
        raise NotImplementedError

    def wanted(self, world: World) -> World:
        """What of the world is written. Raises InputError when there is nothing."""
        raise NotImplementedError

    def more(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """More arguments."""
        return []

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The export command."""
        path = self.path()
        if not path.parent.is_dir():
            raise InputError(f"The folder '{path.parent}' does not exist; choose another.")
        world = self.wanted(scene_world(context, self))
        source = folder / (Path(bpy.data.filepath).stem or "world")
        save_world(world, source)
        (folder / "made").mkdir()
        more = self.more(context, folder)
        return [
            "world",
            "export",
            str(source),
            self.target,
            str(folder / "made" / path.name),
            *more,
        ]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Beside the target first, for it may be on another disk than the temporary folder."""
        path = self.path()
        made = folder / "made" / path.name
        if made.is_dir():
            with new_folder(path) as part:
                shutil.copytree(made, part, dirs_exist_ok=True)
        else:
            with replacing(path) as part:
                shutil.copyfile(made, part)
        self.report({"INFO"}, f"Written to '{path}'.")


class ExportToFile(ExportByCommand):
    """Writes one file, which replaces another only when that was chosen."""

    ending = ""

    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    overwrite: OVERWRITE

    def file(self) -> Path:
        """The file with its ending."""
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() == self.ending:
            return path
        return path.with_name(path.name + self.ending)

    def path(self) -> Path:
        """The file, which may be replaced."""
        path = self.file()
        refuse_existing(path, self.overwrite)
        return path


class WORLDFM_OT_export_points(ExportToFile, bpy.types.Operator):
    """Write the scene's anchor points as a PLY point cloud"""

    bl_idname = "worldfm.export_points"
    bl_label = "Export Points"

    target, ending = "--ply", ".ply"
    filepath: StringProperty(name="File", default="points.ply", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})

    def wanted(self, world: World) -> World:
        """The points."""
        return replace(with_points(world), memory=[])


class ExportToFolder(ExportByCommand):
    """Writes a new folder from the memory frames."""

    def path(self) -> Path:
        """The folder; it may not hold anything yet."""
        path = Path(bpy.path.abspath(self.directory))
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"'{path}' is not empty; name a new folder.")
        return path

    def wanted(self, world: World) -> World:
        """The memory."""
        return memory_of(world)


class WORLDFM_OT_export_dataset(ExportToFolder, bpy.types.Operator):
    """Write the memory frames as pictures with transforms.json, as nerfstudio reads them"""

    bl_idname = "worldfm.export_dataset"
    bl_label = "Export Dataset"

    target = "--transforms"
    directory: StringProperty(name="Folder", default="//dataset", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})


class WORLDFM_OT_export_meta(ExportToFolder, bpy.types.Operator):
    """Write the first memory frame and the camera's path as the reference's meta.json"""

    bl_idname = "worldfm.export_meta"
    bl_label = "Export meta.json"

    target = "--meta"
    directory: StringProperty(name="Folder", default="//meta", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def more(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The active camera at every frame."""
        write_camera_path(folder / "cameras.json", path_cameras(context.scene))
        return ["--cameras", str(folder / "cameras.json")]


CLASSES = (
    WORLDFM_OT_export_world,
    WORLDFM_OT_export_points,
    WORLDFM_OT_export_dataset,
    WORLDFM_OT_export_meta,
)
