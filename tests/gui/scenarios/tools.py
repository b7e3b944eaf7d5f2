# SPDX-License-Identifier: GPL-3.0-or-later
"""Esc while long operators work; a frame that is kept and taken back; a match by its handles."""

import artist
import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d


def play(ui):
    scene = bpy.context.scene
    yield from artist.sidebar(ui)
    photo = ui.given["photo"]
    scene.worldfm.memory[0].colour.save_render(photo, scene=scene)
    yield from stopped_capture(ui)
    yield from stopped_bake(ui)
    yield from stopped_photo(ui, photo)
    yield from kept_and_undone(ui)
    yield from handles(ui, photo)


def here():
    area, region, _ = artist.viewport()
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=area, region=region)


def working():
    """Names of the operators that listen to the user."""
    return [op.bl_idname for op in bpy.context.window_manager.windows[0].modal_operators]


def escape(ui, what):
    """Press Esc and wait until no operator works any more."""
    yield from ui.keys(artist.viewport()[1], "Escape")
    yield from ui.until(lambda: not working(), 60, f"the end of {what}")


def stopped_capture(ui):
    settings = bpy.context.scene.worldfm
    before = len(settings.memory)
    with here():
        bpy.ops.worldfm.capture_memory(
            "INVOKE_DEFAULT", frames="3, 6, 9, 12, 15, 18, 21, 24", samples=4, percentage=50
        )
    yield from ui.until(lambda: len(settings.memory) > before, 120, "the first captured frame")
    yield from ui.picture("tools-capturing")
    yield from escape(ui, "the capture")
    ui.result["captured"] = len(settings.memory) - before
    ui.result["scenes"] = [scene.name for scene in bpy.data.scenes]
    while len(settings.memory) > before:
        settings.memory.remove(before)


def stopped_bake(ui):
    bpy.ops.object.select_all(action="DESELECT")
    names = ("Rug", "Floor", "Ceiling", "Cushion", "Sofa")
    meshes = [bpy.data.objects[name] for name in names if name in bpy.data.objects]
    for ob in meshes:
        ob.select_set(True)
    before = [[slot.material for slot in ob.material_slots] for ob in meshes]
    with here():
        bpy.ops.worldfm.project_to_geometry("INVOKE_DEFAULT", size=1024)
    yield 0.1
    ui.result["baking"] = working()
    yield from escape(ui, "the bake")
    now = [[slot.material for slot in ob.material_slots] for ob in meshes]
    ui.result["unbaked"] = sum(a == b for a, b in zip(before, now, strict=True))


def stopped_photo(ui, photo):
    objects = set(bpy.data.objects)
    with here():
        bpy.ops.worldfm.world_from_photo("EXEC_DEFAULT", filepath=photo, depth="embedded")
    # at once: on a quiet machine the whole building takes a few seconds
    yield from ui.until(lambda: artist.backend_processes("world"), 60, "the start of its process")
    yield from escape(ui, "building the world")
    yield from ui.until(lambda: not artist.backend_processes("world"), 30, "its process's end")
    ui.result["added by a stopped build"] = len(set(bpy.data.objects) - objects)


def kept_and_undone(ui):
    bpy.ops.render.render()
    before = state()
    with here():
        bpy.ops.worldfm.keep_frame("EXEC_DEFAULT")
    yield from ui.until(lambda: not working(), 120, "the end of keeping the frame")
    kept = state()
    yield 1.0
    yield from ui.picture("tools-kept")
    with here():
        bpy.ops.ed.undo()
    undone = state()
    with here():
        bpy.ops.ed.redo()
    readable = all(item.colour is not None for item in bpy.context.scene.worldfm.memory)
    ui.result["kept"] = {
        "frames": len(kept[0]) - len(before[0]),
        "undone": undone == before,
        "redone": state() == kept and readable,
    }


def state():
    """Names of the memory frames and of the objects."""
    memory = [item.name for item in bpy.context.scene.worldfm.memory]
    return memory, sorted(ob.name for ob in bpy.data.objects)


def handles(ui, photo):
    with here():
        bpy.ops.worldfm.match_photo("EXEC_DEFAULT", filepath=photo)
    yield from ui.until(lambda: not working(), 120, "the end of the match")
    camera = next(
        o for o in bpy.data.objects if o.type == "CAMERA" and "worldfm_resolution" in o.data
    )
    bpy.context.scene.camera = camera
    _, region, space = artist.viewport()
    space.region_3d.view_perspective = "CAMERA"
    yield 1.0
    with here():
        bpy.ops.worldfm.adjust_match("INVOKE_DEFAULT")
    yield 0.5
    yield from ui.picture("tools-handles")
    before = camera.matrix_world.copy()
    first = handle_place(camera, region, space)
    lower = (first[0], first[1] - 0.05)
    yield from ui.drag(region, first, lower, button=1, steps=6)
    yield 0.3
    moved = camera.matrix_world.copy()
    yield from ui.picture("tools-handle-dragged")
    yield from escape(ui, "adjusting")
    ui.result["handles"] = {
        "moved": float(np.abs(np.array(moved) - np.array(before)).max()),
        "taken back": camera.matrix_world == before,
    }


def handle_place(camera, region, space):
    """Where the first handle of an unadjusted match is, in parts of the region."""
    corners = [camera.matrix_world @ v for v in camera.data.view_frame(scene=bpy.context.scene)]
    places = np.array([location_3d_to_region_2d(region, space.region_3d, v) for v in corners])
    low, high = places.min(axis=0), places.max(axis=0)
    x, y = low[0] + 0.15 * (high[0] - low[0]), high[1] - 0.75 * (high[1] - low[1])
    return x / region.width, y / region.height
