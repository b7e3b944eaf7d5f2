# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: where the backend runs and how it does."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from .panels.backend_status import draw_backend


class WorldFMPreferences(bpy.types.AddonPreferences):
    """Settings of this machine, in every file."""

    bl_idname = __package__

    python: StringProperty(
        name="Python",
        description="Interpreter of an environment that has the backend's libraries; "
        "empty = the one installed here",
        subtype="FILE_PATH",
    )
    device: StringProperty(
        name="Device",
        description="Where the model runs: auto, cpu, cuda, cuda:1, mps",
        default="auto",
    )
    threads: IntProperty(
        name="CPU Threads",
        description="Threads of the model on the processor; 0 = as many as fit",
        default=0,
        min=0,
        max=256,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The backend's status and settings."""
        layout = self.layout
        layout.use_property_split = True
        draw_backend(layout)
        column = layout.column()
        column.prop(self, "device")
        column.prop(self, "threads")
        column.prop(self, "python")


CLASSES = (WorldFMPreferences,)
