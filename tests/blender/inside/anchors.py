# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes of known geometry and colour, and the points they are turned into."""

from __future__ import annotations

import math
from typing import Any

import bpy
import extension
import numpy as np
import scenes

RED, GREEN, BLUE = (0.8, 0.05, 0.05), (0.05, 0.8, 0.05), (0.05, 0.05, 0.8)


def world(current: Any = None) -> Any:
    """The scene's world and what was said while it was read."""
    module = extension.part("scene_sync.world")
    copy = extension.scene_copy(current)
    return module.WorldBuilder().build(copy), copy.warnings


def near(colour: tuple[int, int, int], rgb: np.ndarray) -> np.ndarray:
    return np.abs(rgb.astype(int) - colour).max(axis=-1) <= 2


def shape_and_modifiers() -> dict[str, Any]:
    """A square bent by an Array and a Displace modifier, off its own origin."""
    scenes.empty()
    scenes.add_camera((0, 0, 9))
    square = scenes.add_square("Square", 1, 0, scenes.material("Red", RED))
    square.location = (0, 0, 1)
    array = square.modifiers.new("Array", "ARRAY")
    array.count, array.relative_offset_displace = 3, (1, 0, 0)
    made, _ = world()
    xyz = made.anchors.xyz
    spacing = made.anchors.radius / extension.part("scene_sync.world").RADIUS
    area = float((spacing.astype(np.float64) ** 2).sum())
    return {
        "low": xyz.min(axis=0).tolist(),
        "high": xyz.max(axis=0).tolist(),
        "area": area,
        "colours": len(np.unique(made.anchors.rgb, axis=0)),
        "first": made.anchors.rgb[0].tolist(),
        "whole": made.anchors.whole,
    }


def shaded() -> dict[str, Any]:
    """A cube's points darkened by the way they face, and without; white and black materials."""
    scenes.empty()
    scenes.add_camera((0, 0, 9))
    builder = extension.part("scene_sync.world").WorldBuilder()
    found = {}
    for name, value in (("white", 0.8), ("black", 0.0)):
        bpy.ops.mesh.primitive_cube_add(size=2)
        bpy.context.object.data.materials.append(scenes.material(name, (value,) * 3))
        copy = extension.scene_copy()
        plain, dimmed = builder.build(copy).anchors, builder.build(copy, shaded=True).anchors
        again = builder.build(copy).anchors
        sides = np.abs(plain.xyz).argmax(axis=1), np.sign(plain.xyz).astype(int)
        side = 2 * sides[0] + (sides[1][np.arange(len(plain)), sides[0]] > 0)
        found[name] = {
            "plain": len(np.unique(plain.rgb, axis=0)),
            "sides": sorted({int(dimmed.rgb[side == n].mean()) for n in range(6)}),
            "known": bool(dimmed.rgb.any(axis=1).all()),
            "same places": bool(np.array_equal(plain.xyz, dimmed.xyz)),
            "plain again": bool(np.array_equal(again.rgb, plain.rgb)),
        }
        bpy.data.objects.remove(bpy.context.object)
    return found


def instances() -> dict[str, Any]:
    """A collection instanced twice, its own place hidden."""
    scene = scenes.empty()
    scenes.add_camera((0, 0, 30))
    hidden = bpy.data.collections.new("Hidden")
    square = scenes.add_square("Tile", 0.5, 0)
    scene.collection.objects.unlink(square)
    hidden.objects.link(square)
    for x in (-5, 5):
        copy = bpy.data.objects.new(f"Copy {x}", None)
        copy.instance_type, copy.instance_collection = "COLLECTION", hidden
        copy.location.x = x
        scene.collection.objects.link(copy)
    bpy.context.view_layer.update()
    x = world()[0].anchors.xyz[:, 0]
    return {"left": int((x < -4).sum()), "right": int((x > 4).sum()), "between": int(
        (np.abs(x) < 4).sum())}  # fmt: skip


def colours() -> dict[str, Any]:
    """A texture by UV, a colour attribute, an emission, and what no one colour can say."""
    scene = scenes.empty()
    scenes.add_camera((0, 0, 9))
    quarters = np.zeros((2, 2, 3))
    quarters[0, 0], quarters[0, 1], quarters[1, 0] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    scenes.add_square("Picture", 1, 0, scenes.textured("Quarters", quarters))
    made, _ = world()
    x, y = made.anchors.xyz[:, 0], made.anchors.xyz[:, 1]
    inner = (np.abs(x) > 0.02) & (np.abs(y) > 0.02)
    wanted = np.ones((len(x), 3), int)  # black: 0 is a colour that nobody knows
    wanted[(x < 0) & (y < 0)] = (255, 0, 0)
    wanted[(x > 0) & (y < 0)] = (0, 255, 0)
    wanted[(x < 0) & (y > 0)] = (0, 0, 255)
    found = {"texture": float((made.anchors.rgb == wanted).all(axis=1)[inner].mean())}

    scene = scenes.empty()
    scenes.add_camera((0, 0, 90))
    fine = np.indices((512, 512)).sum(axis=0)[..., None] % 2 * np.ones(3)
    scenes.add_square("Fine", 1, 0, scenes.textured("Fine", fine))
    found["fine"] = np.unique(world()[0].anchors.rgb).tolist()

    scene = scenes.empty()
    scenes.add_camera((0, 0, 9))
    painted = scenes.material("Painted", (0, 0, 0))
    node = painted.node_tree.nodes.new("ShaderNodeVertexColor")
    node.layer_name = "Paint"
    shader = painted.node_tree.nodes["Principled BSDF"]
    painted.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    square = scenes.add_square("Painted", 1, 0, painted)
    layer = square.data.color_attributes.new("Paint", "FLOAT_COLOR", "POINT")
    for corner in layer.data:
        corner.color = (0.214041, 0.0, 1.0, 1.0)  # 0.5 in sRGB
    rgb = world()[0].anchors.rgb
    found["attribute"] = rgb[len(rgb) // 2].tolist()

    shader.inputs["Emission Color"].default_value = (0, 1, 0, 1)
    for link in list(painted.node_tree.links):
        if link.to_socket.name == "Base Color":
            painted.node_tree.links.remove(link)
    shader.inputs["Emission Strength"].default_value = 2
    rgb = world()[0].anchors.rgb
    found["glow"] = rgb[0].tolist()
    scene.unit_settings.scale_length = 1.0
    return found


def faults() -> dict[str, Any]:
    """Objects that cannot be placed are named and left out; the others stay."""
    scenes.empty()
    scenes.add_camera((0, 0, 9))
    scenes.add_square("Good", 1, 0)
    flat = scenes.add_square("Flat", 1, 0)
    flat.scale = (0, 0, 0)
    lost = scenes.add_square("Lost", 1, 0)
    lost.location.x = math.nan
    broken = scenes.add_square("Broken", 1, 0)
    broken.data.vertices[0].co.x = math.nan
    bpy.context.view_layer.update()
    made, warnings = world()
    found: dict[str, Any] = {
        "warnings": sorted(warnings),
        "finite": bool(np.isfinite(made.anchors.xyz).all()),
        "points": len(made.anchors),
    }
    scenes.empty()
    scenes.add_camera((0, 0, 9))
    errors = extension.part("backend.shared.errors")
    try:
        world()
    except errors.WorldError as error:
        found["nothing"] = str(error)
    return found


def same_again() -> dict[str, Any]:
    """Order of creation changes nothing; moving one object changes its points alone."""
    first = []
    for order in (("A", "B"), ("B", "A")):
        scenes.empty()
        scenes.add_camera((0, 0, 9))
        for name in order:
            scenes.add_square(name, 1, 0.0 if name == "A" else 0.5)
        first.append(world()[0])
    one, other = first
    module = extension.part("scene_sync.world")
    reader, builder = extension.part("scene_sync.scene_reader").SceneReader(), module.WorldBuilder()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    before = builder.build(reader.read(depsgraph, None))
    again = builder.build(reader.read_more(depsgraph, None, 1.0))
    bpy.data.objects["B"].location.z += 0.25
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    after = builder.build(reader.read_more(depsgraph, None, 1.0))
    fresh = module.WorldBuilder().build(reader.read(depsgraph, None))
    low = lambda made: made.anchors.xyz[made.anchors.xyz[:, 2] == 0]  # noqa: E731
    return {
        "order": one.revision == other.revision
        and bool((one.anchors.xyz == other.anchors.xyz).all()),
        "kept": again.anchors is before.anchors,
        "fresh": np.array_equal(fresh.anchors.xyz, after.anchors.xyz)
        and fresh.revision == after.revision,
        "moved": after.revision != before.revision,
        "unmoved_points": bool(np.array_equal(low(before), low(after))),
    }


def last_bits() -> dict[str, Any]:
    """Whether the last bits of UVs, and a real move of them, make another world."""
    scenes.empty()
    scenes.add_camera((0, 0, 9))
    square = scenes.add_square("Square", 1, 0)
    layer = square.data.uv_layers.active or square.data.uv_layers.new()
    uv = np.random.default_rng(0).random(2 * len(layer.uv), np.float32)
    revisions = []
    for moved in (0.0, 1e-7, 0.05):
        layer.uv.foreach_set("vector", uv + np.float32(moved))
        square.data.update()
        bpy.context.view_layer.update()
        revisions.append(world()[0].revision)
    return {
        "bits": revisions[1] == revisions[0],
        "move": revisions[2] == revisions[0],
    }


def density() -> dict[str, Any]:
    """No pixel of the camera's picture is far from a point; and metres follow the scene's unit."""
    scene = scenes.empty()
    scene.render.resolution_x = scene.render.resolution_y = 128
    ob = scenes.add_camera((0, -3, 1.2), (0, 3, 0))
    scenes.add_square("Floor", 20, 0)
    made, _ = world()
    camera = extension.part("scene_sync.cameras").render_camera(ob, scene)
    uv, depth = camera.project(made.anchors.xyz.astype(float))
    inside = (depth > 0) & (uv > 0).all(axis=1) & (uv < 128).all(axis=1)
    hit = np.zeros((128, 128), bool)
    hit[tuple(uv[inside].astype(int).T[::-1])] = True
    rays = camera.rays()
    floor = (rays[..., 2] < 0) & (
        np.abs(camera.position[1] - 1.2 / rays[..., 2] * rays[..., 1]) < 19
    )
    floor &= np.abs(1.2 / rays[..., 2] * rays[..., 0]) < 19
    scene.worldfm.point_budget = 10_000
    few = len(world()[0].anchors)
    scene.worldfm.point_budget = 200_000
    scene.unit_settings.scale_length = 0.01
    small = world()[0].anchors.xyz
    scene.unit_settings.scale_length = 1e-4  # a world of four millimetres
    tiny = len(world()[0].anchors)
    scene.unit_settings.scale_length = 1.0
    return {
        "tiny": tiny,
        "covered": float(hit[floor].mean()),
        "few": few,
        "size_in_metres": float(small[:, 0].max()),
    }


def one_world_for_a_path() -> dict[str, list[int]]:
    """How many worlds the frames of an animation need, for cameras that are moved in many ways."""
    scene = scenes.small_world(frames=9)
    camera = scene.camera
    rendering = extension.part("scene_sync.cameras")

    def revisions() -> tuple[int, float]:
        """Of how many kinds the frames' worlds are, and how far apart points are in the picture."""
        found, apart = set(), []
        for frame in (1, 4, 9, 2):
            scene.frame_set(frame)
            depsgraph = bpy.context.evaluated_depsgraph_get()
            current = rendering.render_camera(camera.evaluated_get(depsgraph), scene)
            made, _ = world(current)
            found.add(made.revision)
            uv, depth = current.project(made.anchors.xyz.astype(float))
            seen = (depth > 0) & (uv > 0).all(axis=1) & (uv < (64, 48)).all(axis=1)
            pixels = made.anchors.radius[seen] / 0.75 * current.K[0, 0] / depth[seen]
            apart.append(float(np.median(pixels)))
        return len(found), max(apart)

    found = {"keys": revisions()}
    camera.data.lens = 30
    camera.data.keyframe_insert("lens", frame=1)
    camera.data.lens = 90
    camera.data.keyframe_insert("lens", frame=9)
    found["zoom"] = revisions()
    camera.data.animation_data_clear()
    camera.data.lens = 50

    camera.animation_data_clear()
    camera.location = (0, 0, 0)
    bpy.ops.curve.primitive_bezier_circle_add(radius=6, location=(0, 0, 2.5))
    path = bpy.context.object
    path.data.path_duration = 9
    path.data.eval_time = 0
    path.data.keyframe_insert("eval_time", frame=1)
    path.data.eval_time = 4
    path.data.keyframe_insert("eval_time", frame=9)
    look = camera.constraints.new("TRACK_TO")
    look.target = bpy.data.objects["Ball"]
    follow = camera.constraints.new("FOLLOW_PATH")
    follow.target = path
    camera.constraints.move(1, 0)  # looks from where the path has put it
    found["follow path"] = revisions()

    camera.constraints.remove(follow)
    carrier = bpy.data.objects.new("Carrier", None)
    scene.collection.objects.link(carrier)
    carrier.constraints.new("FOLLOW_PATH").target = path
    camera.parent = carrier
    found["carried"] = revisions()
    camera.parent = None
    camera.constraints.new("COPY_LOCATION").target = carrier
    camera.constraints.move(1, 0)
    found["copied"] = revisions()
    return found


extension.run_all(
    shape_and_modifiers,
    shaded,
    instances,
    colours,
    faults,
    same_again,
    last_bits,
    density,
    one_world_for_a_path,
)
