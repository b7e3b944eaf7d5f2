# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own panels that make sense for this engine too."""

from __future__ import annotations

from typing import Any, cast

import bpy

_NOT_OURS = ("freestyle", "gpencil", "grease_pencil", "greasepencil", "stereoscopy", "output_views")
# Materials, lights and worlds are edited as for EEVEE: Capture Memory renders them
_ALSO = (
    "EEVEE_MATERIAL_PT_context_material",
    "EEVEE_MATERIAL_PT_surface",
    "EEVEE_WORLD_PT_surface",
    "DATA_PT_EEVEE_light",
)


def _panels() -> list[type]:
    """Panels of Blender's simplest engine, and those that edit what is captured."""
    usual = [
        panel
        for panel in bpy.types.Panel.__subclasses__()
        if "BLENDER_RENDER" in getattr(panel, "COMPAT_ENGINES", ())
        and not any(word in panel.__name__ for word in _NOT_OURS)
    ]
    more = (getattr(bpy.types, name, None) for name in _ALSO)
    return usual + [panel for panel in more if panel is not None]


def inherit(engine: str) -> None:
    """Show them for `engine` too."""
    for panel in _panels():
        cast(Any, panel).COMPAT_ENGINES.add(engine)


def disinherit(engine: str) -> None:
    """And no longer."""
    for panel in _panels():
        cast(Any, panel).COMPAT_ENGINES.discard(engine)
