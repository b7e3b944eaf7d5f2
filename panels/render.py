# SPDX-License-Identifier: GPL-3.0-or-later
"""Render and View Layer properties."""

from __future__ import annotations

import bpy

from .. import runtime
from ..display import PASSES
from ..operators.view_transform import changes_photos
from ..scene_sync.memory import images_of
from .backend_status import draw_devices
from .wrapped import draw_text

ENGINES = {"WORLDFM"}


def _settings(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """The layout with labels in a column of their own, as Blender's render properties have them."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


class _RenderPanel:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    COMPAT_ENGINES = ENGINES

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for this engine."""
        return context.engine in cls.COMPAT_ENGINES


class WORLDFM_PT_sampling(_RenderPanel, bpy.types.Panel):
    """Quality against speed"""

    bl_label = "Sampling"

    def draw(self, context: bpy.types.Context) -> None:
        """Settings both uses share."""
        layout = _settings(self.layout)
        settings = context.scene.worldfm
        layout.prop(settings, "seed")
        if changes_photos(context.scene):
            draw_text(
                layout, context, "Photos keep their look under the view transform Standard", "INFO"
            )
            layout.operator("worldfm.standard_view")


class WORLDFM_PT_sampling_viewport(_RenderPanel, bpy.types.Panel):
    """What the viewport asks for"""

    bl_label = "Viewport"
    bl_parent_id = "WORLDFM_PT_sampling"

    def draw(self, context: bpy.types.Context) -> None:
        """Small while moving, this when still."""
        layout = _settings(self.layout)
        settings = context.scene.worldfm
        layout.prop(settings, "preview_steps", text="Steps")
        layout.prop(settings, "preview_mode", text="Preview")
        layout.prop(settings, "preview_size", text="Size")
        layout.prop(settings, "fps_cap", text="Max FPS")
        layout.prop(settings, "show_statistics")


class WORLDFM_PT_sampling_render(_RenderPanel, bpy.types.Panel):
    """What F12 asks for"""

    bl_label = "Render"
    bl_parent_id = "WORLDFM_PT_sampling"

    def draw(self, context: bpy.types.Context) -> None:
        """The final frame's quality."""
        layout = _settings(self.layout)
        layout.prop(context.scene.worldfm, "steps", text="Steps")


class WORLDFM_PT_device(_RenderPanel, bpy.types.Panel):
    """Where the frames are made"""

    bl_label = "Device"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Saved with this computer, not with the file."""
        layout = _settings(self.layout)
        preferences = runtime.preferences()
        layout.prop(preferences, "device")
        layout.prop(preferences, "threads")
        draw_devices(layout, context)


class WORLDFM_PT_model(_RenderPanel, bpy.types.Panel):
    """Which model makes the frames"""

    bl_label = "Model"

    def draw(self, context: bpy.types.Context) -> None:
        """Saved with the file."""
        layout = _settings(self.layout)
        layout.prop(context.scene.worldfm, "model")
        layout.prop(context.scene.worldfm, "use_adapted")
        layout.operator("worldfm.download_model", icon="IMPORT")
        client = runtime.client()
        if client.model_name:
            draw_text(layout, context, f"Loaded: {client.model_name} {client.model_hash}")


class WORLDFM_PT_bake(_RenderPanel, bpy.types.Panel):
    """What only Cycles evaluates"""

    bl_label = "Bake Materials"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """What lacks in frames, and what mends it."""
        for sentence in runtime.unshown():
            draw_text(self.layout, context, sentence, "DOT")
        self.layout.operator("worldfm.bake_materials", icon="RENDER_RESULT")


class WORLDFM_PT_memory_use(_RenderPanel, bpy.types.Panel):
    """What the frames cost in memory"""

    bl_label = "Memory Use"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """What can be lowered, and what there is."""
        layout = _settings(self.layout)
        settings = context.scene.worldfm
        layout.prop(settings, "references")
        layout.prop(settings, "point_budget")
        count, size = kept_bytes(context.scene)
        text = f"{count} memory frame{'' if count == 1 else 's'}, {size / 1e6:.1f} MB in this file"
        draw_text(layout, context, text)
        if notice := runtime.client().notice:
            draw_text(layout, context, notice, "INFO")


def kept_bytes(scene: bpy.types.Scene) -> tuple[int, int]:
    """Memory frames of a scene, and the bytes that their packed images take in the .blend."""
    images = {
        image.name: image.packed_file.size
        for item in scene.worldfm.memory
        for image in images_of(item)
        if image.packed_file is not None
    }
    return len(scene.worldfm.memory), sum(images.values())


class WORLDFM_PT_passes(bpy.types.Panel):
    """Passes of this view layer"""

    bl_label = "Passes"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "view_layer"
    COMPAT_ENGINES = ENGINES

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for this engine."""
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: bpy.types.Context) -> None:
        """Combined is always there."""
        layout = _settings(self.layout)
        column = layout.column(heading="Include")
        column.prop(context.view_layer, "use_pass_z", text="Depth")
        for one in PASSES.values():
            column.prop(context.view_layer.worldfm, one.switch)


CLASSES = (
    WORLDFM_PT_sampling,
    WORLDFM_PT_sampling_viewport,
    WORLDFM_PT_sampling_render,
    WORLDFM_PT_device,
    WORLDFM_PT_model,
    WORLDFM_PT_bake,
    WORLDFM_PT_memory_use,
    WORLDFM_PT_passes,
)
