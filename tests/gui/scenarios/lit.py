# SPDX-License-Identifier: GPL-3.0-or-later
"""The default cube in its light, with default overlays: one look beside Cycles, then each edit."""

import math
import os
import signal
import sys
import time

import artist
import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Quaternion, Vector


def play(ui):
    scene, space = bpy.context.scene, artist.viewport()[2]
    watch = Watch(ui)
    scene.render.engine = "CYCLES"
    space.shading.type = "RENDERED"
    yield 8.0
    yield from ui.picture("lit-cycles")
    space.shading.type = "SOLID"
    scene.render.engine = "WORLDFM"
    yield from first_frame(watch, space)
    yield from edits(watch, scene)
    yield from orbit(watch)
    yield from turned_round(watch, space)
    yield from front_view(watch)
    drawn = draws_of(watch.views)
    yield 2.0
    ui.result["draws at rest"] = len(drawn)
    failure = next(iter(watch.views._views.values())).failure
    ui.result["problem"] = [watch.state.problem, watch.state.build_problem, failure]


class Watch:
    """What the viewport shows, and what is noted of it."""

    def __init__(self, ui):
        self.ui = ui
        self.views = sys.modules[f"{artist.ADDON}.viewport.views"]
        self.shown = sys.modules[f"{artist.ADDON}.runtime"].latest_frame
        self.took = ui.result["seconds"] = {}
        self.found = ui.result["frames"] = {}

    @property
    def state(self):
        return next((one.state for one in self.views._views.values()), None)

    def fresh(self, world):
        """Whether a frame of another world than this is on screen, as good as it gets."""
        now, one = self.shown(), self.state
        if now is None or one is None or one.dirty or one.reading or one.building:
            return False
        new = one.world is not world and now.world_revision == one.world.revision
        return new and not now.draft and now.request.camera.width > 300

    def sharp(self):
        """Whether what is on screen has its pixels."""
        region, camera = artist.viewport()[1], self.shown().request.camera
        return self.fresh(None) and (camera.width, camera.height) == (region.width, region.height)

    def note(self, name):
        reply = self.shown()
        self.found[name] = {
            "model": reply.model_name,
            "revision": reply.world_revision,
            "anchors": len(self.state.world.anchors),
            "mean": reply.color.astype(float).mean(axis=(0, 1)).tolist(),
            "projection": reply.request.camera.projection,
            "size": [reply.request.camera.width, reply.request.camera.height],
            "timings": reply.timings,
        }


def first_frame(watch, space):
    ui, began = watch.ui, time.monotonic()
    artist.client().start(sys.modules[f"{artist.ADDON}.runtime"].launch_settings("embedded"))
    yield from artist.ready(ui, 300)
    watch.took["backend"] = time.monotonic() - began
    began = time.monotonic()
    space.shading.type = "RENDERED"
    yield from ui.until(lambda: watch.shown() is not None, 120, "the first frame")
    watch.took["first"] = time.monotonic() - began
    yield from ui.picture("lit-first")
    yield from ui.until(lambda: watch.fresh(None), 120, "the whole frame")
    watch.took["first, whole"] = time.monotonic() - began
    watch.note("first")
    yield 0.5
    yield from ui.picture("lit-first-whole")


def edits(watch, scene):
    cube, lamp = bpy.data.objects["Cube"], bpy.data.objects["Light"]

    def repaint():
        tree = cube.active_material.node_tree
        tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.8, 0.02, 0.02, 1)

    def turn_world():
        scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.1, 0.2, 0.6, 1)

    yield from edited(watch, "material", repaint)
    yield from edited(watch, "object", lambda: setattr(cube.location, "x", 1.5))
    yield from edited(watch, "object again", lambda: setattr(cube.location, "x", 1.0))
    yield from edited(watch, "lamp", lambda: setattr(lamp.location, "z", 2.0))
    yield from edited(watch, "world", turn_world)


def edited(watch, name, change):
    ui, world, began = watch.ui, watch.state.world, time.monotonic()
    change()

    def seen():
        return watch.shown().world_revision != world.revision

    yield from ui.until(seen, 120, f"a frame after {name}")
    watch.took[name] = time.monotonic() - began
    yield from ui.until(lambda: watch.fresh(world), 120, f"the last frame after {name}")
    watch.took[f"{name}, whole"] = time.monotonic() - began
    watch.note(name)
    yield 0.3
    yield from ui.picture(f"lit-{name}")


def orbit(watch):
    ui, began = watch.ui, time.monotonic()
    frames, last, pictured = 0, watch.shown(), False
    for pause in ui.drag(artist.viewport()[1], (0.35, 0.5), (0.6, 0.45), steps=80, pause=0.03):
        if watch.shown() is not last:
            last, frames = watch.shown(), frames + 1
        if frames > 5 and not pictured:
            pictured = True
            yield from ui.picture("lit-moving")
        yield pause
    ui.result["moving"] = {"frames": frames, "seconds": time.monotonic() - began}
    began = time.monotonic()
    yield from ui.until(lambda: watch.fresh(None), 120, "the frame after the orbit")
    watch.took["stopped"] = time.monotonic() - began
    watch.note("orbit")
    yield from ui.picture("lit-orbit")
    yield from ui.until(watch.sharp, 120, "a frame in the pixels of the screen")
    watch.took["stopped, sharp"] = time.monotonic() - began
    watch.note("sharp")
    yield from ui.picture("lit-sharp")
    yield from interrupted(watch)


def interrupted(watch):
    """Moves on while a frame in the pixels of the screen is made."""
    ui, region = watch.ui, artist.viewport()[1]
    yield from ui.drag(region, (0.6, 0.5), (0.55, 0.5), steps=5)
    yield from ui.until(lambda: watch.state.asked is watch.state.sharp, 120, "a sharp frame's turn")
    began, last = time.monotonic(), watch.shown()
    for pause in ui.drag(region, (0.6, 0.5), (0.55, 0.5), steps=40, pause=0.03):
        if watch.shown() is not last and "sharp given up" not in watch.took:
            watch.took["sharp given up"] = time.monotonic() - began
            ui.result["after it"] = watch.shown().request.glance
        yield pause
    yield from ui.until(watch.sharp, 120, "the sharp frame in the end")


def turned_round(watch, space):
    """What is behind the view, and beside what it looks at, is shown before any frame of it: the
    backend is held meanwhile."""
    ui, view = watch.ui, space.region_3d
    yield from ui.until(lambda: watch.state.around.made is not None, 120, "what lies around")
    yield from ui.until(watch.sharp, 120, "a view at rest")
    start, place = view.view_rotation.copy(), view.view_location.copy()
    eye, turn = view.view_matrix.inverted().translation.copy(), Quaternion((0, 0, 1), math.pi)
    held = artist.backend_processes()
    for process in held:
        os.kill(process, signal.SIGSTOP)
    try:
        view.view_rotation, view.view_location = turn @ start, eye + turn @ (place - eye)
        yield from ui.picture("lit-turned")
        painting = watch.state.painting()
        ui.result["turned"] = [painting.exact, painting.around is not None]
        view.view_rotation, view.view_location = Quaternion((0, 0, 1), -0.3) @ start, place
        yield from ui.picture("lit-orbited")
        ui.result["cube"] = outline("Cube")
    finally:
        for process in held:
            os.kill(process, signal.SIGCONT)
    view.view_rotation, view.view_location = start, place
    yield from ui.until(watch.sharp, 120, "the view from before")


def outline(name):
    """Left, top, right and bottom of an object in pixels of the screen."""
    _, region, space = artist.viewport()
    one, height = bpy.data.objects[name], bpy.context.window_manager.windows[0].height
    corners = [one.matrix_world @ Vector(corner) for corner in one.bound_box]
    seen = [location_3d_to_region_2d(region, space.region_3d, place) for place in corners]
    across, up = [region.x + at.x for at in seen], [region.y + at.y for at in seen]
    return [min(across), height - max(up), max(across), height - min(up)]


def front_view(watch):
    ui = watch.ui
    _, region, space = artist.viewport()
    yield from ui.keys(region, "KP_1")
    yield from ui.until(lambda: not space.region_3d.is_perspective, 30, "the front view")
    yield from ui.until(
        lambda: watch.shown().request.camera.projection == "ORTHO" and watch.fresh(None),
        120,
        "a frame of the front view",
    )
    watch.note("front")
    yield 0.5
    yield from ui.picture("lit-front")


def draws_of(views):
    """Grows by one with each draw from now on."""
    drawn, draw = [], views.draw

    def counting(*arguments):
        drawn.append(1)
        draw(*arguments)

    views.draw = counting
    return drawn
