# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab WorldFM in the 3D viewport's sidebar, in the order of work."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import file_version, runtime
from ..backend.shared.reading import MALFORMED, number, parse_json, whole_number
from ..backend.shared.trust import Level
from ..next_step import can_start, next_step
from ..scene_sync.trust import shown_notes, shown_trust
from .backend_status import draw_backend
from .exchange import (
    WORLDFM_MT_export,
    WORLDFM_MT_import,
    WORLDFM_PT_photo_match,
    WORLDFM_PT_worlds,
)
from .history_list import WORLDFM_PT_history, WORLDFM_UL_history
from .memory_list import WORLDFM_PT_memory, WORLDFM_UL_memory
from .tab import SidebarTab
from .wrapped import draw_text

_MOST_SENTENCES = 8


def draw_next_step(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The box What Now; nothing when all is done."""
    step = next_step(context)
    if step is None:
        return
    box = layout.box()
    box.label(text="What Now", icon="FORWARD")
    draw_text(box, context, iface_(step.text))
    column = box.column(align=True)
    for button in step.buttons:
        column.operator(button.operator, text=button.text, icon=button.icon)


TRUST_ICONS = {Level.GOOD: "CHECKMARK", Level.NEARBY: "INFO", Level.POOR: "ERROR"}


class WORLDFM_PT_world(SidebarTab, bpy.types.Panel):
    """The backend and the world it shows"""

    bl_label = "World"

    def draw(self, context: bpy.types.Context) -> None:
        """What to do next, state, what memory lacks."""
        layout = self.layout
        draw_next_step(layout, context)
        if can_start():
            draw_backend(layout, context, narrow=True)
        if warning := file_version.warning(context.scene):
            draw_text(layout, context, warning, "ERROR")
        _draw_unshown(layout, context)
        if len(context.scene.worldfm.memory) and context.scene.camera is not None:
            gaps = layout.operator(
                "worldfm.capture_dialog", text="Fill the Gaps...", icon="ZOOM_IN"
            )
            gaps.source = "GAPS"
        _draw_coverage(layout, context)
        _draw_trust(layout, context)
        for note in shown_notes(context):
            draw_text(layout, context, note, "INFO")


def _draw_unshown(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What frames lack of this scene, a sentence each."""
    sentences = runtime.unshown()
    if not sentences:
        return
    header, body = layout.panel("WORLDFM_PT_unshown", default_closed=True)
    header.label(text="Not Shown as in Cycles", icon="INFO")
    if body is None:
        return
    for sentence in sentences[:_MOST_SENTENCES]:
        draw_text(body, context, sentence, "DOT")
    if len(sentences) > _MOST_SENTENCES:
        more = iface_("and {} more").format(len(sentences) - _MOST_SENTENCES)
        body.label(text=more, translate=False)
    if runtime.unbaked():
        body.operator("worldfm.bake_materials", icon="RENDER_RESULT")


def _draw_coverage(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """How much of the path's frames memory saw when that was last looked at."""
    try:
        found = parse_json(context.scene.worldfm.path_coverage or "[]")
        shares = [(number(share, 0, 1), whole_number(frame)) for frame, share in found]
    except MALFORMED:
        return
    if not shares:
        return
    mean = sum(share for share, _ in shares) / len(shares)
    least, frame = min(shares)
    column = layout.column(align=True)
    column.progress(factor=mean, text=f"{100 * mean:.0f} %", type="BAR")
    text = iface_("Memory saw this of the path; least at frame {} ({} %)")
    draw_text(column, context, text.format(frame, round(100 * least)))


def _draw_trust(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """How far the depth of a world of pictures can be trusted."""
    trust = shown_trust(context)
    if trust is None:
        return
    *measured, meant = trust.sentences(iface_)
    column = layout.column(align=True)
    draw_text(column, context, meant, TRUST_ICONS[trust.level])
    for sentence in measured:
        draw_text(column, context, sentence, "BLANK1")


class WORLDFM_PT_camera_path(SidebarTab, bpy.types.Panel):
    """Animated cameras"""

    bl_label = "Path"

    def draw(self, context: bpy.types.Context) -> None:
        """Moves, a walk, viewpoints, a quick look."""
        layout = self.layout
        settings = context.scene.worldfm
        column = layout.column(align=True)
        column.operator("worldfm.path_orbit", icon="CON_ROTLIKE")
        column.operator("worldfm.path_dolly", icon="FORWARD")
        column.operator("worldfm.path_crane", icon="SORT_DESC")
        column.operator("worldfm.path_follow", icon="CURVE_DATA")
        layout.operator("worldfm.record_walk", icon="REC")
        row = layout.row()
        row.template_list(
            "UI_UL_list", "worldfm_viewpoints", settings, "viewpoints", settings,
            "viewpoint_index", rows=3,
        )  # fmt: skip
        buttons = row.column(align=True)
        buttons.operator("worldfm.viewpoint_store", text="", icon="ADD")
        buttons.operator("worldfm.viewpoint_remove", text="", icon="REMOVE")
        layout.operator("worldfm.path_viewpoints", text="Through Viewpoints", icon="CAMERA_DATA")
        layout.operator("worldfm.playblast", icon="PLAY")


def draw_header(self: bpy.types.Header, context: bpy.types.Context) -> None:
    """The next step's button in the header of a viewport that WorldFM draws."""
    space = context.space_data
    if context.engine != "WORLDFM" or space.shading.type != "RENDERED":
        return
    step = next_step(context)
    if step is None or step.name not in {"backend", "empty", "memory"}:
        return
    row = self.layout.row(align=True)
    for button in step.buttons:
        row.operator(button.operator, text=button.text, icon=button.icon)


def attach() -> None:
    """Put the button into viewports' headers."""
    bpy.types.VIEW3D_HT_header.append(draw_header)


def detach() -> None:
    """Take it away."""
    bpy.types.VIEW3D_HT_header.remove(draw_header)


CLASSES = (
    WORLDFM_UL_memory,
    WORLDFM_UL_history,
    WORLDFM_MT_import,
    WORLDFM_MT_export,
    WORLDFM_PT_world,
    WORLDFM_PT_memory,
    WORLDFM_PT_camera_path,
    WORLDFM_PT_worlds,
    WORLDFM_PT_photo_match,
    WORLDFM_PT_history,
)
