# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer's first minutes with default overlays: the default cube without a backend, then with
one; memory through the dialog; an edit; an orthographic view; the demo in a scene of its own."""

import sys
from pathlib import Path

import artist
import bpy
from watch import Watch


class Newcomer:
    """Someone who presses what is offered. asked: the steps that *What Now* named so far."""

    def __init__(self, ui):
        self.ui, self.asked, self.watch = ui, [], Watch()
        self.area, self.region, self.space = artist.viewport()
        self.runtime = sys.modules[f"{artist.ADDON}.runtime"]

    def _there(self, **more):
        window = bpy.context.window_manager.windows[0]
        return bpy.context.temp_override(window=window, area=self.area, **more)

    def ask(self):
        """Note the step that is offered now."""
        with self._there():
            step = sys.modules[f"{artist.ADDON}.next_step"].next_step(bpy.context)
        self.asked.append(step.name if step else "nothing")

    def press(self, name, **properties):
        with self._there(region=self.region):
            getattr(bpy.ops.worldfm, name)("INVOKE_DEFAULT", **properties)

    def changed(self, since, limit, what):
        """Wait for a frame of another world than that of revision `since`."""
        shown = self.runtime.latest_frame
        return self.ui.until(
            lambda: self.watch.settled() and shown().world_revision != since, limit, what
        )


def play(ui):
    me = Newcomer(ui)
    ui.result["asked"] = me.asked
    yield from begin(me, ui)
    yield from remember(me, ui)
    yield from edit(me, ui)
    yield from animate(me, ui)
    yield from open_demo(me, ui)


def begin(me, ui):
    """The engine and its shading, without a backend and then with one."""
    me.ask()
    me.press("use_engine")
    yield from artist.sidebar(ui)
    preferences = me.runtime.preferences()
    python, preferences.python = preferences.python, ""
    me.ask()
    me.press("rendered_view")
    yield 3.0
    yield from ui.picture("newcomer-no-backend")
    preferences.python = python
    me.ask()
    yield from artist.ready(ui)
    yield from ui.until(me.watch.settled, 180, "the first frame")
    yield from ui.picture("newcomer-no-memory")


def remember(me, ui):
    """A memory frame through the dialog."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    me.press("capture_dialog", samples=8)
    yield 1.0
    yield from ui.picture("newcomer-dialog")
    yield from ui.tool("xdotool", "key", "Return")
    yield from ui.until(lambda: len(scene.worldfm.memory) == 1, 180, "the memory frame")
    yield from ui.until(lambda: not artist.working(), 60, "the capture's end")
    yield from ui.until(me.watch.settled, 120, "the frame with memory")
    yield from ui.picture("newcomer-memory")
    me.ask()


def edit(me, ui):
    """The cube moves; then the front view."""
    revision = me.runtime.latest_frame().world_revision
    bpy.data.objects["Cube"].location.x += 1.0
    yield from me.changed(revision, 120, "a frame of the edited scene")
    yield from ui.picture("newcomer-edited")
    yield from ui.keys(me.region, "KP_1")
    yield from ui.until(lambda: not me.space.region_3d.is_perspective, 30, "the front view")
    yield from ui.until(me.watch.settled, 120, "a frame of the front view")
    yield from ui.picture("newcomer-front")
    ui.result["front"] = me.runtime.latest_frame().request.camera.projection


def open_demo(me, ui):
    """The demo, in a scene of its own beside the user's."""
    objects = len(bpy.data.scenes[0].objects)
    me.press("open_demo")
    revision = me.runtime.latest_frame().world_revision
    yield from ui.turns()
    yield from me.changed(revision, 180, "a frame of the demo")
    yield from ui.picture("newcomer-demo")
    ui.result["scenes"] = [s.name for s in bpy.data.scenes]
    ui.result["mine"] = len(bpy.data.scenes["Scene"].objects) == objects
    me.ask()


def animate(me, ui):
    """A path around the cube, its camera, a playblast."""
    me.press("path_orbit", speed=20.0)
    me.ask()
    me.press("use_camera")
    me.ask()
    yield from ui.turns()
    yield from ui.picture("newcomer-path")
    bpy.context.scene.frame_end = 6
    me.press("playblast", filepath=ui.given["film"])
    film = Path(ui.given["film"])
    yield from ui.until(film.exists, 300, "the playblast")
    yield from ui.until(lambda: not artist.working(), 60, "the playblast's end")
    yield from ui.until(lambda: film.name in bpy.data.images, 60, "the film's image")
    yield from ui.picture("newcomer-playblast")
    for window in bpy.context.window_manager.windows[1:]:
        with bpy.context.temp_override(window=window):
            bpy.ops.wm.window_close()
    yield from ui.turns()
