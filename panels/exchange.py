# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from elsewhere and for others in the sidebar, and the cameras of photos."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..scene_sync.adapted import adapted_of
from ..scene_sync.import_world import RESOLUTION
from ..scene_sync.world_folder import FOLDER
from .tab import SidebarTab
from .wrapped import draw_text


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


class WORLDFM_PT_worlds(SidebarTab, bpy.types.Panel):
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


class WORLDFM_PT_photo_match(SidebarTab, bpy.types.Panel):
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
