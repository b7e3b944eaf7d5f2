# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: the camera's view, quiet when still, orbit by mouse, a new frame, an edit."""

import sys
import time

import artist
import bpy
from watch import Watch

CAP = 2
"""Frames a second that the preview is held to in between."""


def play(ui):
    _, region, space = artist.viewport()
    yield from artist.sidebar(ui)
    bpy.context.scene.worldfm.memory_index = 1
    watch = Watch()
    artist.properties("RENDER")
    space.region_3d.view_perspective = "CAMERA"
    space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from ui.until(watch.settled, 120, "the first frame of the camera's view")
    yield from ui.picture("preview-camera")
    yield from at_rest(ui, watch, "quiet")
    yield from orbiting(ui, watch, region, space)
    yield from at_rest(ui, watch, "quiet_free")
    yield from capped(ui, watch, region)
    yield from another_frame_and_an_edit(ui, watch, space)
    yield from like_f12(ui, watch)
    ui.result["all"] = watch.since((0, 0))


def at_rest(ui, watch, name):
    yield 1.0
    mark = watch.mark()
    yield 3.0
    ui.result[name] = watch.since(mark)


def orbiting(ui, watch, region, space):
    artist.leave_camera(space, distance=3.0)
    before = space.region_3d.view_matrix.copy()
    mark = watch.mark()
    # on a busy machine small frames take long too: there and back until two have come
    for _ in range(10):
        yield from ui.drag(region, (0.35, 0.5), (0.55, 0.47), steps=60)
        if len(watch.frames) >= mark[1] + 2:
            break
        yield from ui.drag(region, (0.55, 0.47), (0.35, 0.5), steps=60)
    ui.result["orbit"] = watch.since(mark)
    ui.result["orbited"] = space.region_3d.view_matrix != before
    yield from ui.picture("preview-moving")
    yield from ui.until(watch.settled, 120, "a frame of the view after the orbit")
    yield from ui.picture("preview-still")
    ui.result["free_coverage"] = watch.view().frame.coverage


def capped(ui, watch, region):
    """Another orbit, with the frame rate limit; counts what was asked for meanwhile."""
    settings = bpy.context.scene.worldfm
    usual, settings.fps_cap = settings.fps_cap, CAP
    yield 1 / CAP
    asked, began = watch.asked, time.monotonic()
    yield from ui.drag(region, (0.35, 0.5), (0.39, 0.5), steps=30)
    seconds = time.monotonic() - began
    ui.result["capped"] = {"asked": watch.asked - asked, "allowed": CAP * seconds + 1}
    settings.fps_cap = usual
    yield from ui.picture("preview-moving-on")
    yield from ui.until(watch.settled, 120, "a frame after the second orbit")


def another_frame_and_an_edit(ui, watch, space):
    space.region_3d.view_perspective = "CAMERA"
    bpy.context.scene.frame_set(30)
    yield from ui.turns()
    yield from ui.until(watch.settled, 120, "the camera's view at another frame")
    revision = watch.view().shown.world_revision
    bpy.data.objects["Cushion"].location.z += 0.5
    yield from ui.until(
        lambda: watch.settled() and watch.view().shown.world_revision != revision,
        120,
        "a frame of the edited scene",
    )
    yield from ui.picture("preview-edited")
    space.shading.type = "SOLID"
    yield from ui.turns()
    space.shading.type = "RENDERED"
    yield from ui.turns()
    yield from ui.until(watch.settled, 120, "a frame after switching the shading back and forth")


def like_f12(ui, watch):
    """The camera's view with a shifted lens, against a render of it."""
    scene = bpy.context.scene
    settings = scene.worldfm
    scene.camera.data.shift_x, settings.preview_steps = 0.1, settings.steps
    yield from ui.turns()
    yield from ui.until(watch.settled, 120, "the camera's view with a shifted lens")
    shown = watch.view().shown
    yield from ui.picture("preview-shift")
    size = shown.request.camera.width, shown.request.camera.height  # the pixels of the screen
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    bpy.ops.render.render()
    rendered = sys.modules[f"{artist.ADDON}.runtime"].latest_frame()
    assert rendered is not shown
    # bounced light is gathered where cameras look, and a preview's stays when these change
    far = rendered.rgb.astype(float) - shown.rgb.astype(float)
    ui.result["levels off F12"] = float((far**2).mean() ** 0.5)
