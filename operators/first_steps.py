# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer presses first."""

from __future__ import annotations

import importlib

import bpy

from .camera_view import look_through_camera
from .reports import reports_errors

PACKAGE = __package__.rpartition(".")[0]
_DEMO_SIZE = 640, 360
"""Of the demo's renders: captured in a moment, and no blur in a viewport."""


class WORLDFM_OT_show_preferences(bpy.types.Operator):
    """Open WorldFM's page of the preferences, where its backend is installed"""

    bl_idname = "worldfm.show_preferences"
    bl_label = "WorldFM Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blender's own way to an add-on's page."""
        if bpy.app.background:
            return {"CANCELLED"}
        return bpy.ops.preferences.addon_show(module=PACKAGE)


class WORLDFM_OT_use_engine(bpy.types.Operator):
    """Make WorldFM this scene's render engine"""

    bl_idname = "worldfm.use_engine"
    bl_label = "Use WorldFM"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """As the menu in the render properties does."""
        context.scene.render.engine = "WORLDFM"
        return {"FINISHED"}


class WORLDFM_OT_rendered_view(bpy.types.Operator):
    """Show this viewport in Rendered shading (Z)"""

    bl_idname = "worldfm.rendered_view"
    bl_label = "Rendered"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In a 3D viewport."""
        return context.space_data is not None and context.space_data.type == "VIEW_3D"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Undone by choosing another shading."""
        context.space_data.shading.type = "RENDERED"
        return {"FINISHED"}


class WORLDFM_OT_use_camera(bpy.types.Operator):
    """Make the active object the scene's camera"""

    bl_idname = "worldfm.use_camera"
    bl_label = "Use This Camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where the active object is a camera."""
        ob = context.active_object
        return ob is not None and ob.type == "CAMERA"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The view and the frame range stay."""
        context.scene.camera = context.active_object
        return {"FINISHED"}


class WORLDFM_OT_render_path(bpy.types.Operator):
    """Render the animation (Ctrl F12)"""

    bl_idname = "worldfm.render_path"
    bl_label = "Render Animation"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blender's own, in its own window."""
        return bpy.ops.render.render("INVOKE_DEFAULT", animation=True)


class WORLDFM_OT_open_demo(bpy.types.Operator):
    """Build the demo, a furnished room with a camera path, as a new scene of this file"""

    bl_idname = "worldfm.open_demo"
    bl_label = "Open Demo Scene"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """What is in the file stays as it is."""
        demo = importlib.import_module(f"{PACKAGE}.demo.scene")
        before = context.window.scene if context.window else None
        scene = bpy.data.scenes.new("WorldFM Demo")
        if context.window:
            context.window.scene = scene
        try:
            with context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
                demo.furnish(scene, size=_DEMO_SIZE)
        except Exception:
            if before is not None:
                context.window.scene = before
            bpy.data.scenes.remove(scene)
            raise
        scene.render.engine = "WORLDFM"
        if context.window:
            look_through_camera(context.window.screen.areas)
        self.report({"INFO"}, "The demo is a scene of its own; yours is in the list at the top.")
        return {"FINISHED"}


CLASSES = (
    WORLDFM_OT_show_preferences,
    WORLDFM_OT_use_engine,
    WORLDFM_OT_rendered_view,
    WORLDFM_OT_use_camera,
    WORLDFM_OT_render_path,
    WORLDFM_OT_open_demo,
)
