# SPDX-License-Identifier: GPL-3.0-or-later
"""Published models: fetched, checked and installed by the backend's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty

from .. import runtime
from ..backend.shared.errors import BackendError
from ..panels.backend_status import draw_devices
from .build_process import CommandOperator


class WORLDFM_OT_download_model(CommandOperator, bpy.types.Operator):
    """Download a published model and use it; an interrupted download goes on where it stopped"""

    bl_idname = "worldfm.download_model"
    bl_label = "Download Model"
    bl_options = {"REGISTER", "UNDO"}

    model: EnumProperty(
        name="Model",
        items=(
            ("worldfm-1-step", "WorldFM, 1 step", "The quicker one; wants a graphics card"),
            ("worldfm-2-step", "WorldFM, 2 steps", "The finer one; wants a graphics card"),
        ),
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Nothing is fetched before the user agreed."""
        return context.window_manager.invoke_props_dialog(self, width=360, confirm_text="Download")

    def draw(self, context: bpy.types.Context) -> None:
        """Which one, and what it means."""
        self.layout.prop(self, "model")
        self.layout.label(text="Several gigabytes from huggingface.co, checked and kept in")
        self.layout.label(text=str(runtime.models_folder()))
        draw_devices(self.layout, context)

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The download itself resumes."""
        if not bpy.app.online_access:
            raise BackendError(
                "Downloads need Online Access; allow it in Preferences > System, then press the "
                "button again."
            )
        return ["models", "download", self.model]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """The scene uses it from now on."""
        settings = context.scene.worldfm
        settings.model = self.model
        settings.steps = 2 if self.model.startswith("worldfm-2") else 1
        self.report({"INFO"}, f"The model {self.model} is installed and chosen.")


CLASSES = (WORLDFM_OT_download_model,)
