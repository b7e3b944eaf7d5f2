# SPDX-License-Identifier: GPL-3.0-or-later
"""New worlds from photos, panoramas, captures, point clouds and world folders.

The work is done by the command line in the backend's own Python; see build_process.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..backend.shared.camera_path import read_camera_path
from ..backend.shared.errors import InputError, WorldFMError
from ..backend.shared.trust import Level
from ..scene_sync.import_world import (
    RESOLUTION,
    Added,
    add_world,
    camera_path_json,
    photo_camera,
    photo_distortion,
    place_camera,
    use_photo_size,
)
from ..scene_sync.move_world import world_to_folder
from ..scene_sync.put_aside import put_aside
from ..scene_sync.trust import store_notes, trust_of
from ..scene_sync.world_reader import BuiltWorld, read_world
from .build_process import CommandOperator
from .camera_path_file import add_camera_path, check_path
from .camera_view import largest_viewport, look_through_camera
from .file_choice import ChoosesFile
from .mixin import OperatorMixin
from .photo_match import LINES
from .reports import reports_errors

DEPTHS = (
    ("auto", "Automatic", "The best estimator whose weights are here"),
    ("embedded", "Embedded", "Small and coarse; ships with WorldFM"),
    ("moge-2", "MoGe-2", "Needs its package and weights"),
    ("depth-anything", "Depth Anything", "Needs its package and weights"),
    ("depth-pro", "Depth Pro", "Needs its package and weights"),
)


LONGEST = 1024
"""Pixels of the longer side of what is rendered of a world that is looked at at once."""


class _Keeps(OperatorMixin):
    """The user's choice of where a new world is kept."""

    in_folder: BoolProperty(
        name="Keep in a Folder",
        description="Keep points and pictures in a folder beside this file instead of inside it",
    )

    def check_place(self) -> None:
        """Before any work. Raises InputError when there is nowhere to put a folder."""
        if self.in_folder and not bpy.data.filepath:
            raise InputError("Save this file first; the world's folder will stand beside it.")

    def keep(self, context: bpy.types.Context, points: bpy.types.Object) -> None:
        """Into a folder if that was chosen; where none can be written it stays in the file."""
        if not self.in_folder:
            return
        try:
            world_to_folder(context.scene, points)
        except WorldFMError as error:
            self.report({"WARNING"}, f"The world is kept in this file: {error}")


class _Shows(OperatorMixin):
    """Whether the user sees the new world at once, without what was in the scene before."""

    put_aside: BoolProperty(
        name="Put Others Aside",
        description="Move what the scene holds now into a collection that is not shown; tick it in "
        "the Outliner to have it back",
        default=True,
    )
    show: BoolProperty(
        name="Look Through It",
        description="Make the new camera the scene's, at its picture's size, and look through it "
        "in Rendered shading",
        default=True,
    )

    def add(
        self, context: bpy.types.Context, built: BuiltWorld, photo: Path | None, blockout: bool
    ) -> Added:
        """The world as objects of the scene, which it has to itself if that was chosen."""
        scene = context.scene
        count, memory = put_aside(scene) if self.put_aside else (0, 0)
        added = add_world(scene, self.path().stem, built, photo, blockout, with_camera=True)
        if count or memory:
            text = iface_("{} objects are put aside in the Outliner, {} memory frames are off.")
            self.report({"INFO"}, text.format(count, memory))
        if self.show and added.camera is not None:
            scene.camera = added.camera
            scene.render.engine = "WORLDFM"
            use_photo_size(scene, added.camera, LONGEST)
            look_through_camera(largest_viewport(context))
        return added


class _FromFile(ChoosesFile, _Keeps, CommandOperator):
    """Chooses a file first, then builds a world from it."""

    bl_options = {"REGISTER", "UNDO"}

    source = ""

    def path(self) -> Path:
        """The file as an absolute path. Raises InputError when none is chosen."""
        if not self.filepath:
            raise InputError("No file is chosen; choose one.")
        return Path(bpy.path.abspath(self.filepath))

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The build command for this source."""
        self.check_place()
        return ["world", "build", self.source, str(self.path()), "-o", str(folder / "world"),
                *self.arguments(context, folder)]  # fmt: skip

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """More arguments."""
        return []

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """The world as objects of the scene."""
        built = read_world(folder / "world")
        if built.world.scene is not None:
            raise InputError(
                f"'{self.path().name}' is a mesh; use File > Import, and it is lit like any object."
            )
        points = self.add(context, built, None, False).points
        self.keep(context, points)
        store_notes(points, result.get("notes", []))
        self.tell_trust(points)

    def tell_trust(self, points: bpy.types.Object | None) -> None:
        """How far the depth of a new world of pictures can be trusted, if it is one."""
        trust = trust_of(points)
        if trust is not None:
            how = {"WARNING"} if trust.level is Level.POOR else {"INFO"}
            self.report(how, " ".join(trust.sentences(iface_)))

    def add(
        self, context: bpy.types.Context, built: BuiltWorld, photo: Path | None, blockout: bool
    ) -> Added:
        """Its objects, beside what is there."""
        return add_world(context.scene, self.path().stem, built, photo, blockout)


class WORLDFM_OT_world_from_photo(_Shows, _FromFile, bpy.types.Operator):
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
        return [*given, "--camera", str(folder / "camera.json"),
                f"--distortion={photo_distortion(ob)}"]  # fmt: skip

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Points, blockout, camera and memory."""
        built, scene = read_world(folder / "world"), context.scene
        matched = scene.objects.get(self.camera) if self.camera else None
        added = self.add(context, built, self.path(), self.use_blockout)
        self.keep(context, added.points)
        store_notes(added.points, result.get("notes", []))
        self.tell_trust(added.points)
        if matched is not None:  # it moves to the height that was typed in
            place_camera(matched, built.world.memory[0].camera, scene.unit_settings.scale_length)
            if added.camera is not None and LINES in matched.data:
                added.camera.data[LINES] = matched.data[LINES]


class WORLDFM_OT_world_from_panorama(_Shows, _FromFile, bpy.types.Operator):
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


class _FromFolder(_Shows, _FromFile):
    """Chooses a folder of pictures first."""

    source = "--dataset"
    filepath: StringProperty(options={"HIDDEN"})
    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    depth: EnumProperty(name="Depth", items=DEPTHS, default="auto")

    holds = ""
    """What is in such a folder."""

    def path(self) -> Path:
        """The folder."""
        chosen = self.directory or self.filepath
        if not chosen:
            raise InputError(f"No folder is chosen; choose one with {self.holds}.")
        return Path(bpy.path.abspath(chosen))

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The estimator, for pictures without depth."""
        return ["--depth", self.depth]


class WORLDFM_OT_world_from_photos(_FromFolder, bpy.types.Operator):
    """Make a world from a folder of photos of one place; where they were taken is found out"""

    bl_idname = "worldfm.world_from_photos"
    bl_label = "New World from Photos"

    holds = "photos of one place"


class WORLDFM_OT_world_from_capture(_FromFolder, bpy.types.Operator):
    """Make a world from posed pictures: a folder with transforms.json or a COLMAP model"""

    bl_idname = "worldfm.world_from_capture"
    bl_label = "New World from Capture"

    holds = "transforms.json or a COLMAP model"


class WORLDFM_OT_world_from_points(_FromFile, bpy.types.Operator):
    """Make a world from a PLY point cloud or from 3D Gaussian splats"""

    bl_idname = "worldfm.world_from_points"
    bl_label = "New World from Points"

    source = "--ply"
    filepath: StringProperty(name="PLY", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.ply;*.splat;*.ksplat;*.spz;*.sog", options={"HIDDEN"})
    up: EnumProperty(
        name="Up",
        items=(("auto", "Automatic", "Z; -Y for splats"), ("z", "Z", ""), ("y", "Y", ""),
               ("-y", "-Y", "")),
    )  # fmt: skip
    scale: FloatProperty(name="Scale", description="Metres per unit", default=1.0, min=1e-6)
    colours: EnumProperty(
        name="Colours",
        items=(("auto", "Automatic", "Spherical harmonics where the file has such, else red, green "
                "and blue"),
               ("sh", "Spherical Harmonics", ""), ("rgb", "Red, Green and Blue", "")),
    )  # fmt: skip
    degree: IntProperty(
        name="View-Dependent Colour",
        description="Degree of the harmonics that are read of splats; 0 = the same from everywhere",
        default=3, min=0, max=3,
    )  # fmt: skip

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Axis, scale and colours."""
        up = [] if self.up == "auto" else [f"--up={self.up}"]
        return [*up, "--scale", str(self.scale), "--ply-color-mode", self.colours,
                "--sh-degree", str(self.degree)]  # fmt: skip


class WORLDFM_OT_world_from_meta(_FromFile, bpy.types.Operator):
    """Make a world from the reference's meta.json, with its camera path as an animated camera"""

    bl_idname = "worldfm.world_from_meta"
    bl_label = "New World from meta.json"

    source = "--meta"
    filepath: StringProperty(name="meta.json", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    depth: EnumProperty(name="Depth", items=DEPTHS, default="auto")

    def arguments(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The estimator."""
        return ["--depth", self.depth]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Points, memory and the path."""
        cameras = read_camera_path(folder / "world" / "cameras.json")
        check_path(cameras, 1)
        super().finish(context, folder, result)
        add_camera_path(context.scene, f"{self.path().parent.name} Path", cameras, 1, False)


class WORLDFM_OT_open_world(ChoosesFile, _Keeps, bpy.types.Operator):
    """Bring a world's folder into this file"""

    bl_idname = "worldfm.open_world"
    bl_label = "Open World"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Points and memory; nothing when the folder is damaged."""
        folder = Path(bpy.path.abspath(self.directory))
        self.check_place()
        built = read_world(folder)
        self.keep(context, add_world(context.scene, folder.name or "World", built).points)
        return {"FINISHED"}


CLASSES = (
    WORLDFM_OT_world_from_photo,
    WORLDFM_OT_world_from_photos,
    WORLDFM_OT_world_from_panorama,
    WORLDFM_OT_world_from_capture,
    WORLDFM_OT_world_from_points,
    WORLDFM_OT_world_from_meta,
    WORLDFM_OT_open_world,
)
