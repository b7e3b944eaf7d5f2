# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes read as exact surfaces, materials and lamps."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes


def read(problems: list[str] | None = None) -> Any:
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)


def by_key(scene: Any) -> dict[str, Any]:
    return {one.key: one for one in scene.instances}


def meshes() -> dict[str, Any]:
    """Shared data, units, normals, layers, bounds."""
    scene = scenes.empty()
    scene.unit_settings.scale_length = 0.5
    square = scenes.add_square("Flat", 1, 0)
    twin = bpy.data.objects.new("Twin", square.data)
    twin.location, twin.scale = (4, 0, 0), (2, 2, 2)
    scene.collection.objects.link(twin)
    smooth = scenes.add_square("Smooth", 1, 0)
    smooth.data.polygons.foreach_set("use_smooth", [True])
    bent = scenes.add_square("Bent", 1, 0)
    bent.data.normals_split_custom_set([(0, 0.6, 0.8)] * 4)
    painted = scenes.add_square("Painted", 1, 0)
    for kind, domain in (("BYTE_COLOR", "CORNER"), ("FLOAT_COLOR", "POINT")):
        layer = painted.data.color_attributes.new(kind, kind, domain)
        layer.data.foreach_set("color", [0.25, 0.5, 1.0, 0.75] * 4)
    painted.data.color_attributes.default_color_name = "FLOAT_COLOR"
    text = bpy.data.objects.new("Text", bpy.data.curves.new("Text", "FONT"))
    text.data.body = "o"
    scene.collection.objects.link(text)
    bpy.context.view_layer.update()
    found = read()
    scene.unit_settings.scale_length = 1.0
    one = by_key(found)
    mesh = {key: found.meshes[value.mesh] for key, value in one.items()}
    return {
        "units": found.units,
        "shared": one["Flat"].mesh == one["Twin"].mesh,
        "matrix": one["Twin"].matrix.tolist(),
        "vertices": mesh["Flat"].vertices.tolist(),
        "flat": mesh["Flat"].normals is None,
        "smooth": mesh["Smooth"].normals[0, 0].tolist(),
        "bent": mesh["Bent"].normals.reshape(-1, 3)[3].tolist(),
        "uv": [list(mesh["Flat"].uv), mesh["Flat"].active_uv],
        "byte": mesh["Painted"].colors["BYTE_COLOR"][0, 0].tolist(),
        "float": mesh["Painted"].colors["FLOAT_COLOR"][1, 2].tolist(),
        "active": mesh["Painted"].active_color,
        "bounds": mesh["Flat"].bounds.tolist(),
        "text": [len(m.triangles) for key, m in mesh.items() if key.startswith("Text")],
        "triangles": found.triangle_count(),
    }


def edited() -> list[Any]:
    """Corners and layers of a mesh in Edit Mode, of its copy and of one with a modifier."""
    scene = scenes.empty()
    square = scenes.add_square("Edited", 1, 0)
    twin = bpy.data.objects.new("Twin", square.data)
    divided = bpy.data.objects.new("Divided", square.data)
    divided.modifiers.new("Divide", "SUBSURF").subdivision_type = "SIMPLE"
    for ob in (twin, divided):
        scene.collection.objects.link(ob)
    bpy.context.view_layer.objects.active = square
    bpy.ops.object.mode_set(mode="EDIT")
    found = read()
    bpy.ops.object.mode_set(mode="OBJECT")
    mesh = {key: found.meshes[one.mesh] for key, one in by_key(found).items()}
    return [[key, len(mesh[key].vertices), list(mesh[key].uv)] for key in sorted(mesh)]


def flat_beside_smooth() -> dict[str, Any]:
    """A smooth face meets a flat one at a right angle; then their edge is marked sharp."""
    scene = scenes.empty()
    mesh = bpy.data.meshes.new("Fold")
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, -1), (1, 0, -1)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3), (1, 0, 4, 5)])
    mesh.polygons.foreach_set("use_smooth", [True, False])
    fold = bpy.data.objects.new("Fold", mesh)
    scene.collection.objects.link(fold)
    bpy.context.view_layer.update()

    def edge() -> list[list[float]]:
        """Normals of the shared vertex 0, of the smooth face and of the flat one."""
        found = read().meshes[0]
        rows = [found.normals[k][found.triangles[k] == 0][0].tolist() for k in (0, 2)]
        return rows

    blended = edge()
    shared = next(e for e in mesh.edges if set(e.vertices) == {0, 1})
    shared.use_edge_sharp = True
    mesh.update()
    bpy.context.view_layer.update()
    return {"blended": blended, "sharp": edge()}


def objects() -> dict[str, Any]:
    """Slots, override, visibility, collections, holdout, and what cannot be placed."""
    scene = scenes.empty()
    red, green = scenes.material("Red", (1, 0, 0)), scenes.material("Green", (0, 1, 0))
    square = scenes.add_square("Square", 1, 0, red)
    square.material_slots[0].link = "OBJECT"
    square.material_slots[0].material = green
    square.visible_camera = square.visible_shadow = False
    square.is_shadow_catcher = True
    square.color = (0.5, 0.25, 1, 1)
    layers = {}
    for name in ("Cut", "Indirect"):
        collection = bpy.data.collections.new(name)
        scene.collection.children.link(collection)
        ob = scenes.add_square(name, 1, 0)
        scene.collection.objects.unlink(ob)
        collection.objects.link(ob)
        layers[name] = bpy.context.view_layer.layer_collection.children[name]
    layers["Cut"].holdout, layers["Indirect"].indirect_only = True, True
    scenes.add_square("Held", 1, 0).is_holdout = True
    scenes.add_square("Broken", 1, 0).data.vertices[0].co.x = math.nan
    scenes.add_square("Flat", 1, 0).scale = (0, 0, 0)
    bpy.context.view_layer.update()
    problems: list[str] = []
    found = read(problems)
    one = by_key(found)
    bpy.context.view_layer.material_override = red
    bpy.context.view_layer.update()
    over = {m.name for m in read().materials}
    bpy.context.view_layer.material_override = None
    return {
        "slots": [found.materials[i].name for i in one["Square"].materials],
        "visible": {key: value.visible for key, value in one.items()},
        "holdout": {key: value.holdout for key, value in one.items()},
        "catcher": one["Square"].shadow_catcher,
        "color": list(one["Square"].color),
        "override": sorted(over),
        "problems": sorted(problems),
    }


def without_depth() -> dict[str, Any]:
    """Flattened boxes, one with its own mesh and two that share one with a deep box; and what
    Cycles shows of them before a white sky."""
    scene = scenes.empty()
    boxes = {}
    for name, flat in (("Own", True), ("Deep", False), ("One", True), ("Two", True)):
        if name in ("Own", "Deep"):
            bpy.ops.mesh.primitive_cube_add(size=2 if flat else 1.5)
            boxes[name] = bpy.context.object
        else:
            boxes[name] = bpy.data.objects.new(name, boxes["Deep"].data)
            scene.collection.objects.link(boxes[name])
        boxes[name].name = name
        boxes[name].location = (4 * len(boxes), 0, 0)
        boxes[name].scale.z = 0 if flat else 1
    camera = scenes.add_camera((0, 0, 5))
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1
    scene.camera = camera
    world = scene.world = bpy.data.worlds.new("Bright")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    scene.render.engine, scene.cycles.samples = "CYCLES", 4
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 4
    scene.render.image_settings.file_format = "OPEN_EXR"
    rendered = {}
    for name, box in boxes.items():
        camera.location.x = box.location.x
        scene.render.filepath = str(Path(tempfile.mkdtemp()) / "box.exr")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        rendered[name] = float(np.mean(np.reshape(image.pixels[:], (-1, 4))[:, :3]))
        bpy.data.images.remove(image)
    bpy.context.view_layer.update()
    return {"read": sorted(by_key(read())), "rendered": rendered}


def unchanged() -> dict[str, Any]:
    """What was read before is the same object; an edited mesh is a new one."""
    scenes.empty()
    scenes.add_square("Kept", 1, 0)
    edited = scenes.add_square("Edited", 1, 0, scenes.material("M", (1, 0, 0)))
    bpy.context.view_layer.update()
    reader = extension.part("scene_sync.scene_reader").SceneReader()

    def look() -> dict[str, Any]:
        found, _ = reader.read_exact(bpy.context.evaluated_depsgraph_get())
        return {one.key: found.meshes[one.mesh] for one in found.instances}

    first = look()
    edited.data.vertices[0].co.z = 1
    edited.data.update_tag()
    bpy.context.view_layer.update()
    second = look()
    return {
        "kept": first["Kept"] is second["Kept"],
        "edited": first["Edited"] is second["Edited"],
        "moved": float(second["Edited"].vertices[0, 2]),
    }


def graph() -> dict[str, Any]:
    """Groups, reroutes, muted nodes, conversions, tables, and a second output."""
    made = scenes.material("Graph", (0.1, 0.2, 0.3))
    tree = made.node_tree
    nodes, links = tree.nodes, tree.links
    shader = nodes["Principled BSDF"]
    inner = bpy.data.node_groups.new("Doubled", "ShaderNodeTree")
    inner.interface.new_socket("In", in_out="INPUT", socket_type="NodeSocketFloat")
    inner.interface.new_socket("Out", in_out="OUTPUT", socket_type="NodeSocketFloat")
    ends = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    twice = inner.nodes.new("ShaderNodeMath")
    twice.operation = "MULTIPLY"
    twice.inputs[1].default_value = 2
    inner.links.new(ends[0].outputs[0], twice.inputs[0])
    inner.links.new(twice.outputs[0], ends[1].inputs[0])
    group = nodes.new("ShaderNodeGroup")
    group.node_tree = inner
    group.inputs[0].default_value = 0.25
    dot = nodes.new("NodeReroute")
    links.new(group.outputs[0], dot.inputs[0])
    links.new(dot.outputs[0], shader.inputs["Roughness"])
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (1, 0, 0, 1)
    links.new(ramp.outputs["Color"], shader.inputs["Metallic"])
    colour = nodes.new("ShaderNodeRGB")
    colour.outputs[0].default_value = (0.5, 0.25, 0.125, 1)
    gamma = nodes.new("ShaderNodeGamma")
    gamma.mute = True
    links.new(colour.outputs[0], gamma.inputs["Color"])
    links.new(gamma.outputs[0], shader.inputs["Base Color"])
    nodes.new("ShaderNodeTexNoise")  # reached by nothing
    curves = nodes.new("ShaderNodeRGBCurve")
    curves.mapping.curves[3].points[1].location = (1, 0.5)
    links.new(curves.outputs[0], shader.inputs["Emission Color"])
    other = nodes.new("ShaderNodeOutputMaterial")
    other.target = "EEVEE"
    links.new(colour.outputs[0], other.inputs["Surface"])
    program = json.loads(_program(made))
    by_type = {node["type"]: node for node in program["nodes"]}
    principled = by_type["BSDF_PRINCIPLED"]["inputs"]
    return {
        "types": sorted(node["type"] for node in program["nodes"]),
        "surface": program["surface"]["node"] == len(program["nodes"]) - 1,
        "earlier": all(
            value["node"] < number
            for number, node in enumerate(program["nodes"])
            for value in node["inputs"].values()
            if isinstance(value, dict)
        ),
        "math": by_type["MATH"],
        "base": principled["Base Color"],
        "converted": program["nodes"][principled["Metallic"]["node"]]["type"],
        "normal": "Normal" in principled,
        "ramp": [
            len(by_type["VALTORGB"]["props"]["ramp"]),
            by_type["VALTORGB"]["props"]["ramp"][0],
        ],
        "curve": by_type["CURVE_RGB"]["props"]["curve"][-1],
    }


def _program(material: Any) -> str:
    graph = extension.part("scene_sync.shader_graph")
    return graph.read_material(material, 1).program([])


def no_nodes() -> dict[str, Any]:
    """No material, one without an output, one that is a volume only, a circle of links."""
    scene = scenes.empty()
    empty = bpy.data.materials.new("Empty")
    empty.use_nodes = True
    empty.node_tree.nodes.clear()
    fog = bpy.data.materials.new("Fog")
    fog.use_nodes = True
    fog.node_tree.nodes.clear()
    output = fog.node_tree.nodes.new("ShaderNodeOutputMaterial")
    volume = fog.node_tree.nodes.new("ShaderNodeVolumeScatter")
    fog.node_tree.links.new(volume.outputs[0], output.inputs["Volume"])
    scenes.add_square("Cloud", 1, 0, fog)
    scenes.add_square("Black", 1, 0, empty)
    scenes.add_square("Grey", 1, 0)
    circle = scenes.material("Circle", (1, 1, 1))
    tree = circle.node_tree
    pair = [tree.nodes.new("ShaderNodeMath") for _ in range(2)]
    tree.links.new(pair[0].outputs[0], pair[1].inputs[0])
    tree.links.new(pair[1].outputs[0], pair[0].inputs[0])
    tree.links.new(pair[0].outputs[0], tree.nodes["Principled BSDF"].inputs["Roughness"])
    scenes.add_square("Round", 1, 0, circle)
    smoke = bpy.data.objects.new("Smoke", bpy.data.volumes.new("Smoke"))
    scene.collection.objects.link(smoke)
    scenes.add_camera((0, 0, 5))
    scene.world = None
    bpy.context.view_layer.update()
    problems: list[str] = []
    found = read(problems)
    programs = {m.name: json.loads(m.program) for m in found.materials}
    return {
        "instances": sorted(by_key(found)),
        "empty": programs["Empty"]["surface"],
        "grey": programs[""]["nodes"][0],
        "viewpoints": [camera.c2w[2, 3] for camera in found.viewpoints],
        "problems": sorted(problems),
        "version": bpy.app.version[0],
        "background": found.background.pixels.tolist(),
    }


def budget() -> dict[str, Any]:
    """A fine sphere and many small ones in a budget of their own."""
    module = extension.part("scene_sync.budget")
    scenes.empty()
    bpy.ops.mesh.primitive_uv_sphere_add(segments=128, ring_count=64)
    bpy.context.object.data.polygons.foreach_set(
        "use_smooth", [True] * len(bpy.context.object.data.polygons)
    )
    large = bpy.context.object
    for number in range(40):
        small = bpy.data.objects.new(f"Small {number}", large.data)
        small.scale = [0.01 * (number + 1)] * 3
        bpy.context.scene.collection.objects.link(small)
    scenes.add_square("Floor", 9, -1)
    bpy.context.view_layer.update()
    found = read()
    meshes, instances, said = module.within_budget(
        list(found.meshes), list(found.instances), 100_000
    )
    coarse = next(m for m in meshes if len(m.triangles) > 2)
    again = module.within_budget(list(found.meshes), list(found.instances), 100_000)[0]
    few = module.within_budget(list(found.meshes), list(found.instances), 10_000)
    return {
        "before": found.triangle_count(),
        "after": sum(len(meshes[one.mesh].triangles) for one in instances),
        "instances": len(instances),
        "radius": [
            float(r) for r in np.percentile(np.linalg.norm(coarse.vertices, axis=1), (0, 100))
        ],
        "corners": [len(coarse.uv["UVMap"]), len(coarse.normals), len(coarse.triangles)],
        "same": all(a is b for a, b in zip(meshes, again, strict=True)),
        "said": said,
        "few": [sum(len(few[0][one.mesh].triangles) for one in few[1]), few[2]],
        "kept": {"Floor", "Sphere"} <= {one.key for one in few[1]},
        "enough": module.within_budget(list(found.meshes), list(found.instances))[2],
        "memory": module.machine_memory(),
        "most": [module.most_triangles(gigabytes * 10**9) for gigabytes in (0, 8, 16, 64)],
    }


extension.run_all(
    meshes, edited, flat_beside_smooth, objects, unchanged, graph, no_nodes, budget, without_depth
)
