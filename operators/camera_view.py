# SPDX-License-Identifier: GPL-3.0-or-later
"""3D viewports that show what the scene's camera sees."""

from __future__ import annotations

from collections.abc import Iterable

import bpy


def look_through_camera(areas: Iterable[bpy.types.Area]) -> None:
    """The 3D viewports among `areas` show what the scene's camera sees, in Rendered shading."""
    for area in areas:
        if area.type == "VIEW_3D":
            space = area.spaces.active
            space.use_local_camera = False
            space.region_3d.view_perspective = "CAMERA"
            space.region_3d.view_camera_zoom = 0.0
            space.region_3d.view_camera_offset = (0.0, 0.0)
            space.shading.type = "RENDERED"


def largest_viewport(context: bpy.types.Context) -> list[bpy.types.Area]:
    """The window's largest 3D viewport; none without a window or viewport."""
    if context.window is None:
        return []
    areas = [area for area in context.window.screen.areas if area.type == "VIEW_3D"]
    return sorted(areas, key=lambda area: area.width * area.height)[-1:]
