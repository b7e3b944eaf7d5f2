# SPDX-License-Identifier: GPL-3.0-or-later
"""Photo camera match inside Blender: found, drawn by hand, or imported from fSpy.

A matched camera carries the photo's size and the lines that were drawn on it; other cameras, the
scene's resolution and its units stay as they are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..backend.shared.camera import Camera
from ..backend.shared.camera_match import solve_axes
from ..backend.shared.errors import InputError
from ..backend.shared.fspy import read_fspy
from ..backend.shared.reading import as_sentence, parse_json
from ..scene_sync.import_world import (
    RESOLUTION,
    add_photo_camera,
    photo_camera,
    place_camera,
    use_photo_size,
)
from ..scene_sync.packing import packed_image
from .build_process import CommandOperator
from .file_choice import ChoosesFile
from .reports import reports_errors

LINES = "worldfm_lines"
"""Custom property of a camera: axis number, x1, y1, x2, y2 of each line, in parts of the photo."""
_STARTS = ((0, 0.15, 0.75), (0, 0.15, 0.25), (1, 0.85, 0.75), (1, 0.85, 0.25))
"""Axis and first end of the lines that are there before any was drawn."""
_LENGTH = 0.3
"""Of these lines, in parts of the photo's shorter side."""


def is_matched(ob: bpy.types.Object | None) -> bool:
    """Whether an object is a camera with a photo's size."""
    return ob is not None and ob.type == "CAMERA" and RESOLUTION in ob.data


def drawn_lines(ob: bpy.types.Object, scale_length: float) -> np.ndarray:
    """(N, 5): axis 0 to 2 and two ends in parts of the photo, y down.

    Before any was drawn, lines that the camera agrees with: the first one that is dragged turns
    it from where it is.
    """
    stored = ob.data.get(LINES)
    if stored is None:
        return _agreeing_lines(photo_camera(ob, scale_length))
    return np.array(list(stored), dtype=np.float64).reshape(-1, 5)


def _agreeing_lines(camera: Camera) -> np.ndarray:
    size = np.array([camera.width, camera.height], float)
    lines = []
    for axis, *place in _STARTS:
        start = size * place
        vanishing = camera.K @ camera.c2w[axis, :3]
        way = vanishing[:2] - vanishing[2] * start
        way *= _LENGTH * size.min() / max(float(np.linalg.norm(way)), 1e-9)
        end = start + way if way @ (size / 2 - start) > 0 else start - way
        lines.append([axis, *(start / size), *(end / size)])
    return np.array(lines)


def solve_lines(ob: bpy.types.Object, lines: np.ndarray, scale_length: float) -> list[str]:
    """Turns a camera by its lines and remembers them; its place stays. Notes for the user.

    lines: (N, 5), an axis and both ends in parts of the photo.

    Raises InputError when no camera fits; then nothing has changed.
    """
    old = photo_camera(ob, scale_length)
    ends = lines[:, 1:] * np.tile([old.width, old.height], 2)
    axes = {name: ends[lines[:, 0] == i] for i, name in enumerate("xyz")}
    axes = {name: value for name, value in axes.items() if len(value)}
    known = float(old.K[0, 0]) if len(axes) == 1 else None
    match = solve_axes(axes, old.width, old.height, known)
    c2w = old.c2w.copy()
    # a line has no direction, so that half a turn around Z is as true: the nearer one is meant
    halves = (match.rotation, np.diag([-1.0, -1.0, 1.0]) @ match.rotation)
    c2w[:3, :3] = max(halves, key=lambda rotation: float((rotation * old.c2w[:3, :3]).sum()))
    K = old.K.copy()
    K[0, 0] = K[1, 1] = match.focal
    place_camera(ob, Camera(K, c2w, old.width, old.height), scale_length)
    ob.data[LINES] = lines.ravel().tolist()
    return match.notes


class WORLDFM_OT_match_photo(ChoosesFile, CommandOperator, bpy.types.Operator):
    """Find a photo's focal length and direction from its straight lines, and add that camera"""

    bl_idname = "worldfm.match_photo"
    bl_label = "Match Photo"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Photo", subtype="FILE_PATH")
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    camera_height: FloatProperty(
        name="Camera Height", description="Of the camera above the ground, in metres",
        default=1.6, min=0.01, soft_max=100.0, unit="LENGTH",
    )  # fmt: skip

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The match command."""
        if not self.filepath:
            raise InputError("No photo is chosen; choose one.")
        path = bpy.path.abspath(self.filepath)
        return ["world", "match", path, "--camera-height", str(self.camera_height),
                "--straight", str(folder / "straight.png")]  # fmt: skip

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """A new camera with the photo behind it."""
        path = Path(bpy.path.abspath(self.filepath))
        distortion = float(result["distortion"])
        if distortion:
            straight = (folder / "straight.png").read_bytes()
            image = packed_image(f"{path.stem} Straight", straight)
        else:
            image = bpy.data.images.load(str(path), check_existing=True)
        camera = Camera.from_json(result["camera"])
        scene = context.scene
        add_photo_camera(scene, path.stem, camera, image, scene.collection, distortion)


class WORLDFM_OT_import_fspy(ChoosesFile, bpy.types.Operator):
    """Add the camera and the picture of an fSpy project"""

    bl_idname = "worldfm.import_fspy"
    bl_label = "Import fSpy"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="fSpy Project", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.fspy", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """The picture is packed into this file."""
        path = Path(bpy.path.abspath(self.filepath))
        project = read_fspy(path)
        image = None
        if project.image:
            name = f"{path.stem} {hashlib.blake2b(project.image, digest_size=4).hexdigest()}"
            image = bpy.data.images.new(name, 1, 1)
            image.pack(data=project.image, data_len=len(project.image))
            image.source = "FILE"
        scene = context.scene
        add_photo_camera(scene, path.stem, project.camera, image, scene.collection)
        return {"FINISHED"}


class WORLDFM_OT_solve_match(bpy.types.Operator):
    """Turn the matched camera by lines along the scene's axes, given as JSON"""

    bl_idname = "worldfm.solve_match"
    bl_label = "Solve Camera from Lines"
    bl_options = {"REGISTER", "UNDO"}

    camera: StringProperty(name="Camera", description="Empty = the scene's camera")
    lines: StringProperty(
        name="Lines", description="JSON: a list of [axis 0-2, x1, y1, x2, y2] in parts of the photo"
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Nothing changes when no camera fits."""
        ob = self._camera(context.scene)
        scale_length = context.scene.unit_settings.scale_length
        notes = solve_lines(ob, self._lines(ob, scale_length), scale_length)
        for note in notes:
            self.report({"WARNING"}, note)
        return {"FINISHED"}

    def _camera(self, scene: bpy.types.Scene) -> bpy.types.Object:
        ob = scene.objects.get(self.camera) if self.camera else scene.camera
        if not is_matched(ob):
            raise InputError("Choose a camera that was matched to a photo, or match one first.")
        return ob

    def _lines(self, ob: bpy.types.Object, scale_length: float) -> np.ndarray:
        if not self.lines:
            return drawn_lines(ob, scale_length)
        with as_sentence(
            lambda _: InputError(
                "Lines are a JSON list of [axis, x1, y1, x2, y2] with finite numbers only."
            )
        ):
            return np.array(parse_json(self.lines), dtype=np.float64).reshape(-1, 5)


class WORLDFM_OT_use_photo_size(bpy.types.Operator):
    """Set the scene's resolution to that of the photo the camera was matched to"""

    bl_idname = "worldfm.use_photo_size"
    bl_label = "Render at the Photo's Size"
    bl_options = {"REGISTER", "UNDO"}

    longest: EnumProperty(
        name="Longest Side",
        items=(("512", "512 px", ""), ("1024", "1024 px", ""), ("2048", "2048 px", ""),
               ("PHOTO", "As the Photo", "")),
        default="1024",
    )  # fmt: skip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a matched camera."""
        cls.poll_message_set("The scene's camera is not matched to a photo")
        return is_matched(context.scene.camera)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Square pixels; the percentage goes to 100."""
        longest = None if self.longest == "PHOTO" else int(self.longest)
        use_photo_size(context.scene, context.scene.camera, longest)
        return {"FINISHED"}


CLASSES = (
    WORLDFM_OT_match_photo,
    WORLDFM_OT_import_fspy,
    WORLDFM_OT_solve_match,
    WORLDFM_OT_use_photo_size,
)
