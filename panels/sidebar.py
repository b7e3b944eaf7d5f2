# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab WorldFM in the 3D viewport's sidebar."""

from __future__ import annotations

import bpy

from .. import file_version
from .backend_status import draw_backend
from .wrapped import draw_text


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "WorldFM"


class WORLDFM_UL_memory(bpy.types.UIList):
    """Memory frames with their pictures"""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: object,
        item: bpy.types.PropertyGroup,
        icon: int,
        active_data: object,
        active_property: str,
        index: int = 0,
        flag: int = 0,
    ) -> None:
        """Thumbnail, name, switch."""
        row = layout.row(align=True)
        picture = layout.icon(item.colour) if item.colour else 0
        if picture:
            row.prop(item, "name", text="", emboss=False, icon_value=picture)
        else:
            row.prop(item, "name", text="", emboss=False, icon="IMAGE_DATA")
        row.prop(item, "enabled", text="")


class WORLDFM_PT_world(_Sidebar, bpy.types.Panel):
    """The backend and the world it shows"""

    bl_label = "World"

    def draw(self, context: bpy.types.Context) -> None:
        """State, point budget, export."""
        layout = self.layout
        draw_backend(layout, context, narrow=True)
        if warning := file_version.warning(context.scene):
            draw_text(layout, context, warning, "ERROR")
        layout.prop(context.scene.worldfm, "point_budget")
        layout.operator("worldfm.export_world", icon="EXPORT")


class WORLDFM_PT_memory(_Sidebar, bpy.types.Panel):
    """Pictures the model remembers"""

    bl_label = "Memory"

    def draw(self, context: bpy.types.Context) -> None:
        """The list and what fills it."""
        layout = self.layout
        settings = context.scene.worldfm
        row = layout.row()
        row.template_list(
            "WORLDFM_UL_memory", "", settings, "memory", settings, "memory_index", rows=4
        )
        row.column().operator("worldfm.remove_memory", text="", icon="REMOVE")
        layout.operator("worldfm.capture_memory", icon="RENDER_STILL")
        layout.operator("worldfm.add_memory_image", icon="FILE_IMAGE")
        if 0 <= settings.memory_index < len(settings.memory):
            item = settings.memory[settings.memory_index]
            column = layout.column(align=True)
            if item.colour:
                column.template_icon(layout.icon(item.colour), scale=7)
            draw_text(column, context, item.source)


class WORLDFM_PT_camera_path(_Sidebar, bpy.types.Panel):
    """Animated cameras"""

    bl_label = "Camera Path"

    def draw(self, context: bpy.types.Context) -> None:
        """Moves, viewpoints, export."""
        layout = self.layout
        settings = context.scene.worldfm
        column = layout.column(align=True)
        column.operator("worldfm.path_orbit", icon="CON_ROTLIKE")
        column.operator("worldfm.path_dolly", icon="FORWARD")
        column.operator("worldfm.path_crane", icon="SORT_DESC")
        column.operator("worldfm.path_follow", icon="CURVE_DATA")
        row = layout.row()
        row.template_list(
            "UI_UL_list", "worldfm_viewpoints", settings, "viewpoints", settings,
            "viewpoint_index", rows=3,
        )  # fmt: skip
        buttons = row.column(align=True)
        buttons.operator("worldfm.viewpoint_store", text="", icon="ADD")
        buttons.operator("worldfm.viewpoint_remove", text="", icon="REMOVE")
        layout.operator("worldfm.path_viewpoints", text="Through Viewpoints", icon="CAMERA_DATA")
        layout.operator("worldfm.export_camera_path", icon="EXPORT")


class WORLDFM_PT_history(_Sidebar, bpy.types.Panel):
    """Frames rendered in this file, newest first"""

    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Choose one to see and recall its settings."""
        layout = self.layout
        settings = context.scene.worldfm
        layout.template_list(
            "UI_UL_list", "worldfm_history", settings, "history", settings, "history_index", rows=4
        )
        if not 0 <= settings.history_index < len(settings.history):
            layout.label(text="Nothing was rendered yet.")
            return
        item = settings.history[settings.history_index]
        column = layout.column(align=True)
        draw_text(
            column,
            context,
            f"Seed {item.seed}, steps {item.steps}, references {item.references}",
        )
        draw_text(column, context, f"{item.model}, world {item.revision}")
        draw_text(column, context, f"{item.when}, {item.seconds:.1f} s")
        layout.operator("worldfm.recall_settings", icon="LOOP_BACK")


CLASSES = (
    WORLDFM_UL_memory,
    WORLDFM_PT_world,
    WORLDFM_PT_memory,
    WORLDFM_PT_camera_path,
    WORLDFM_PT_history,
)
