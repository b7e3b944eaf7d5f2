# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: where the backend runs and how it does."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from . import runtime
from .panels.backend_install import draw_installation
from .panels.backend_status import draw_backend, draw_devices
from .panels.wrapped import draw_text


def _devices(_own: object, _context: bpy.types.Context, _typed: str) -> list[str]:
    """What can be typed under Device: what works everywhere, and what the backend has found."""
    return ["auto", "cpu", *(d.id for d in runtime.client().devices if d.id != "cpu")]


class WorldFMPreferences(bpy.types.AddonPreferences):
    """Settings of this machine, in every file."""

    bl_idname = __package__

    python: StringProperty(
        name="Python",
        description="Interpreter of an environment that has the backend's libraries; "
        "empty = the one installed here",
        subtype="FILE_PATH",
        update=runtime.mend,
    )
    device: StringProperty(
        name="Device",
        description="Where the model runs: auto, cpu, cuda, cuda:1, mps",
        default="auto",
        search=_devices,
        search_options={"SUGGESTION"},
        update=runtime.mend,
    )
    threads: IntProperty(
        name="CPU Threads",
        description="Threads of the model on the processor; 0 = as many as fit",
        default=0,
        min=0,
        max=256,
        update=runtime.mend,
    )

    base_python: StringProperty(
        name="Base Python",
        description="Python 3.11 or newer that the installation is made from; empty = a fitting "
        "one is found or fetched",
        subtype="FILE_PATH",
    )
    torch: EnumProperty(
        name="Graphics",
        description="Which build of PyTorch an installation fetches",
        items=(
            (
                "auto",
                "Automatic",
                "NVIDIA with a current driver, Apple, or the processor; each file by its checksum",
            ),
            ("cpu", "Processor only", "The smallest download; works everywhere"),
            ("cu130", "NVIDIA (CUDA 13)", "For current drivers"),
            (
                "cu126",
                "NVIDIA (CUDA 12.6)",
                "For older drivers; its checksums are not known",
            ),
            (
                "rocm7.2",
                "AMD (ROCm 7.2)",
                "Linux, current drivers; its checksums are not known",
            ),
            (
                "rocm7.1",
                "AMD (ROCm 7.1)",
                "Linux, older drivers; its checksums are not known",
            ),
            ("xpu", "Intel", "Arc graphics; its checksums are not known"),
        ),
        default="auto",
    )
    data_folder: StringProperty(
        name="Data Folder",
        description="Where the backend, models and logs lie; empty = Blender's place for them",
        options={"HIDDEN"},
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Status, installation, settings."""
        layout = self.layout
        header = layout.box()
        header.label(text="Backend")
        draw_backend(header, context)
        box = layout.box()
        box.label(text="Installation")
        draw_installation(box, context)
        settings = box.column()
        settings.use_property_split = True
        settings.prop(self, "torch")
        settings.prop(self, "base_python")
        settings.prop(self, "python")
        draw_text(box, context, f"Everything lies in {runtime.data_folder()}", "FILE_FOLDER")
        box.operator("worldfm.install_move", icon="FILE_PARENT")
        box = layout.box()
        box.label(text="Device")
        settings = box.column()
        settings.use_property_split = True
        settings.prop(self, "device")
        settings.prop(self, "threads")
        draw_devices(box, context)


CLASSES = (WorldFMPreferences,)
