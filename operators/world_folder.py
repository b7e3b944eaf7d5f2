# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a world is kept: in the .blend, or in a folder beside it when it is large."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..scene_sync.anchor_points import is_anchors
from ..scene_sync.move_world import point_to_folder, world_to_file, world_to_folder
from ..scene_sync.world_folder import FOLDER
from .file_choice import ChoosesFile
from .mixin import OperatorMixin
from .reports import reports_errors


class _ActiveWorld(OperatorMixin):
    """Works on the active object's world."""

    bl_options = {"REGISTER", "UNDO"}

    in_folder = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A world's points are active, and where this operator expects them."""
        place = "in a folder" if cls.in_folder else "in this file"
        cls.poll_message_set(f"Select the points of a world that is kept {place}")
        ob = context.active_object
        return ob is not None and is_anchors(ob) and (FOLDER in ob) == cls.in_folder

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """All of it, or an error and nothing."""
        self.report({"INFO"}, self.move(context))
        return {"FINISHED"}


class WORLDFM_OT_world_to_folder(_ActiveWorld, bpy.types.Operator):
    """Move the world's points and pictures into a folder beside this file"""

    bl_idname = "worldfm.world_to_folder"
    bl_label = "Keep World in a Folder"

    def move(self, context: bpy.types.Context) -> str:
        """What to tell the user."""
        folder = world_to_folder(context.scene, context.active_object)
        return f"The world is in '{folder}' now; copy it together with this file."


class WORLDFM_OT_world_to_file(_ActiveWorld, bpy.types.Operator):
    """Bring the world's points and pictures from its folder into this file"""

    bl_idname = "worldfm.world_to_file"
    bl_label = "Keep World in This File"
    in_folder = True

    def move(self, context: bpy.types.Context) -> str:
        """What to tell the user."""
        folder = world_to_file(context.scene, context.active_object)
        return f"The world is in this file now; '{folder}' is still there."


class WORLDFM_OT_find_world_folder(ChoosesFile, _ActiveWorld, bpy.types.Operator):
    """Say where the world's folder is, after it was moved"""

    bl_idname = "worldfm.find_world_folder"
    bl_label = "Find World Folder"
    in_folder = True

    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def move(self, context: bpy.types.Context) -> str:
        """What to tell the user."""
        folder = Path(bpy.path.abspath(self.directory))
        point_to_folder(context.scene, context.active_object, folder)
        return f"The world is read from '{folder}'."


CLASSES = (
    WORLDFM_OT_world_to_folder,
    WORLDFM_OT_world_to_file,
    WORLDFM_OT_find_world_folder,
)
