# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard View: photos look as they were taken."""

from __future__ import annotations

import bpy


def changes_photos(scene: bpy.types.Scene) -> bool:
    """Whether the scene remembers photos and its view gives them another look than theirs."""
    view = scene.view_settings
    plain = view.view_transform == "Standard" and view.exposure == 0 and view.gamma == 1
    return not plain and any(item.radiance is None for item in scene.worldfm.memory)


class WORLDFM_OT_standard_view(bpy.types.Operator):
    """Set the view transform to Standard, without look and exposure, so that photos keep theirs"""

    bl_idname = "worldfm.standard_view"
    bl_label = "Use Standard View"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """One undo step."""
        view = context.scene.view_settings
        view.view_transform = "Standard"
        view.look, view.exposure, view.gamma = "None", 0.0, 1.0
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_standard_view,)
