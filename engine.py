# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine: a thin adapter between Blender and the modules that do the work."""

from __future__ import annotations

import traceback

import bpy

from . import final_render
from .backend.shared.errors import WorldFMError
from .display import PASSES
from .viewport import views

ENGINE = "WORLDFM"


class WorldFMRenderEngine(bpy.types.RenderEngine):
    """Renders frames with a frame model that remembers the scene."""

    bl_idname = ENGINE
    bl_label = "WorldFM"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_shading_nodes_custom = False
    bl_use_eevee_viewport = True

    has_drawn = False
    """Whether this viewport was drawn since it has Rendered shading."""

    def update(self, data: bpy.types.BlendData = None, depsgraph: object = None) -> None:
        """Nothing to prepare: render() reads the evaluated scene."""

    def update_render_passes(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
        """Tell Blender which passes a view layer has."""
        self.register_pass(scene, layer, "Combined", 4, "RGBA", "COLOR")
        if layer.use_pass_z:
            self.register_pass(scene, layer, "Depth", 1, "Z", "VALUE")
        for name, one in PASSES.items():
            if getattr(layer.worldfm, one.switch):
                self.register_pass(scene, layer, name, len(one.channels), one.channels, one.kind)

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """One view layer of one frame.

        Blender crashes when this returns without a result and without a reported error, so that
        even a bug ends as a report here; its traceback is printed.
        """
        try:
            final_render.render(self, depsgraph)
        except WorldFMError as error:
            self._fail(str(error))
        except Exception as error:
            traceback.print_exc()
            self._fail(
                f"WorldFM failed ({type(error).__name__}: {error}); please report this with the "
                f"text in the system console."
            )

    def _fail(self, sentence: str) -> None:
        """The report stops an animation; the render window keeps the sentence."""
        self.error_set(sentence)
        self.report({"ERROR"}, sentence)

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Something in the scene changed while a viewport shows it."""
        views.update(depsgraph)

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """A viewport is drawn."""
        views.draw(self, context, depsgraph)
