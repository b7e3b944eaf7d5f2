# SPDX-License-Identifier: GPL-3.0-or-later
"""A new user installs the extension from disk and looks at its preferences."""

import artist
import bpy


def play(ui):
    preferences = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.use_preferences_save = False
    bpy.ops.extensions.package_install_files(
        filepath=ui.given["package"], repo="user_default", enable_on_install=True
    )
    ui.result["enabled"] = artist.ADDON in preferences.addons
    ui.result["online_access"] = bpy.app.online_access
    own = preferences.addons[artist.ADDON].preferences
    yield from ui.tool("xdotool", "mousemove", "100", "850", "key", "Escape")  # first-run dialog
    yield 0.5
    yield from artist.show_preferences()
    yield from ui.picture("preferences-before-install")
    own.python = ui.given["python"]
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()
    yield 1.0
    yield from ui.picture("preferences")
    bpy.ops.wm.save_userpref()
