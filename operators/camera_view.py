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
            _fit(area)


def _fit(area: bpy.types.Area) -> None:
    """Zoom out where the camera's frame is larger than the viewport: a portrait in a wide one."""
    view = area.spaces.active.region_3d
    region = next(one for one in area.regions if one.type == "WINDOW")
    with bpy.context.temp_override(area=area, region=region):
        if bpy.ops.view3d.view_center_camera.poll():
            bpy.ops.view3d.view_center_camera()
    view.view_camera_zoom = min(0.0, view.view_camera_zoom)


def largest_viewport(context: bpy.types.Context) -> list[bpy.types.Area]:
    """The window's largest 3D viewport; none without a window or viewport."""
    if context.window is None:
        return []
    areas = [area for area in context.window.screen.areas if area.type == "VIEW_3D"]
    return sorted(areas, key=lambda area: area.width * area.height)[-1:]
