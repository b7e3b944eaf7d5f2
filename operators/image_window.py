# SPDX-License-Identifier: GPL-3.0-or-later
"""Images where the user sees them."""

from __future__ import annotations

import bpy


def show_image(context: bpy.types.Context, image: bpy.types.Image) -> None:
    """In an image editor that is open, else in a window of its own; nothing without windows."""
    windows = context.window_manager.windows
    for window in windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.spaces.active.image = image
                return
    if bpy.app.background or context.window is None:
        return
    bpy.ops.wm.window_new()
    area = windows[-1].screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = image
