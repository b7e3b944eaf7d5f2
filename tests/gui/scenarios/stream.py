# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: the camera's view, quiet when still, orbit by mouse, a new frame, an edit."""

import sys

import artist
import bpy
from watch import Watch


def play(ui):
    scene = bpy.context.scene
    _, region, space = artist.viewport()
    artist.clear_view(space)
    watch = Watch()
    artist.properties("RENDER")
    space.region_3d.view_perspective = "CAMERA"
    space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from ui.until(watch.settled, 120, "the first frame of the camera's view")
    yield from ui.picture("preview-camera")

    yield 1.0
    mark = watch.mark()
    yield 3.0
    ui.result["quiet"] = watch.since(mark)

    artist.leave_camera(space, distance=3.0)
    before = space.region_3d.view_matrix.copy()
    mark = watch.mark()
    yield from ui.drag(region, (0.35, 0.5), (0.55, 0.47), steps=60)
    ui.result["orbit"] = watch.since(mark)
    ui.result["orbited"] = space.region_3d.view_matrix != before
    yield from ui.picture("preview-moving")
    yield from ui.until(watch.settled, 120, "a frame of the view after the orbit")
    yield from ui.picture("preview-still")
    ui.result["free_coverage"] = watch.view().frame.coverage
    yield 1.0
    mark = watch.mark()
    yield 3.0
    ui.result["quiet_free"] = watch.since(mark)
    yield from ui.drag(region, (0.35, 0.5), (0.39, 0.5), steps=30)
    yield from ui.picture("preview-moving-on")
    yield from ui.until(watch.settled, 120, "a frame after the second orbit")

    space.region_3d.view_perspective = "CAMERA"
    scene.frame_set(30)
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
    yield 0.5
    space.shading.type = "RENDERED"
    yield from ui.until(watch.settled, 120, "a frame after switching the shading back and forth")

    settings = scene.worldfm
    scene.camera.data.shift_x, settings.preview_steps = 0.1, settings.steps
    yield 0.5
    yield from ui.until(watch.settled, 120, "the camera's view with a shifted lens")
    shown = watch.view().shown
    yield from ui.picture("preview-shift")
    bpy.ops.render.render()
    rendered = sys.modules[f"{artist.ADDON}.runtime"].latest_frame()
    ui.result["like_f12"] = rendered is not shown and bool((rendered.rgb == shown.rgb).all())
    ui.result["all"] = watch.since((0, 0))
