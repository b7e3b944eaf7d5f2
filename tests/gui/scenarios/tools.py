# SPDX-License-Identifier: GPL-3.0-or-later
"""Esc while long operators work; a frame that is kept and taken back; a match by its handles."""

import os
import signal

import artist
import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d

FRAMES = ", ".join(map(str, range(1, 49, 2)))


def play(ui):
    scene = bpy.context.scene
    yield from artist.sidebar(ui)
    photo = ui.given["photo"]
    scene.worldfm.memory[0].colour.save_render(photo, scene=scene)
    yield from stopped_capture(ui)
    yield from stopped_bake(ui)
    yield from stopped_materials(ui)
    yield from stopped_photo(ui, photo)
    yield from kept_and_undone(ui)
    yield from handles(ui, photo)


def here():
    area, region, _ = artist.viewport()
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=area, region=region)


def escape(ui, what):
    """Press Esc and wait until no operator works any more."""
    yield from ui.keys(artist.viewport()[1], "Escape")
    yield from ui.until(lambda: not artist.working(), 60, f"the end of {what}")


def stopped_capture(ui):
    settings = bpy.context.scene.worldfm
    before = len(settings.memory)
    with here():
        bpy.ops.worldfm.capture_memory("INVOKE_DEFAULT", frames=FRAMES, samples=4, percentage=50)
    yield from ui.picture("tools-capturing")
    yield from ui.until(lambda: len(settings.memory) > before, 120, "the first captured frame")
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
        bpy.ops.worldfm.project_to_geometry("INVOKE_DEFAULT", size=2048)
    ui.result["baking"] = artist.working()
    yield from escape(ui, "the bake")
    now = [[slot.material for slot in ob.material_slots] for ob in meshes]
    ui.result["unbaked"] = sum(a == b for a, b in zip(before, now, strict=True))


def stopped_materials(ui):
    for number in range(3):
        with here():
            bpy.ops.mesh.primitive_cube_add(location=(20 + 3 * number, 0, 0))
        ob = bpy.context.view_layer.objects.active
        ob.name = f"Wired {number}"
        look = bpy.data.materials.new(ob.name)
        if bpy.app.version < (5, 0, 0):
            look.use_nodes = True
        nodes, links = look.node_tree.nodes, look.node_tree.links
        wire = nodes.new("ShaderNodeWireframe")
        wire.inputs["Size"].default_value = 0.1 + 0.1 * number
        links.new(wire.outputs["Fac"], nodes["Principled BSDF"].inputs["Base Color"])
        ob.data.materials.append(look)
    yield from ui.turns()
    bpy.ops.ed.undo_push(message="Wired")

    def baked():
        return sum(len(ob.worldfm.bakes) for ob in bpy.data.objects)

    def around():
        scene, active = bpy.context.scene, bpy.context.view_layer.objects.active
        window = bpy.context.window_manager.windows[0]
        kinds = (bpy.data.scenes, bpy.data.objects, bpy.data.meshes, bpy.data.materials)
        names = [sorted(one.name for one in kind) for kind in kinds]
        return [*names, window.scene.name, active.name, scene.render.engine, scene.frame_current]

    before = around()
    with here():
        bpy.ops.worldfm.bake_materials("INVOKE_DEFAULT", size=256, samples=1)
    yield from ui.until(baked, 120, "the first baked material")
    yield from escape(ui, "the bake of materials")
    ui.result["materials"] = {"baked": baked(), "as before": around() == before}
    with here():
        bpy.ops.ed.undo()
    ui.result["materials"]["undone"] = baked()
    for number in range(3):
        bpy.data.objects.remove(bpy.data.objects[f"Wired {number}"])
    bpy.ops.ed.undo_push(message="Without Wired")


def stopped_photo(ui, photo):
    objects = set(bpy.data.objects)
    with here():
        bpy.ops.worldfm.world_from_photo("EXEC_DEFAULT", filepath=photo, depth="embedded")
    yield from ui.until(lambda: artist.backend_processes("world"), 60, "the start of its process")
    (process,) = artist.backend_processes("world")
    os.killpg(process, signal.SIGSTOP)  # it would be done in a second or two; as if it hung
    yield from escape(ui, "building the world")
    yield from ui.until(lambda: not artist.backend_processes("world"), 30, "its process's end")
    ui.result["added by a stopped build"] = len(set(bpy.data.objects) - objects)


def kept_and_undone(ui):
    bpy.ops.render.render()
    before = state()
    with here():
        bpy.ops.worldfm.keep_frame("EXEC_DEFAULT")
    yield from ui.until(lambda: not artist.working(), 120, "the end of keeping the frame")
    kept = state()
    yield 1.0  # thumbnails
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
    yield from ui.until(lambda: not artist.working(), 120, "the end of the match")
    camera = next(
        o for o in bpy.data.objects if o.type == "CAMERA" and "worldfm_resolution" in o.data
    )
    bpy.context.scene.camera = camera
    _, region, space = artist.viewport()
    space.region_3d.view_perspective = "CAMERA"
    yield from ui.until(lambda: looks_through(camera, space), 30, "the view through the camera")
    with here():
        bpy.ops.worldfm.adjust_match("INVOKE_DEFAULT")
    yield from ui.picture("tools-handles")
    before = place(camera)
    left, top, width, height = photo_in(camera, region, space)
    first = (left + 0.15 * width, top - 0.75 * height)
    lower = (first[0], first[1] - 0.07 * height)
    yield from ui.drag(region, first, lower, button=1, steps=6, pause=0)

    def dragged() -> bool:
        drawn = camera.data.get("worldfm_lines")
        return drawn is not None and np.abs(np.array(drawn[1:3]) - (0.15, 0.82)).max() < 0.01

    yield from ui.until(dragged, 30, "the handle arriving where the mouse is")
    moved = place(camera)
    yield from ui.picture("tools-handle-dragged")
    yield from escape(ui, "adjusting")
    ui.result["handles"] = {
        "moved": float(np.abs(moved - before).max()),
        "taken back": bool((place(camera) == before).all()),
        "lines": "worldfm_lines" in camera.data,
    }


def place(camera):
    """Where a camera stands and looks, after all that was set."""
    bpy.context.view_layer.update()
    return np.array(camera.matrix_world)


def looks_through(camera, space):
    here = np.array(space.region_3d.view_matrix.inverted())
    return bool(np.allclose(here, place(camera), atol=1e-4))


def photo_in(camera, region, space):
    """Left, top, width and height of the photo, in parts of the region."""
    corners = [camera.matrix_world @ v for v in camera.data.view_frame(scene=bpy.context.scene)]
    places = np.array([location_3d_to_region_2d(region, space.region_3d, v) for v in corners])
    low, high = places.min(axis=0), places.max(axis=0)
    width = high[0] - low[0]
    height = width * camera.data["worldfm_resolution"][1] / camera.data["worldfm_resolution"][0]
    top = 0.5 * (low[1] + high[1] + height)
    size = np.array([region.width, region.height])
    return *((low[0], top) / size), *((width, height) / size)
