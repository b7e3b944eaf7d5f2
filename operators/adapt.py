# SPDX-License-Identifier: GPL-3.0-or-later
"""The model trained on for one world, by the backend's command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatProperty

from .. import runtime
from ..backend.shared.adapted import adapted_model
from ..backend.shared.errors import WorldError
from ..scene_sync.anchor_points import is_anchors
from ..scene_sync.world_folder import FOLDER, folder_of
from .build_process import CommandOperator


class WORLDFM_OT_adapt_to_world(CommandOperator, bpy.types.Operator):
    """Train the model on for this world, on its own views; kept only if views get better by it"""

    bl_idname = "worldfm.adapt_to_world"
    bl_label = "Adapt to This World"
    bl_options = {"REGISTER", "UNDO"}
    stopped = "Stopped; the model is as it was."

    minutes: FloatProperty(
        name="Minutes",
        description="How long to train; measuring before and after comes on top",
        default=5.0,
        min=0.02,
        soft_min=1.0,
        soft_max=60.0,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The model of a world is kept with it, so the world needs a folder."""
        cls.poll_message_set("Select the points of a world that is kept in a folder")
        ob = context.active_object
        return ob is not None and is_anchors(ob) and FOLDER in ob

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """How long is the user's to say."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Adapt")

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """On the device that frames are made on; an earlier result makes room for a better one."""
        kept = folder_of(context.active_object)
        if kept is None or not os.path.isdir(kept.path):
            raise WorldError(
                "The world's folder is missing; use Find World Folder in the WorldFM tab of the "
                "sidebar."
            )
        device = runtime.preferences().device or "auto"
        again = ["--overwrite"] if adapted_model(kept.path) else []
        minutes = f"{self.minutes:.2f}"
        return ["train", "adapt", str(kept.path), "--minutes", minutes, "--device", device, *again]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """What is better is used from now on; what is not has changed nothing."""
        before, after = (result[when]["psnr"] for when in ("before", "after"))
        measured = f"views it had not learnt: {before:.2f} dB before, {after:.2f} dB after"
        if result["model"] is None:
            self.report({"WARNING"}, f"No gain on {measured}. Nothing was changed.")
            return
        context.scene.worldfm.use_adapted = True
        self.report({"INFO"}, f"The adapted model is in use; {measured}.")


CLASSES = (WORLDFM_OT_adapt_to_world,)
