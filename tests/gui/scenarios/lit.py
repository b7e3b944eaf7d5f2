# SPDX-License-Identifier: GPL-3.0-or-later
"""The default cube in its light, with default overlays: one look beside Cycles, then each edit."""

import sys
import time

import artist
import bpy


def play(ui):
    _, region, space = artist.viewport()
    watch = sys.modules[f"{artist.ADDON}.viewport.views"]
    shown = sys.modules[f"{artist.ADDON}.runtime"].latest_frame
    took = ui.result["seconds"] = {}
    found = ui.result["frames"] = {}
    scene = bpy.context.scene

    def view():
        return next((one.state for one in watch._views.values()), None)

    def fresh(world):
        """Whether a frame of another world than this is on screen, as good as it gets."""
        now, one = shown(), view()
        if now is None or one is None or one.dirty or one.reading or one.building:
            return False
        new = one.world is not world and now.world_revision == one.world.revision
        return new and not now.draft and now.request.camera.width > 300

    def note(name):
        reply = shown()
        found[name] = {
            "model": reply.model_name,
            "revision": reply.world_revision,
            "anchors": len(view().world.anchors),
            "mean": reply.color.astype(float).mean(axis=(0, 1)).tolist(),
            "projection": reply.request.camera.projection,
            "size": [reply.request.camera.width, reply.request.camera.height],
            "timings": reply.timings,
        }

    def edited(name, change):
        world, began = view().world, time.monotonic()
        change()

        def seen():
            return shown().world_revision != world.revision

        yield from ui.until(seen, 120, f"a frame after {name}")
        took[name] = time.monotonic() - began
        yield from ui.until(lambda: fresh(world), 120, f"the last frame after {name}")
        took[f"{name}, whole"] = time.monotonic() - began
        note(name)
        yield 0.3
        yield from ui.picture(f"lit-{name}")

    scene.render.engine = "CYCLES"
    space.shading.type = "RENDERED"
    yield 8.0
    yield from ui.picture("lit-cycles")
    space.shading.type = "SOLID"
    scene.render.engine = "WORLDFM"
    began = time.monotonic()
    artist.client().start(sys.modules[f"{artist.ADDON}.runtime"].launch_settings("embedded"))
    yield from artist.ready(ui, 300)
    took["backend"] = time.monotonic() - began
    began = time.monotonic()
    space.shading.type = "RENDERED"
    yield from ui.until(lambda: shown() is not None, 120, "the first frame")
    took["first"] = time.monotonic() - began
    yield from ui.picture("lit-first")
    yield from ui.until(lambda: fresh(None), 120, "the whole frame")
    took["first, whole"] = time.monotonic() - began
    note("first")
    yield 0.5
    yield from ui.picture("lit-first-whole")
    cube, lamp = bpy.data.objects["Cube"], bpy.data.objects["Light"]

    def repaint():
        tree = cube.active_material.node_tree
        tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.8, 0.02, 0.02, 1)

    def turn_world():
        scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.1, 0.2, 0.6, 1)

    yield from edited("material", repaint)
    yield from edited("object", lambda: setattr(cube.location, "x", 1.5))
    yield from edited("object again", lambda: setattr(cube.location, "x", 1.0))
    yield from edited("lamp", lambda: setattr(lamp.location, "z", 2.0))
    yield from edited("world", turn_world)
    frames, began = 0, time.monotonic()
    last = shown()
    steps = ui.drag(region, (0.35, 0.5), (0.6, 0.45), steps=80, pause=0.03)
    pictured = False
    for pause in steps:
        if shown() is not last:
            last, frames = shown(), frames + 1
        if frames > 5 and not pictured:
            pictured = True
            yield from ui.picture("lit-moving")
        yield pause
    ui.result["moving"] = {"frames": frames, "seconds": time.monotonic() - began}
    yield from ui.until(lambda: fresh(None), 120, "the frame after the orbit")
    note("orbit")
    yield from ui.picture("lit-orbit")
    yield from ui.keys(region, "KP_1")
    yield from ui.until(lambda: not space.region_3d.is_perspective, 30, "the front view")
    yield from ui.until(
        lambda: shown().request.camera.projection == "ORTHO" and fresh(None),
        120,
        "a frame of the front view",
    )
    note("front")
    yield 0.5
    yield from ui.picture("lit-front")
    drawn = draws_of(watch)
    yield 2.0
    ui.result["draws at rest"] = len(drawn)
    failure = next(iter(watch._views.values())).failure
    ui.result["problem"] = [view().problem, view().build_problem, failure]


def draws_of(views):
    """Grows by one with each draw from now on."""
    drawn, draw = [], views.draw

    def counting(*arguments):
        drawn.append(1)
        draw(*arguments)

    views.draw = counting
    return drawn
