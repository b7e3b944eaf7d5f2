# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 in the open demo: one frame, shown in Blender's render window and saved."""

import time

import artist
import bpy


def play(ui):
    scene = bpy.context.scene
    scene.frame_set(ui.given["frame"])
    artist.properties("RENDER")
    counts = artist.rendered()
    _, region, space = artist.viewport()
    space.region_3d.view_perspective = "CAMERA"
    began = time.monotonic()
    yield from ui.keys(region, artist.F12)
    yield from artist.finished(ui, counts, 180, "the end of the render")
    ui.result["seconds"] = time.monotonic() - began
    yield 2.0
    yield from ui.picture("render-window")
    bpy.data.images["Render Result"].save_render(ui.given["target"])
    ui.result["model"] = artist.client().model_name
