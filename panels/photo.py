# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels for worlds from elsewhere: photos, captures, kept frames, textures."""

from __future__ import annotations

import bpy

from ..scene_sync.import_world import RESOLUTION
from ..scene_sync.world_folder import FOLDER
from .wrapped import draw_text


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "WorldFM"
    bl_options = {"DEFAULT_CLOSED"}


class WORLDFM_PT_new_world(_Sidebar, bpy.types.Panel):
    """Where worlds come from"""

    bl_label = "New World"

    def draw(self, context: bpy.types.Context) -> None:
        """One button a source."""
        column = self.layout.column(align=True)
        column.operator("worldfm.world_from_photo", text="From Photo", icon="IMAGE_DATA")
        column.operator("worldfm.world_from_panorama", text="From Panorama", icon="WORLD")
        column.operator(
            "worldfm.world_from_capture", text="From Capture", icon="OUTLINER_OB_CAMERA"
        )
        column.operator("worldfm.world_from_points", text="From Points", icon="POINTCLOUD_DATA")
        column.operator("worldfm.world_from_meta", text="From meta.json", icon="FILE_TEXT")
        column.operator("worldfm.open_world", icon="FILE_FOLDER")


class WORLDFM_PT_world_files(_Sidebar, bpy.types.Panel):
    """Where worlds are kept, and where they go"""

    bl_label = "World Files"

    def draw(self, context: bpy.types.Context) -> None:
        """Folder or file; one button a format."""
        layout = self.layout
        column = layout.column(align=True)
        ob = context.active_object
        if ob is not None and ob.get(FOLDER):
            draw_text(layout, context, str(ob[FOLDER]), "FILE_FOLDER")
            column.operator("worldfm.world_to_file", icon="PACKAGE")
            column.operator("worldfm.find_world_folder", icon="VIEWZOOM")
        else:
            column.operator("worldfm.world_to_folder", icon="FILE_FOLDER")
        column = layout.column(align=True)
        column.operator("worldfm.export_points", icon="EXPORT")
        column.operator("worldfm.export_dataset", icon="EXPORT")
        column.operator("worldfm.export_meta", icon="EXPORT")
        column.operator("worldfm.import_camera_path", icon="IMPORT")


class WORLDFM_PT_photo_match(_Sidebar, bpy.types.Panel):
    """The camera of a photo"""

    bl_label = "Photo Match"

    def draw(self, context: bpy.types.Context) -> None:
        """Find, adjust, import."""
        layout = self.layout
        column = layout.column(align=True)
        column.operator("worldfm.match_photo", icon="CAMERA_DATA")
        column.operator("worldfm.import_fspy", icon="IMPORT")
        camera = context.scene.camera
        if camera is None or camera.type != "CAMERA" or RESOLUTION not in camera.data:
            draw_text(layout, context, "The scene's camera isn't matched.")
            return
        width, height = (int(v) for v in camera.data[RESOLUTION])
        draw_text(layout, context, f"{camera.name}: {width} x {height} px")
        column = layout.column(align=True)
        column.operator("worldfm.adjust_match", icon="EMPTY_AXIS")
        column.operator("worldfm.use_photo_size", icon="FULLSCREEN_ENTER")
        layout.operator(
            "worldfm.world_from_photo", text="World with This Camera"
        ).camera = camera.name


class WORLDFM_PT_keep(_Sidebar, bpy.types.Panel):
    """What becomes of frames"""

    bl_label = "Frames to World"

    def draw(self, context: bpy.types.Context) -> None:
        """Keep, project, follow."""
        column = self.layout.column(align=True)
        column.operator("worldfm.keep_frame", icon="PINNED")
        column.operator("worldfm.project_to_geometry", icon="MOD_UVPROJECT")
        column.operator("worldfm.live_image", icon="IMAGE")


CLASSES = (WORLDFM_PT_new_world, WORLDFM_PT_world_files, WORLDFM_PT_photo_match, WORLDFM_PT_keep)
