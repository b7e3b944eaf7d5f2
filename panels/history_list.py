# SPDX-License-Identifier: GPL-3.0-or-later
"""Past renders in the sidebar."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .tab import SidebarTab
from .wrapped import draw_text


class WORLDFM_UL_history(bpy.types.UIList):
    """Renders with their pictures"""

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
        """Thumbnail, name, size."""
        row = layout.row(align=True)
        picture = layout.icon(item.colour) if item.colour else 0
        text = f"{item.name}, {item.size[0]} x {item.size[1]}" if item.size[0] else item.name
        if picture:
            row.label(text=text, icon_value=picture, translate=False)
        else:
            row.label(text=text, icon="IMAGE_DATA", translate=False)


class WORLDFM_PT_history(SidebarTab, bpy.types.Panel):
    """Frames rendered in this file, newest first"""

    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Choose one to see it, to recall its settings, to remember it."""
        layout = self.layout
        settings = context.scene.worldfm
        layout.template_list(
            "WORLDFM_UL_history", "", settings, "history", settings, "history_index", rows=4
        )
        if not 0 <= settings.history_index < len(settings.history):
            layout.label(text="Nothing was rendered yet.")
            return
        item = settings.history[settings.history_index]
        column = layout.column(align=True)
        if item.colour:
            column.template_icon(layout.icon(item.colour), scale=7)
        text = iface_("Seed {}, steps {}, references {}")
        draw_text(column, context, text.format(item.seed, item.steps, item.references))
        draw_text(column, context, f"{item.size[0]} x {item.size[1]} px, {item.seconds:.1f} s")
        draw_text(column, context, f"{item.model}, {item.revision}")
        draw_text(column, context, item.when)
        column = layout.column(align=True)
        column.operator("worldfm.show_render", icon="IMAGE_DATA")
        column.operator("worldfm.recall_settings", icon="LOOP_BACK")
        column.operator("worldfm.render_to_memory", icon="PINNED")
