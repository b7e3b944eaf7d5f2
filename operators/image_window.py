# SPDX-License-Identifier: GPL-3.0-or-later
"""Images where the user sees them."""

from __future__ import annotations

import bpy


def show_image(image: bpy.types.Image) -> None:
    """In an image editor that is open, else in a window of its own; nothing without windows.

    As soon as Blender is at rest: it loses track of an operator that listens to the user where
    that one opens a window, and keeps all events from the rest.
    """
    if not bpy.app.background:
        name = image.name
        bpy.app.timers.register(lambda: _show(name), first_interval=0.0)


def _show(name: str) -> None:
    image, windows = bpy.data.images.get(name), bpy.context.window_manager.windows
    if image is None or not len(windows):
        return
    for window in windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.spaces.active.image = image
                return
    with bpy.context.temp_override(window=windows[0]):
        bpy.ops.wm.window_new()
    area = windows[-1].screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = image
