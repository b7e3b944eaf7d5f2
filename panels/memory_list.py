# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames in the sidebar: the list, and whether each fits the scene."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import memory_states
from ..scene_sync.capture import captured_at
from ..scene_sync.fitting import LISTED, Fit, State
from .tab import SidebarTab
from .wrapped import draw_text

STATE_ICONS = {Fit.FITS: "CHECKMARK", Fit.PARTLY: "INFO", Fit.STALE: "ERROR"}


def fit_text(state: State) -> str:
    """What the panel says of how a memory frame fits, in the user's language."""
    if state.fit is Fit.UNKNOWN:
        return iface_("It is not known what changed since this was captured")
    if state.fit is Fit.FITS:
        return iface_("This fits the scene")
    changed = [iface_("the world")] if state.world else []
    changed += [iface_("the lights")] if state.lamps else []
    changed += state.objects[:LISTED]
    if len(state.objects) > LISTED:
        changed.append(iface_("{} more").format(len(state.objects) - LISTED))
    return iface_("Changed since: {}").format(", ".join(changed))


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
        """Thumbnail, name, whether it fits, switch."""
        row = layout.row(align=True)
        state = memory_states.known(item.id_data, item)
        picture = layout.icon(item.colour) if item.colour else 0
        if picture:
            row.prop(item, "name", text="", emboss=False, icon_value=picture)
        else:
            row.prop(item, "name", text="", emboss=False, icon="IMAGE_DATA")
        if state is not None and state.fit in STATE_ICONS:
            row.label(text="", icon=STATE_ICONS[state.fit])
        row.prop(item, "enabled", text="")


class WORLDFM_PT_memory(SidebarTab, bpy.types.Panel):
    """Pictures the model remembers"""

    bl_label = "Memory"

    def draw(self, context: bpy.types.Context) -> None:
        """The list and what fills it."""
        layout = self.layout
        settings = context.scene.worldfm
        layout.operator("worldfm.capture_dialog", text="Capture Memory...", icon="RENDER_STILL")
        row = layout.row()
        row.template_list(
            "WORLDFM_UL_memory", "", settings, "memory", settings, "memory_index", rows=4
        )
        side = row.column(align=True)
        side.operator("worldfm.add_memory_image", text="", icon="ADD")
        side.operator("worldfm.remove_memory", text="", icon="REMOVE")
        if 0 <= settings.memory_index < len(settings.memory):
            item = settings.memory[settings.memory_index]
            column = layout.column(align=True)
            if item.colour:
                column.template_icon(layout.icon(item.colour), scale=7)
            draw_text(column, context, item.source)
            _draw_fit(layout, context, item)
        layout.operator("worldfm.keep_frame", icon="PINNED")


def _draw_fit(
    layout: bpy.types.UILayout, context: bpy.types.Context, item: bpy.types.PropertyGroup
) -> None:
    """Whether a memory frame fits the scene, and what captures again."""
    state = memory_states.known(context.scene, item)
    captured = captured_at(item) is not None
    column = layout.column(align=True)
    if state is not None and (captured or state.fit is not Fit.UNKNOWN):
        draw_text(column, context, fit_text(state), STATE_ICONS.get(state.fit, "QUESTION"))
    if captured:
        column.operator("worldfm.recapture", icon="FILE_REFRESH")
    others = context.scene.worldfm.memory
    states = [memory_states.known(context.scene, one) for one in others]
    if any(one is not None and one.stale for one in states):
        again = column.operator(
            "worldfm.recapture", text="Capture Stale Again", icon="FILE_REFRESH"
        )
        again.stale = True
