# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier renders: their pictures, their settings, and what becomes of them."""

from __future__ import annotations

import bpy

from ..scene_sync.memory import camera_of, store_frame
from ..scene_sync.snapshots import read_snapshot
from .image_window import show_image
from .mixin import OperatorMixin
from .reports import reports_errors


class _OfHistory(OperatorMixin):
    """Works on the chosen render."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a render that is chosen."""
        settings = context.scene.worldfm
        cls.poll_message_set("Nothing was rendered yet")
        return 0 <= settings.history_index < len(settings.history)

    def item(self, context: bpy.types.Context) -> bpy.types.PropertyGroup:
        """It."""
        settings = context.scene.worldfm
        return settings.history[settings.history_index]


class WORLDFM_OT_recall_settings(_OfHistory, bpy.types.Operator):
    """Set seed, steps and references as they were for the chosen render, and go to its frame"""

    bl_idname = "worldfm.recall_settings"
    bl_label = "Recall"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The world itself is not brought back: its revision tells whether it is the same."""
        settings, item = context.scene.worldfm, self.item(context)
        settings.seed, settings.steps = item.seed, item.steps
        settings.references = item.references
        context.scene.frame_set(item.frame)
        return {"FINISHED"}


class WORLDFM_OT_show_render(_OfHistory, bpy.types.Operator):
    """Show the chosen render in an image editor"""

    bl_idname = "worldfm.show_render"
    bl_label = "Show"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """In the editor that is open, else in a window of its own."""
        image = self.item(context).colour
        if image is None:
            self.report({"WARNING"}, "This render's picture was deleted.")
            return {"CANCELLED"}
        show_image(image)
        return {"FINISHED"}


class WORLDFM_OT_render_to_memory(_OfHistory, bpy.types.Operator):
    """Keep the chosen render as a memory frame, so that new frames agree with it"""

    bl_idname = "worldfm.render_to_memory"
    bl_label = "Keep as Memory"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """With the depth that it was rendered with."""
        item, scene = self.item(context), context.scene
        rgb, depth = read_snapshot(item)
        count = len(scene.worldfm.memory)
        camera = camera_of(item)
        kept = store_frame(scene, f"Render {item.frame}", camera, rgb, depth)
        kept.source = f"{item.name}, {item.model}"
        if len(scene.worldfm.memory) == count:
            self.report({"INFO"}, "This render is a memory frame already.")
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_recall_settings, WORLDFM_OT_show_render, WORLDFM_OT_render_to_memory)
