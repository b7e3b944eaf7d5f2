# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab WorldFM in the 3D viewport's sidebar, in the order of work."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import file_version, memory_states, runtime
from ..backend.shared.reading import MALFORMED, number, parse_json, whole_number
from ..backend.shared.trust import Level
from ..next_step import can_start, next_step
from ..scene_sync.adapted import adapted_of
from ..scene_sync.capture import captured_at
from ..scene_sync.fitting import LISTED, Fit, State
from ..scene_sync.import_world import RESOLUTION
from ..scene_sync.trust import shown_trust
from ..scene_sync.world_folder import FOLDER
from ..translations import CONTEXT
from .backend_status import draw_backend
from .wrapped import draw_text

_MOST_SENTENCES = 8


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "WorldFM"
    bl_translation_context = CONTEXT


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


class WORLDFM_PT_world(_Sidebar, bpy.types.Panel):
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
    measured, meant = trust.sentences(iface_)
    column = layout.column(align=True)
    draw_text(column, context, meant, TRUST_ICONS[trust.level])
    draw_text(column, context, measured, "BLANK1")


class WORLDFM_PT_memory(_Sidebar, bpy.types.Panel):
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


class WORLDFM_PT_camera_path(_Sidebar, bpy.types.Panel):
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


class WORLDFM_MT_import(bpy.types.Menu):
    """Where worlds and paths come from"""

    bl_label = "Import"

    def draw(self, context: bpy.types.Context) -> None:
        """One entry a source."""
        layout = self.layout
        layout.operator("worldfm.world_from_photo", icon="IMAGE_DATA")
        layout.operator("worldfm.world_from_photos", icon="RENDERLAYERS")
        layout.operator("worldfm.world_from_panorama", icon="WORLD")
        layout.operator("worldfm.world_from_capture", icon="OUTLINER_OB_CAMERA")
        layout.operator("worldfm.world_from_points", icon="POINTCLOUD_DATA")
        layout.operator("worldfm.world_from_meta", icon="FILE_TEXT")
        layout.operator("worldfm.open_world", icon="FILE_FOLDER")
        layout.separator()
        layout.operator("worldfm.import_camera_path", icon="CAMERA_DATA")
        layout.separator()
        layout.operator("worldfm.open_demo", icon="SCENE_DATA")


class WORLDFM_MT_export(bpy.types.Menu):
    """Where worlds and paths go"""

    bl_label = "Export"

    def draw(self, context: bpy.types.Context) -> None:
        """One entry a format."""
        layout = self.layout
        layout.operator("worldfm.export_world", icon="FILE_FOLDER")
        layout.operator("worldfm.export_points", icon="POINTCLOUD_DATA")
        layout.operator("worldfm.export_dataset", icon="OUTLINER_OB_CAMERA")
        layout.operator("worldfm.export_meta", icon="FILE_TEXT")
        layout.operator("worldfm.export_colmap", icon="CAMERA_STEREO")
        layout.separator()
        layout.operator("worldfm.bake_splats", icon="OUTLINER_DATA_POINTCLOUD")
        layout.operator("worldfm.bake_mesh", icon="MESH_DATA")
        layout.operator("worldfm.bake_environment", icon="WORLD")
        layout.separator()
        layout.operator("worldfm.export_camera_path", icon="CAMERA_DATA")
        layout.separator()
        layout.operator("worldfm.project_to_geometry", icon="MOD_UVPROJECT")
        layout.operator("worldfm.live_image", icon="IMAGE")


class WORLDFM_PT_worlds(_Sidebar, bpy.types.Panel):
    """Worlds from elsewhere, and for others"""

    bl_label = "Worlds In and Out"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """One menu for each way; where the active world is kept."""
        layout = self.layout
        column = layout.column(align=True)
        column.menu("WORLDFM_MT_import", icon="IMPORT")
        column.menu("WORLDFM_MT_export", icon="EXPORT")
        column = layout.column(align=True)
        ob = context.active_object
        if ob is not None and ob.get(FOLDER):
            draw_text(layout, context, str(ob[FOLDER]), "FILE_FOLDER")
            column.operator("worldfm.world_to_file", icon="PACKAGE")
            column.operator("worldfm.find_world_folder", icon="VIEWZOOM")
            column.operator("worldfm.adapt_to_world", icon="MODIFIER")
            row = layout.row()
            row.enabled = adapted_of(ob) is not None
            row.prop(context.scene.worldfm, "use_adapted")
        else:
            column.operator("worldfm.world_to_folder", icon="FILE_FOLDER")


class WORLDFM_PT_photo_match(_Sidebar, bpy.types.Panel):
    """The camera of a photo"""

    bl_label = "Photo Match"
    bl_parent_id = "WORLDFM_PT_worlds"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Find, adjust, import."""
        layout = self.layout
        column = layout.column(align=True)
        column.operator("worldfm.match_photo", icon="CAMERA_DATA")
        column.operator("worldfm.import_fspy", icon="IMPORT")
        camera = context.scene.camera
        if camera is None or camera.type != "CAMERA" or RESOLUTION not in camera.data:
            draw_text(layout, context, iface_("The scene's camera isn't matched."))
            return
        width, height = (int(v) for v in camera.data[RESOLUTION])
        draw_text(layout, context, f"{camera.name}: {width} x {height} px")
        column = layout.column(align=True)
        column.operator("worldfm.adjust_match", icon="EMPTY_AXIS")
        column.operator("worldfm.use_photo_size", icon="FULLSCREEN_ENTER")
        layout.operator(
            "worldfm.world_from_photo", text="World with This Camera"
        ).camera = camera.name


class WORLDFM_PT_history(_Sidebar, bpy.types.Panel):
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
