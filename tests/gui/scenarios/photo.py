# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo in a new file with its cube, with default overlays: what is seen then, a step aside,
a frame that is kept, and everything taken back."""

import sys

import artist
import bpy
import numpy as np


def play(ui):
    area, region, space = artist.viewport()
    scene = bpy.context.scene
    yield from artist.sidebar(ui)
    with here(area, region):
        bpy.ops.worldfm.world_from_photo(
            "EXEC_DEFAULT", filepath=ui.given["photo"], depth="embedded"
        )
    yield from ui.until(lambda: scene.camera.name.startswith("photo"), 180, "the photo's world")
    yield from ui.until(lambda: not artist.working(), 60, "the end of the import")
    yield from artist.ready(ui, 400)
    shown = sys.modules[f"{artist.ADDON}.runtime"].latest_frame
    yield from ui.until(lambda: shown() is not None, 180, "the first frame")
    yield from seen(ui, "photo-world")
    ui.result["looks"] = [scene.render.engine, space.shading.type, space.overlay.show_overlays]
    ui.result["perspective"] = space.region_3d.view_perspective
    ui.result["frame"] = ui.pictures.joinpath("photo-world.png").as_posix()
    ui.result["place"] = photo_on_screen(scene, region, space)
    yield from portrait(ui, area, region, space)
    scene.camera.location.x += 0.5
    frame = shown()
    yield from ui.until(lambda: shown() is not frame, 180, "the frame beside the photo")
    yield from seen(ui, "photo-aside")
    with here(area, region):
        bpy.ops.worldfm.keep_frame("EXEC_DEFAULT")
    yield from ui.until(lambda: not artist.working(), 180, "the end of keeping the frame")
    yield from seen(ui, "photo-kept")
    space.shading.type = "SOLID"
    yield from seen(ui, "photo-solid")
    ui.result["objects"] = sorted(ob.name for ob in bpy.context.view_layer.objects)


def portrait(ui, area, region, space):
    """A portrait's camera: where its frame lies in the viewport."""
    render, camera = bpy.context.scene.render, bpy.context.scene.camera.data
    before = render.resolution_x, render.resolution_y, camera.sensor_fit
    render.resolution_x, render.resolution_y, camera.sensor_fit = 270, 480, "HORIZONTAL"
    window = bpy.context.window_manager.windows[0]
    module = sys.modules[f"{artist.ADDON}.operators.camera_view"]
    with bpy.context.temp_override(window=window):
        module.look_through_camera([area])
    yield from ui.turns()
    ui.result["portrait"] = photo_on_screen(bpy.context.scene, region, space)
    height = window.height - region.y
    ui.result["viewport"] = [region.x, height - region.height, region.x + region.width, height]
    render.resolution_x, render.resolution_y, camera.sensor_fit = before
    with bpy.context.temp_override(window=window):
        module.look_through_camera([area])
    yield from ui.turns()


def here(area, region):
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=area, region=region)


def seen(ui, name):
    """A picture once the frames have come to rest."""
    yield 6.0
    yield from ui.picture(name)


def photo_on_screen(scene, region, space):
    """Left, top, right and bottom of the camera's frame in pixels of the screen."""
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    camera = scene.camera
    corners = [camera.matrix_world @ v for v in camera.data.view_frame(scene=scene)]
    places = np.array([location_3d_to_region_2d(region, space.region_3d, v) for v in corners])
    low, high = places.min(axis=0), places.max(axis=0)
    height = bpy.context.window_manager.windows[0].height
    left, top = region.x + low[0], height - region.y - high[1]
    right, bottom = region.x + high[0], height - region.y - low[1]
    return [float(v) for v in (left, top, right, bottom)]
