# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one more memory frame, save, open the file again."""

import artist
import bpy


def play(ui):
    settings = bpy.context.scene.worldfm
    before = [item.name for item in settings.memory]
    yield from artist.sidebar(ui)
    area, region, space = artist.viewport()
    space.region_3d.view_perspective = "CAMERA"
    yield 1.0
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.worldfm.capture_memory("INVOKE_DEFAULT", frames="40", samples=4)
    yield from ui.until(lambda: len(settings.memory) > len(before), 180, "the new memory frame")
    settings.memory_index = 1
    yield 3.0
    names = [item.name for item in settings.memory]
    yield from ui.picture("memory")
    bpy.ops.wm.save_as_mainfile(filepath=ui.given["target"])
    bpy.ops.wm.open_mainfile(filepath=ui.given["target"])
    yield 2.0
    settings = bpy.context.scene.worldfm
    ui.result["names"] = names
    ui.result["names_after_loading"] = [item.name for item in settings.memory]
    ui.result["pictures_after_loading"] = [
        bool(item.colour and item.colour.packed_files) for item in settings.memory
    ]
    yield from ui.picture("memory-after-loading")
