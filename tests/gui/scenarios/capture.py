# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture in a new file: what is seen until the first frame, at every draw again."""

import artist
import bpy


def play(ui):
    area, region, _ = artist.viewport()
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.worldfm.world_from_capture(
            "EXEC_DEFAULT", directory=ui.given["folder"], depth="embedded"
        )
    camera = lambda: bpy.context.scene.camera.name.startswith("capture")  # noqa: E731
    yield from ui.until(camera, 180, "the capture's world")
    yield from ui.until(lambda: not artist.working(), 60, "the end of the import")
    for number in range(4):
        yield 0.5
        for one in range(4):  # after slow draws the next are coarser
            region.tag_redraw()
            yield 0.1 * one
        yield from ui.picture(f"capture-{number}")
    x, y = region.x, window.height - region.y - region.height
    ui.result["region"] = [x, y, x + region.width, y + region.height]
