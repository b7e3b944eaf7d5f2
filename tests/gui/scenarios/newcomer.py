# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer's first minutes with default overlays: the default cube without a backend, then with
one; memory through the dialog; an edit; an orthographic view; the demo in a scene of its own."""

import sys
from pathlib import Path

import artist
import bpy
from watch import Watch


def play(ui):
    _, region, space = artist.viewport()
    area = artist.viewport()[0]
    steps = sys.modules[f"{artist.ADDON}.next_step"]
    watch = Watch()

    def told():
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
            step = steps.next_step(bpy.context)
        return step.name if step else "nothing"

    def press(name, **properties):
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=area, region=region):
            getattr(bpy.ops.worldfm, name)("INVOKE_DEFAULT", **properties)

    asked = ui.result["asked"] = [told()]
    press("use_engine")
    yield from artist.sidebar(ui)
    preferences = sys.modules[f"{artist.ADDON}.runtime"].preferences()
    python, preferences.python = preferences.python, ""
    asked.append(told())
    press("rendered_view")
    yield 3.0
    yield from ui.picture("newcomer-no-backend")
    preferences.python = python
    asked.append(told())
    yield from artist.ready(ui)
    shown = sys.modules[f"{artist.ADDON}.runtime"].latest_frame
    yield from ui.until(watch.settled, 180, "the first frame")
    yield from ui.picture("newcomer-no-memory")
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    press("capture_dialog", samples=8)
    yield 1.0
    yield from ui.picture("newcomer-dialog")
    yield from ui.tool("xdotool", "key", "Return")
    yield from ui.until(lambda: len(scene.worldfm.memory) == 1, 180, "the memory frame")
    yield from ui.until(lambda: not artist.working(), 60, "the capture's end")
    yield from ui.until(watch.settled, 120, "the frame with memory")
    yield from ui.picture("newcomer-memory")
    asked.append(told())
    revision = shown().world_revision
    bpy.data.objects["Cube"].location.x += 1.0
    yield from ui.until(
        lambda: watch.settled() and shown().world_revision != revision,
        120,
        "a frame of the edited scene",
    )
    yield from ui.picture("newcomer-edited")
    yield from ui.keys(region, "KP_1")
    yield from ui.until(lambda: not space.region_3d.is_perspective, 30, "the front view")
    yield from ui.until(watch.settled, 120, "a frame of the front view")
    yield from ui.picture("newcomer-front")
    ui.result["front"] = shown().request.camera.projection
    yield from animate(ui, scene, press, asked, told)
    objects = len(bpy.data.scenes[0].objects)
    press("open_demo")
    revision = shown().world_revision
    yield from ui.turns()
    yield from ui.until(
        lambda: watch.settled() and shown().world_revision != revision, 180, "a frame of the demo"
    )
    yield from ui.picture("newcomer-demo")
    ui.result["scenes"] = [s.name for s in bpy.data.scenes]
    ui.result["mine"] = len(bpy.data.scenes["Scene"].objects) == objects
    asked.append(told())


def animate(ui, scene, press, asked, told):
    """A path around the cube, its camera, a playblast."""
    press("path_orbit", speed=20.0)
    asked.append(told())
    press("use_camera")
    asked.append(told())
    yield from ui.turns()
    yield from ui.picture("newcomer-path")
    scene.frame_end = 6
    press("playblast", filepath=ui.given["film"])
    film = Path(ui.given["film"])
    yield from ui.until(film.exists, 300, "the playblast")
    yield from ui.until(lambda: not artist.working(), 60, "the playblast's end")
    yield from ui.until(lambda: film.name in bpy.data.images, 60, "the film's image")
    yield from ui.picture("newcomer-playblast")
    for window in bpy.context.window_manager.windows[1:]:
        with bpy.context.temp_override(window=window):
            bpy.ops.wm.window_close()
    yield from ui.turns()
