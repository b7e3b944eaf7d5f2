# SPDX-License-Identifier: GPL-3.0-or-later
"""Things on a table: the default cube, still lifes, glass, hair, procedural and old shaders."""

from __future__ import annotations

import bpy

from .. import textures
from ..shapes import box, lathe
from .stage import (
    Stage,
    add,
    around,
    ball,
    bumpy,
    camera,
    empty,
    lamp,
    monkey,
    plane,
    principled,
    shader_of,
    shots,
    torus,
    travel,
    tube,
    world,
)

TABLE = (0.0, 0.0, 0.12)
"""What still lifes are looked at."""


def cube() -> Stage:
    """The file that Blender opens with."""
    bpy.ops.wm.read_homefile(use_empty=False, use_factory_startup=True)
    bpy.context.scene.render.engine = "CYCLES"
    turned = around((0, 0, 0), 11.0, 97.0, 26.0)  # the file's own camera stands at 47 degrees
    camera("Turned", turned, (0, 0, 0), 50.0)
    camera("Other", around((0, 0, 0), 9.0, 20.0, 35.0), (0, 0, 0), 50.0)
    film = travel(
        "Film",
        [(around((0, 0, 0), 10.0, turn, 25.0), (0, 0, 0)) for turn in (40, 60, 80)],
        50.0,
    )
    return Stage(shots("Turned", "Camera", "Other"), shots("Camera", "Other"), film)


def still_life() -> Stage:
    """Seen from between two captured views."""
    _still_life()
    film = travel("Film", [(around(TABLE, 1.5, turn, 24.0), TABLE) for turn in (-25, 0, 25)], 50.0)
    return Stage(shots("Left", "Right", "Above"), shots("Middle", "Near"), film)


def still_life_aside() -> Stage:
    """Seen from well beside what was captured."""
    _still_life()
    return Stage(shots("Left", "Middle"), shots("Side", "Behind"))


def _still_life() -> None:
    scene = empty()
    scene.view_settings.view_transform = "AgX"
    wood = principled(
        "Table wood",
        textures.tint(textures.clouds(512, 3, 6, 8), (0.34, 0.2, 0.1), (0.62, 0.42, 0.24)),
        Roughness=0.35,
    )
    plane("Table", (0, 0, 0), 3.0, wood, 0.8)
    cloth = bumpy(
        principled("Cloth", textures.fabric((0.45, 0.18, 0.16), (0.74, 0.42, 0.34)), Roughness=0.9),
        textures.clouds(256, 8, 5, 16),
        0.01,
    )
    box("Cloth", (0.05, 0.05, 0.004), (0.7, 0.5, 0.008), cloth, 0.35)
    peel = bumpy(
        principled("Orange", (0.85, 0.3, 0.03), Roughness=0.4),
        textures.clouds(512, 5, 4, 64),
        0.004,
    )
    apple = principled(
        "Apple",
        textures.tint(textures.clouds(256, 9, 5, 4), (0.55, 0.05, 0.05), (0.8, 0.6, 0.15)),
        Roughness=0.22,
    )
    ball("Orange", (-0.2, -0.1, 0.078), 0.07, peel)
    ball("Orange too", (-0.08, -0.19, 0.07), 0.062, peel)
    ball("Apple", (0.06, -0.14, 0.073), 0.065, apple)
    ball(
        "Chrome",
        (0.26, -0.02, 0.088),
        0.08,
        principled("Chrome", (0.9, 0.9, 0.9), Metallic=1.0, Roughness=0.03),
    )
    ball(
        "Brass",
        (0.2, -0.2, 0.05),
        0.05,
        principled("Brass", (0.8, 0.5, 0.18), Metallic=1.0, Roughness=0.28),
    )
    china = principled("China", (0.75, 0.78, 0.8), Roughness=0.12, Coat_Weight=0.5)
    vase = [
        (0.07, 0),
        (0.1, 0.08),
        (0.09, 0.2),
        (0.04, 0.3),
        (0.055, 0.36),
        (0.045, 0.35),
        (0, 0.1),
    ]
    add("Vase", lathe("Vase", vase, china), (0.0, 0.18, 0.008))
    velvet = principled("Velvet", (0.08, 0.12, 0.4), Roughness=0.9, Sheen_Weight=0.6)
    box("Box", (-0.3, 0.16, 0.09), (0.16, 0.22, 0.18), velvet, bevel=0.01, turn=0.4)
    back = principled("Wall", textures.plaster(), Roughness=0.9)
    box("Wall", (0, 1.2, 0.9), (4.0, 0.05, 1.9), back, 1.0)
    lamp("AREA", (-1.2, -0.8, 1.5), TABLE, 30.0, size=0.6, color=(1.0, 0.9, 0.78))
    lamp("POINT", (1.1, -0.3, 1.0), TABLE, 9.0, shadow_soft_size=0.05, color=(0.75, 0.86, 1.0))
    world((0.12, 0.13, 0.15))
    for name, turn, rise in (
        ("Middle", 0, 22), ("Left", -28, 26), ("Right", 28, 24), ("Above", 5, 55),
        ("Side", 72, 20), ("Behind", -68, 32),
    ):  # fmt: skip
        camera(name, around(TABLE, 1.5, turn, rise), TABLE, 50.0)
    camera("Near", around((-0.05, -0.12, 0.08), 0.7, -10, 28), (-0.05, -0.12, 0.07), 50.0)


def glass() -> Stage:
    """Panes, a bottle and a ball of glass, and a mirror, in thin fog."""
    empty()
    floor = principled("Floor", textures.wood_floor(512, 6), Roughness=0.4)
    plane("Floor", (0, 0, 0), 6.0, floor, 1.5)
    box("Wall", (0, 1.6, 1.4), (9, 0.1, 3.0), principled("Wall", textures.bricks(512, 12)), 1.2)
    clear = principled("Glass", (1, 1, 1), Transmission_Weight=1.0, Roughness=0.0, IOR=1.45)
    tinted = principled("Green glass", (0.5, 0.85, 0.6), Transmission_Weight=1.0, Roughness=0.0)
    box("Pane", (-0.6, 0.1, 0.5), (0.8, 0.012, 1.0), clear)
    box("Green pane", (0.35, 0.2, 0.45), (0.7, 0.012, 0.9), tinted, turn=0.3)
    ball("Glass ball", (0.05, -0.5, 0.2), 0.2, clear)
    silver = principled("Mirror", (0.95, 0.95, 0.95), Metallic=1.0, Roughness=0.0)
    box("Mirror", (1.35, 0.6, 0.7), (0.8, 0.03, 1.2), silver, turn=-0.7)
    ball("Red", (-0.7, 0.8, 0.25), 0.25, principled("Red", (0.7, 0.08, 0.05)))
    tube("Blue", (0.3, 0.95, 0), 0.2, 0.7, principled("Blue", (0.08, 0.2, 0.6), Roughness=0.3))
    monkey("Head", (-0.1, 0.9, 0.35), 0.5, principled("Clay", (0.6, 0.5, 0.35)), 0.3)
    lamp("AREA", (-1.5, -1.8, 2.6), (0, 0.4, 0.3), 140.0, size=1.0)
    lamp("POINT", (1.4, -1.2, 1.6), (0, 0, 0), 40.0, shadow_soft_size=0.1, color=(1, 0.85, 0.7))
    tree = world((0.0, 0.0, 0.0)).node_tree
    fog = tree.nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value = 0.04
    out = next(n for n in tree.nodes if n.type == "OUTPUT_WORLD")
    tree.links.new(fog.outputs["Volume"], out.inputs["Volume"])
    for name, turn, rise in (("Front", 0, 12), ("Left", -24, 16), ("Right", 26, 14)):
        camera(name, around((0, 0.3, 0.4), 2.9, turn, rise), (0, 0.3, 0.4), 40.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def hair() -> Stage:
    """A furry ball and a tuft of strands on a head."""
    empty()
    plane("Floor", (0, 0, 0), 4.0, principled("Floor", (0.45, 0.42, 0.4)))
    skin = principled("Skin", (0.25, 0.3, 0.36), Roughness=0.6)
    fur = _strands("Fur", (0.3, 0.13, 0.04))
    for name, at, radius, count, length in (
        ("Ball", (-0.35, 0, 0.36), 0.3, 5000, 0.09),
        ("Head", (0.42, 0.05, 0.34), 0.3, 900, 0.2),
    ):
        body = ball(name, at, radius, skin, 16)
        body.data.materials.append(fur)
        body.modifiers.new("Hair", "PARTICLE_SYSTEM")
        settings = body.particle_systems[0].settings
        settings.type, settings.count, settings.hair_length = "HAIR", count, length
        settings.material, settings.hair_step = 2, 4
        settings.brownian_factor = 0.02
        settings.root_radius, settings.tip_radius = 0.6, 0.1
        settings.radius_scale = 0.006
    lamp("AREA", (-1.4, -1.2, 2.0), (0, 0, 0.3), 50.0, size=0.7)
    lamp("SUN", (1, -1, 2), (0, 0, 0), 1.2, angle=0.05)
    world((0.3, 0.33, 0.4), 0.7)
    for name, turn, rise in (("Front", 0, 14), ("Left", -32, 18), ("Right", 30, 16)):
        camera(name, around((0, 0, 0.35), 2.0, turn, rise), (0, 0, 0.35), 50.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def _strands(name: str, color: tuple) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeBsdfHairPrincipled")
    shader.parametrization = "COLOR"
    shader.inputs["Color"].default_value = (*color, 1)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return made


def procedural() -> Stage:
    """Noise, Voronoi, wave, brick and magic textures, on shapes without UVs in use."""
    empty()
    kinds = {
        "noise": ("ShaderNodeTexNoise", {"Scale": 6.0, "Detail": 8.0}),
        "cells": ("ShaderNodeTexVoronoi", {"Scale": 7.0}),
        "wave": ("ShaderNodeTexWave", {"Scale": 3.0, "Distortion": 5.0, "Detail": 3.0}),
        "brick": ("ShaderNodeTexBrick", {"Scale": 4.0}),
        "magic": ("ShaderNodeTexMagic", {"Scale": 3.0}),
        "checker": ("ShaderNodeTexChecker", {"Scale": 6.0}),
    }
    looks = {name: _pattern(name, kind, inputs) for name, (kind, inputs) in kinds.items()}
    plane("Floor", (0, 0, 0), 6.0, looks["brick"])
    box("Wall", (0, 1.4, 1.0), (5, 0.1, 2.0), looks["noise"])
    ball("Cells", (-0.7, 0, 0.35), 0.35, looks["cells"])
    monkey("Wood", (0.1, 0.1, 0.42), 0.8, looks["wave"], 0.3)
    box("Magic", (0.85, 0.1, 0.3), (0.6, 0.6, 0.6), looks["magic"], bevel=0.03, turn=0.5)
    torus("Checker", (0.25, -0.55, 0.1), 0.24, 0.1, looks["checker"])
    lamp("SUN", (-2, -2, 3), (0, 0, 0), 3.0, angle=0.03)
    lamp("AREA", (1.5, -1.5, 2.0), (0, 0, 0.3), 40.0, size=0.8)
    world((0.4, 0.5, 0.7), 0.5)
    for name, turn, rise in (("Front", 0, 20), ("Left", -30, 22), ("Right", 28, 26)):
        camera(name, around((0, 0.1, 0.3), 3.0, turn, rise), (0, 0.1, 0.3), 40.0)
    film = travel(
        "Film", [(around((0, 0.1, 0.3), 3.0, a, 22), (0, 0.1, 0.3)) for a in (-12, 0, 12)], 40.0
    )
    return Stage(shots("Left", "Right"), shots("Front"), film)


def _pattern(name: str, kind: str, inputs: dict[str, float]) -> bpy.types.Material:
    made = principled(name, (0.5, 0.5, 0.5), Roughness=0.45)
    tree = made.node_tree
    place = tree.nodes.new("ShaderNodeTexCoord")
    source = tree.nodes.new(kind)
    for socket, value in inputs.items():
        source.inputs[socket].default_value = value
    tree.links.new(place.outputs["Object"], source.inputs["Vector"])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    hue = sum(map(ord, name)) % 7 / 7
    ramp.color_ramp.elements[0].color = (0.1 + 0.3 * hue, 0.08, 0.3 - 0.3 * hue, 1)
    ramp.color_ramp.elements[1].color = (0.8, 0.5 + 0.3 * hue, 0.3 + 0.4 * hue, 1)
    tree.links.new(source.outputs[-1 if kind == "ShaderNodeTexBrick" else 0], ramp.inputs["Fac"])
    shader = shader_of(made)
    tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = 0.5, 0.02
    tree.links.new(ramp.outputs["Color"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    return made


def old_style() -> Stage:
    """Shaders and display as files of Blender 2.7 have them, without a Principled node."""
    scene = empty()
    scene.view_settings.view_transform = "Standard"
    diffuse, glossy, mixed, added = (
        bpy.data.materials.new(n) for n in ("diffuse", "glossy", "mixed", "added")
    )
    _closures(diffuse, [("ShaderNodeBsdfDiffuse", (0.6, 0.55, 0.5), {})], None)
    _closures(glossy, [("ShaderNodeBsdfAnisotropic", (0.8, 0.8, 0.75), {"Roughness": 0.2})], None)
    layered = [
        ("ShaderNodeBsdfDiffuse", (0.55, 0.06, 0.04), {}),
        ("ShaderNodeBsdfAnisotropic", (0.9, 0.9, 0.9), {"Roughness": 0.1}),
    ]
    _closures(mixed, layered, "ShaderNodeMixShader")
    lit = [
        ("ShaderNodeBsdfDiffuse", (0.1, 0.3, 0.12), {}),
        ("ShaderNodeEmission", (0.3, 0.6, 0.1), {"Strength": 0.15}),
    ]
    _closures(added, lit, "ShaderNodeAddShader")
    picture = principled("tiles", textures.bricks(256, 8))
    plane("Floor", (0, 0, 0), 8.0, picture, 1.0)
    box("Wall", (0, 2.0, 1.0), (8, 0.1, 3.0), diffuse)
    ball("Mixed", (-0.8, 0, 0.4), 0.4, mixed)
    monkey("Metal", (0.1, 0.3, 0.5), 0.9, glossy, 0.2)
    torus("Added", (0.9, -0.1, 0.15), 0.32, 0.13, added)
    clear = bpy.data.materials.new("veil")
    _closures(
        clear,
        [
            ("ShaderNodeBsdfTransparent", (1, 1, 1), {}),
            ("ShaderNodeBsdfDiffuse", (0.2, 0.3, 0.7), {}),
        ],
        "ShaderNodeMixShader",
    )
    box("Veil", (-0.1, -0.6, 0.35), (0.6, 0.01, 0.7), clear, turn=0.2)
    lamp("POINT", (-1.5, -1.5, 2.2), (0, 0, 0), 180.0, shadow_soft_size=0.1)
    lamp("POINT", (1.8, -0.6, 1.6), (0, 0, 0), 90.0, shadow_soft_size=0.25, color=(1, 0.7, 0.45))
    world((0.05, 0.06, 0.08))
    for name, turn, rise in (("Front", 0, 16), ("Left", -30, 20), ("Right", 28, 18)):
        camera(name, around((0, 0.1, 0.35), 3.0, turn, rise), (0, 0.1, 0.35), 40.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def _closures(of: bpy.types.Material, parts: list, join: str | None) -> None:
    """One closure, or two joined by the node `join`; 35 % of the second where they are mixed."""
    of.use_nodes = True
    tree = of.node_tree
    tree.nodes.clear()
    made = []
    for kind, color, inputs in parts:
        node = tree.nodes.new(kind)
        node.inputs["Color"].default_value = (*color, 1)
        for socket, value in inputs.items():
            node.inputs[socket].default_value = value
        made.append(node)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    last = made[0]
    if join:
        last = tree.nodes.new(join)
        first = 1 if join == "ShaderNodeMixShader" else 0
        for i, node in enumerate(made):
            tree.links.new(node.outputs[0], last.inputs[first + i])
        if first:
            last.inputs[0].default_value = 0.35
    tree.links.new(last.outputs[0], output.inputs["Surface"])


def cloud_of_points() -> Stage:
    """A point cloud object over a floor: points of a surface, each a small sphere."""
    empty()
    plane(
        "Floor",
        (0, 0, 0),
        4.0,
        principled("Floor", textures.fabric((0.3, 0.3, 0.34), (0.5, 0.5, 0.55))),
        1.0,
    )
    speck = principled("Speck", (0.8, 0.45, 0.1), Roughness=0.5)
    body = monkey("Points", (0, 0, 0.55), 1.0, speck, 0.0)
    group = bpy.data.node_groups.new("To points", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    start, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    points, dress = (
        group.nodes.new("GeometryNodeMeshToPoints"),
        group.nodes.new("GeometryNodeSetMaterial"),
    )
    points.inputs["Radius"].default_value = 0.012
    dress.inputs["Material"].default_value = speck
    group.links.new(start.outputs[0], points.inputs[0])
    group.links.new(points.outputs[0], dress.inputs[0])
    group.links.new(dress.outputs[0], end.inputs[0])
    body.modifiers.new("To points", "NODES").node_group = group
    ball("Solid", (-0.9, 0.2, 0.25), 0.25, principled("Solid", (0.1, 0.3, 0.5)))
    lamp("SUN", (1, -2, 3), (0, 0, 0), 2.5, angle=0.05)
    world((0.4, 0.45, 0.5), 0.6)
    for name, turn in (("Front", 0), ("Left", -30), ("Right", 30)):
        camera(name, around((0, 0, 0.5), 2.8, turn, 15), (0, 0, 0.5), 45.0)
    return Stage(shots("Left", "Right"), shots("Front"))
