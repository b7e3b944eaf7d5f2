# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of earlier renders."""

from __future__ import annotations

import bpy


class WORLDFM_OT_recall_settings(bpy.types.Operator):
    """Set seed, steps and references as they were for the chosen render, and go to its frame"""

    bl_idname = "worldfm.recall_settings"
    bl_label = "Recall Settings"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a render to recall."""
        settings = context.scene.worldfm
        return 0 <= settings.history_index < len(settings.history)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The world itself is not brought back: its revision tells whether it is the same."""
        settings = context.scene.worldfm
        item = settings.history[settings.history_index]
        settings.seed, settings.steps = item.seed, item.steps
        settings.references = item.references
        context.scene.frame_set(item.frame)
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_recall_settings,)
