# SPDX-License-Identifier: GPL-3.0-or-later
"""What Bake Materials makes of small objects, and when it has to be done again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import extension
import numpy as np
import scenes

SMALL = {"size": 64, "samples": 1}


def material(name: str, build: Callable[[Any, Any], None]) -> bpy.types.Material:
    """Principled, and what `build` plugs into it."""
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    closure = tree.nodes.new("ShaderNodeBsdfPrincipled")
    end = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(closure.outputs[0], end.inputs["Surface"])
    build(tree, closure)
    return made


def value(kind: str, out: str, into: str = "Base Color", **settings: Any) -> Callable:
    """One node's output plugged into the closure."""

    def build(tree: bpy.types.NodeTree, closure: bpy.types.Node) -> None:
        node = tree.nodes.new(kind)
        for name, setting in settings.items():
            node.inputs[name].default_value = setting
        tree.links.new(node.outputs[out], closure.inputs[into])

    return build


def grouped(tree: bpy.types.NodeTree, closure: bpy.types.Node) -> None:
    """The wireframe of `wired` two groups deep."""
    inner = bpy.data.node_groups.new("Inner", "ShaderNodeTree")
    inner.interface.new_socket("Out", in_out="OUTPUT", socket_type="NodeSocketFloat")
    wire, end = inner.nodes.new("ShaderNodeWireframe"), inner.nodes.new("NodeGroupOutput")
    wire.inputs["Size"].default_value = 0.2
    inner.links.new(wire.outputs[0], end.inputs[0])
    outer = bpy.data.node_groups.new("Outer", "ShaderNodeTree")
    outer.interface.new_socket("Out", in_out="OUTPUT", socket_type="NodeSocketFloat")
    group, end = outer.nodes.new("ShaderNodeGroup"), outer.nodes.new("NodeGroupOutput")
    group.node_tree = inner
    outer.links.new(group.outputs[0], end.inputs[0])
    top = tree.nodes.new("ShaderNodeGroup")
    top.node_tree = outer
    tree.links.new(top.outputs[0], closure.inputs["Base Color"])


WIRED = value("ShaderNodeWireframe", "Fac", Size=0.2)
BOX = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def box(name: str, *materials: bpy.types.Material, place: tuple = (0, 0, 0)) -> bpy.types.Object:
    """A cube of two units a side; its upper side has the last of the materials."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(BOX, [], SIDES)
    for one in materials:
        mesh.materials.append(one)
    mesh.polygons[5].material_index = len(materials) - 1
    ob = bpy.data.objects.new(name, mesh)
    ob.location = place
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.update()
    return ob


def bake(**properties: Any) -> list[str]:
    """Press the button; what it answers."""
    return sorted(bpy.ops.worldfm.bake_materials(**{**SMALL, **properties}))


def read(name: str = "") -> tuple[Any, dict[str, Any], list[str]]:
    """Whether a bake is wanted; of an object its programs' node types; and what is said."""
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    found, around = reader.read_found(bpy.context.evaluated_depsgraph_get(), render_sky=False)
    said = extension.part("scene_sync.assembly").assemble(found, 1.0, around)[1]
    kinds = [one.kind for one in found if not name or one.kind.name == name]
    types = {kind.name: [node["type"] for s in kind.shaders for node in s.nodes] for kind in kinds}
    return any(kind.unbaked for kind in kinds), types, said


def names() -> list[list[float]]:
    """What memory knows the looks by: numbers of programs, and of layers."""
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    scene, _ = reader.read_exact(bpy.context.evaluated_depsgraph_get())
    found = extension.part("backend.shared.names").Names.of(scene)
    return [found.looks.tolist(), found.layers.tolist()]


def looked_up(ob: bpy.types.Object, triangle: int, weights: tuple[float, ...]) -> list[float]:
    """What an object's only baked value is at a place of the mesh that it shows."""
    bakes = extension.part("scene_sync.bakes")
    item = ob.worldfm.bakes[0]
    mesh = ob.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    mesh.calc_loop_triangles()
    layer = bakes.read_layer(item, len(mesh.loop_triangles))
    u, v = np.array(weights) @ layer[triangle]
    image = item.values[0].image
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[int(v * height), int(u * width)].tolist()


def state() -> dict[str, Any]:
    """All that the user had, and what of it a bake may have touched."""
    scene = bpy.context.scene
    kinds = ("scenes", "objects", "meshes", "materials", "node_groups", "cameras", "collections")
    return {
        **{kind: sorted(one.name for one in getattr(bpy.data, kind)) for kind in kinds},
        "scene": scene.name,
        "engine": scene.render.engine,
        "size": [scene.render.resolution_x, scene.render.resolution_percentage],
        "frame": scene.frame_current,
        "camera": scene.camera and scene.camera.name,
        "samples": scene.cycles.samples,
        "layer": bpy.context.view_layer.name,
        "active": bpy.context.active_object and bpy.context.active_object.name,
        "selected": sorted(ob.name for ob in bpy.context.selected_objects),
        "mode": bpy.context.mode,
        "layers": {m.name: [*m.uv_layers.keys(), *m.attributes.keys()] for m in bpy.data.meshes},
        "nodes": {m.name: len(m.node_tree.nodes) for m in bpy.data.materials if m.node_tree},
        "engines": sorted(e.__name__ for e in bpy.types.RenderEngine.__subclasses__()
                          if getattr(e, "is_registered", True)),
    }  # fmt: skip


def values() -> dict[str, Any]:
    """Each kind of value is what Cycles says it is, and nothing of the user's changes."""
    scenes.empty()
    wire = box("Wire", material("Wire", WIRED))
    group = box("Group", material("Group", grouped), place=(5, 0, 0))
    plain = material("Plain", lambda tree, closure: None)
    turned = box("Bevel", plain, material("Bevel", value(
        "ShaderNodeBevel", "Normal", "Normal", Radius=0.5)), place=(10, 0, 0))  # fmt: skip
    turned.rotation_euler = (0, 0, 0.7)
    floor = box("Floor", material("Dirt", value("ShaderNodeAmbientOcclusion", "AO", Distance=3.0)))
    floor.location, floor.scale = (0, 20, -1), (4, 4, 1)
    above = box("Above", plain, place=(0, 20, 1.1))
    bpy.context.view_layer.objects.active = above
    for ob in bpy.data.objects:
        ob.select_set(ob in (above, floor))
    bpy.context.scene.frame_current = 7
    before, unread, looks = state(), read(), names()
    pressed = bake(samples=16)
    after, ready = state(), read()
    edge, middle = (0.02, 0.49, 0.49), (0.34, 0.33, 0.33)
    top = 10  # of the triangles: a box's upper side
    return {
        "before": before, "after": after, "pressed": pressed, "looks": [looks, names()],
        "unread": unread, "ready": ready,
        "wire": [looked_up(wire, 0, edge)[0], looked_up(wire, 0, middle)[0]],
        "same picture": wire.worldfm.bakes[0].values[0].image
        == group.worldfm.bakes[0].values[0].image,
        "bevel": [looked_up(turned, top, edge), looked_up(turned, top + 1, edge),
                  looked_up(turned, top, middle)],
        "floor": [looked_up(floor, top, (0.5, 0, 0.5))[0], looked_up(floor, top, edge)[0]],
        "again": bake(),
        "users": [image.users for image in bpy.data.images if image.name.startswith("WorldFM")],
    }  # fmt: skip


def stale() -> dict[str, Any]:
    """A bake serves until the node, what is plugged into it or the shape changes; not a bend."""
    scenes.empty()
    look = material("Wire", WIRED)
    ob = box("Wire", look)
    twin = bpy.data.objects.new("Twin", ob.data)
    bpy.context.scene.collection.objects.link(twin)
    found: dict[str, Any] = {"nothing": read("Wire")[0]}
    looks = names()[0]
    bake()
    found["baked"] = read()[0]
    found["shared"] = twin.worldfm.bakes[0].uv == ob.worldfm.bakes[0].uv
    first = ob.worldfm.bakes[0].values[0].image.name
    look.node_tree.nodes["Wireframe"].inputs["Size"].default_value = 0.3
    found["node"] = [read("Wire")[0], read("Wire")[2]]
    found["looks"] = [looks, names()[0]]
    bake()
    found["node baked"] = [read()[0], len(ob.worldfm.bakes), first in bpy.data.images]
    closure = look.node_tree.nodes["Principled BSDF"]
    closure.inputs["Roughness"].default_value = 0.1
    found["behind it"] = read()[0]
    look.name = "Renamed"
    found["renamed"] = read()[0]
    ob.data.vertices[0].co.x -= 0.5
    ob.data.update()
    found["shape"] = [read("Wire")[0], "TEX_IMAGE" in read("Wire")[1]["Wire"]]
    bake()
    found["shape baked"] = read()[0]
    ob.shape_key_add(name="Basis")
    key = ob.shape_key_add(name="Bent")
    key.data[0].co.z -= 0.4
    key.value = 1.0
    bpy.context.view_layer.update()
    found["bent"] = read("Wire")[0]
    ob.active_shape_key_index = 0
    ob.shape_key_clear()
    levels = ob.modifiers.new("Subdivision", "SUBSURF")
    levels.levels, levels.render_levels = 1, 2
    twin.modifiers.clear()
    found["finer"] = read("Wire")[0]
    bake()
    found["both levels"] = [read()[0], len(ob.worldfm.bakes)]
    for item in (ob.worldfm.bakes[0], twin.worldfm.bakes[0]):
        item.uv.pack(data=b"damaged", data_len=7)
    extension.part("scene_sync.bakes").forget_layers()
    found["damaged"] = read("Wire")[2]
    bake()
    found["mended"] = read()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "baked.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.open_mainfile(filepath=path)
    found["opened"] = read()[0]
    found["sizes"] = sorted({tuple(i.size) for i in bpy.data.images if i.name.endswith("bake")})
    return found


def faults() -> dict[str, Any]:
    """One object that cannot be baked is named, and the rest is baked; Esc keeps what is done."""
    scenes.empty()
    look = material("Wire", WIRED)
    loose = bpy.data.meshes.new("Loose")
    points = np.random.default_rng(0).uniform(size=(3 * 5000, 3))
    loose.from_pydata(points.tolist(), [], np.arange(3 * 5000).reshape(-1, 3).tolist())
    loose.materials.append(look)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Loose", loose))
    box("Fine", look)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "other.blend")
        elsewhere = box("Elsewhere", look)
        bpy.data.libraries.write(path, {elsewhere})
        bpy.data.objects.remove(elsewhere)
        with bpy.data.libraries.load(path, link=True) as (_, wanted):
            wanted.objects = ["Elsewhere"]
        bpy.context.scene.collection.objects.link(wanted.objects[0])
        bpy.context.view_layer.update()
        before = state()
        pressed = bake()
        linked = bpy.data.objects["Elsewhere"]
        kept = {ob.name: len(ob.worldfm.bakes) for ob in bpy.data.objects}
        after = state()
        bpy.data.objects.remove(linked)
    bpy.ops.ed.undo_push(message="before")
    box("Second", look, place=(4, 0, 0)).location.x = 5
    bpy.data.objects["Second"].data.vertices[0].co.x -= 0.5
    bpy.ops.ed.undo_push(message="added")
    stopped = escaped()
    bpy.ops.ed.undo_push(message="baked")
    bpy.ops.ed.undo()
    undone = {ob.name: len(ob.worldfm.bakes) for ob in bpy.data.objects}
    return {"pressed": pressed, "kept": kept, "same": before == after, **stopped, "undone": undone}


def escaped() -> dict[str, Any]:
    """The operator in a window: a value a tick, and Esc before the last."""
    operators = extension.part("operators.bake_materials")
    steps = extension.part("operators.steps")
    wanted = operators.WORLDFM_OT_bake_materials
    said: list[str] = []
    own = {
        name: vars(wanted)[name] for name in ("steps", "_is_missing", "_keep", "keeps", "stopped")
    }
    own |= {"bl_label": wanted.bl_label, **SMALL, "again": True}
    played = type("Played", (steps.StepOperator,), own)()
    played.report = lambda kind, text: said.append(text)
    told: list[str | None] = []
    desk = SimpleNamespace(
        event_timer_add=lambda seconds, window: object(),
        event_timer_remove=lambda timer: None,
        progress_begin=lambda low, high: None,
        progress_update=lambda percent: None,
        progress_end=lambda: None,
        modal_handler_add=lambda operator: None,
        status_text_set=told.append,
    )
    context = SimpleNamespace(
        window_manager=desk, workspace=desk, window=None, scene=bpy.context.scene,
        view_layer=bpy.context.view_layer,
        evaluated_depsgraph_get=bpy.context.evaluated_depsgraph_get,
    )  # fmt: skip
    bpy.data.objects["Loose"].hide_viewport = bpy.data.objects["Loose"].hide_render = True
    played.invoke(context, None)
    answers = []
    for kind in ("TIMER", "TIMER", "TIMER", "ESC"):
        answers += played.modal(context, SimpleNamespace(type=kind, value="PRESS"))
    bakes = {ob.name: len(ob.worldfm.bakes) for ob in bpy.data.objects}
    return {"answers": answers, "told": told, "said": said, "stopped": bakes,
            "left": sorted(scene.name for scene in bpy.data.scenes)}  # fmt: skip


extension.run_one(values, stale, faults)
