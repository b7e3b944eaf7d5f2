# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials, solids and lights for scenes built in Blender. Runs where `bpy` is; no torch.

Part of a program that a Python with bpy runs by path (`blender_scenes.py`), hence plain imports.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

Flight = tuple[list[tuple], list[tuple], float]
"""Knots of the camera's path and of its target's, and the field of view in degrees."""

Node = Any
"""A node of Blender's: what it has depends on its kind."""


class Kit:
    """An empty scene and a seeded dice to build it with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hue = self.random.random()
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene

    def color(self, value: float | None = None, saturation: float | None = None) -> tuple:
        """A linear RGBA colour near the scene's hue, sometimes its opposite."""
        hue = self.hue + self.random.gauss(0, 0.06) + (0.5 if self.random.random() < 0.25 else 0)
        s = self.random.choice([0.06, 0.15, 0.3, 0.55]) if saturation is None else saturation
        v = self.random.uniform(0.3, 0.9) if value is None else value
        return (*[c**2.2 for c in colorsys.hsv_to_rgb(hue % 1, s, v)], 1.0)

    # materials ---------------------------------------------------------------------------------

    def material(self, kind: str, scale: float = 1.0, roughness: float = 0.6) -> bpy.types.Material:
        """A node material of one of PATTERNS; `scale` is pattern repeats a metre."""
        material = bpy.data.materials.new(kind)
        material.use_nodes = True
        nodes, links = material.node_tree.nodes, material.node_tree.links
        shader = nodes["Principled BSDF"]
        shader.inputs["Roughness"].default_value = roughness
        place = nodes.new("ShaderNodeMapping")
        place.inputs["Scale"].default_value = (scale, scale, scale)
        place.inputs["Location"].default_value = [self.random.uniform(0, 9) for _ in range(3)]
        source = nodes.new("ShaderNodeTexCoord")
        links.new(source.outputs["Object"], place.inputs["Vector"])
        color, height = PATTERNS[kind](self, material.node_tree, place.outputs["Vector"])
        grime = self._grime(material.node_tree, source.outputs["Object"], color)
        links.new(grime, shader.inputs["Base Color"])
        bump = nodes.new("ShaderNodeBump")
        bump.inputs["Strength"].default_value = 0.35
        bump.inputs["Distance"].default_value = 0.02
        links.new(height, bump.inputs["Height"])
        links.new(bump.outputs["Normal"], shader.inputs["Normal"])
        return material

    def _grime(self, tree: bpy.types.NodeTree, at: object, color: object) -> object:
        """Large dim stains over everything, as on real walls."""
        noise = self.node(tree, "ShaderNodeTexNoise", Scale=0.9, Detail=6.0)
        tree.links.new(at, noise.inputs["Vector"])
        value = self.node(
            tree,
            "ShaderNodeMapRange",
            **{"From Min": 0.3, "From Max": 0.7, "To Min": 0.7, "To Max": 1.05},
        )
        tree.links.new(noise.outputs[0], value.inputs["Value"])
        mix = tree.nodes.new("ShaderNodeVectorMath")
        mix.operation = "SCALE"
        tree.links.new(color, mix.inputs[0])
        tree.links.new(value.outputs["Result"], mix.inputs["Scale"])
        return mix.outputs["Vector"]

    def node(self, tree: bpy.types.NodeTree, kind: str, **inputs: object) -> Node:
        node = tree.nodes.new(kind)
        for name, value in inputs.items():
            node.inputs[name].default_value = value
        return node

    def ramp(self, tree: bpy.types.NodeTree, value: object, colors: list[tuple]) -> object:
        ramp = tree.nodes.new("ShaderNodeValToRGB")
        elements = ramp.color_ramp.elements
        while len(elements) < len(colors):
            elements.new(0.5)
        for i, color in enumerate(colors):
            elements[i].position = 0.3 + 0.4 * i / max(1, len(colors) - 1)
            elements[i].color = color
        tree.links.new(value, ramp.inputs["Fac"])
        return ramp.outputs["Color"]

    def picture(self, lines: bool = False) -> bpy.types.Material:
        """An image texture: a painted picture, or rows of lettering."""
        n = 128
        dice = np.random.default_rng(self.random.randrange(1 << 30))
        y, x = np.mgrid[0 : 1 : n * 1j, 0 : 1 : n * 1j]
        image = np.ones((n, n, 4))
        image[..., :3] = np.array(self.color(0.9, 0.15)[:3]) ** (1 / 2.2)
        if lines:
            for row in range(6, n - 6, 8):
                marks = dice.random(n // 4).repeat(4) < 0.6
                marks[int(dice.integers(n // 2, n)) :] = False
                image[row : row + 4, :, :3] = np.where(
                    marks[None, :, None], 0.08, image[row : row + 4, :, :3]
                )
        else:
            for _ in range(9):
                cx, cy, r, s = (
                    dice.uniform(0.1, 0.9),
                    dice.uniform(0.1, 0.9),
                    *dice.uniform(0.05, 0.3, 2),
                )
                inside = (
                    np.hypot(x - cx, y - cy) < r
                    if dice.random() < 0.5
                    else (abs(x - cx) < r) & (abs(y - cy) < s)
                )
                image[inside, :3] = np.array(self.color()[:3]) ** (1 / 2.2)
            image[..., :3] *= dice.uniform(0.9, 1.05, (n, n, 1))
        data = bpy.data.images.new("picture", n, n)
        data.pixels.foreach_set(np.clip(image, 0, 1).astype(np.float32).ravel())
        data.pack()
        material = bpy.data.materials.new("picture")
        material.use_nodes = True
        tree = material.node_tree
        texture = tree.nodes.new("ShaderNodeTexImage")
        texture.image = data
        tree.links.new(texture.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
        return material

    def plain(
        self, color: tuple | None = None, roughness: float = 0.5, metallic: float = 0.0
    ) -> bpy.types.Material:
        material = bpy.data.materials.new("plain")
        material.use_nodes = True
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = color or self.color()
        shader.inputs["Roughness"].default_value = roughness
        shader.inputs["Metallic"].default_value = metallic
        return material

    def glow(self, color: tuple, strength: float) -> bpy.types.Material:
        material = self.plain(color)
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Emission Color"].default_value = color
        shader.inputs["Emission Strength"].default_value = strength
        return material

    # solids ------------------------------------------------------------------------------------

    def box(
        self,
        low: tuple,
        high: tuple,
        material: bpy.types.Material,
        bevel: float = 0.0,
        turn: float = 0.0,
    ) -> bpy.types.Object:
        """A box from corner to corner; its mesh is in metres, so patterns keep their size."""
        start, end = Vector(low), Vector(high)
        bpy.ops.mesh.primitive_cube_add(size=1)
        thing = bpy.context.object
        for vertex in thing.data.vertices:
            vertex.co = Vector(a * b for a, b in zip(vertex.co, end - start, strict=True))
        thing.location, thing.rotation_euler = (start + end) / 2, (0, 0, turn)
        if bevel:
            edge = thing.modifiers.new("edge", "BEVEL")
            edge.width, edge.segments = bevel, 2
        return self._dress(thing, material)

    def tube(
        self,
        at: tuple,
        radius: float,
        height: float,
        material: bpy.types.Material,
        top: float | None = None,
    ) -> bpy.types.Object:
        """An upright cylinder or cone frustum standing at `at`."""
        x, y, z = at
        bpy.ops.mesh.primitive_cone_add(
            vertices=48,
            radius1=radius,
            radius2=radius if top is None else top,
            depth=height,
            location=(x, y, z + height / 2),
        )
        bpy.ops.object.shade_auto_smooth()
        return self._dress(bpy.context.object, material)

    def ball(
        self, at: tuple, size: tuple | float, material: bpy.types.Material, rough: float = 0.0
    ) -> bpy.types.Object:
        bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4, radius=1, location=at)
        thing = bpy.context.object
        size = (size,) * 3 if isinstance(size, (int, float)) else size
        for vertex in thing.data.vertices:
            lumpy = 1 + rough * math.sin(7 * vertex.co.x + at[0]) * math.sin(
                6 * vertex.co.y
            ) * math.cos(5 * vertex.co.z)
            vertex.co = Vector(a * b * lumpy for a, b in zip(vertex.co, size, strict=True))
        bpy.ops.object.shade_smooth()
        return self._dress(thing, material)

    def monkey(
        self, at: tuple, size: float, material: bpy.types.Material, turn: float
    ) -> bpy.types.Object:
        bpy.ops.mesh.primitive_monkey_add(size=size, location=at, rotation=(0, 0, turn))
        bpy.context.object.modifiers.new("smooth", "SUBSURF").levels = 2
        bpy.context.object.modifiers[0].render_levels = 2
        bpy.ops.object.shade_smooth()
        return self._dress(bpy.context.object, material)

    def ring(
        self,
        at: tuple,
        radius: float,
        thick: float,
        material: bpy.types.Material,
        tilt: tuple = (0, 0, 0),
    ) -> bpy.types.Object:
        bpy.ops.mesh.primitive_torus_add(
            major_radius=radius, minor_radius=thick, location=at, rotation=tilt
        )
        bpy.ops.object.shade_smooth()
        return self._dress(bpy.context.object, material)

    def ground(
        self, height: np.ndarray, extent: float, material: bpy.types.Material
    ) -> bpy.types.Object:
        """A height field (N, N) over [-extent, extent]^2 as a smooth mesh."""
        n = len(height)
        axis = np.linspace(-extent, extent, n)
        x, y = np.meshgrid(axis, axis)
        vertices = np.stack([x, y, height], -1).reshape(-1, 3).tolist()
        faces = [
            (i * n + j, i * n + j + 1, (i + 1) * n + j + 1, (i + 1) * n + j)
            for i in range(n - 1)
            for j in range(n - 1)
        ]
        mesh = bpy.data.meshes.new("ground")
        mesh.from_pydata(vertices, [], faces)
        mesh.shade_smooth()
        thing = bpy.data.objects.new("ground", mesh)
        self.scene.collection.objects.link(thing)
        return self._dress(thing, material)

    def _dress(self, thing: bpy.types.Object, material: bpy.types.Material) -> bpy.types.Object:
        thing.data.materials.clear()
        thing.data.materials.append(material)
        return thing

    # light -------------------------------------------------------------------------------------

    def sky(self, zenith: tuple, horizon: tuple, strength: float) -> None:
        """A gradient from horizon to zenith with soft clouds."""
        world = bpy.data.worlds.new("sky")
        self.scene.world = world
        world.use_nodes = True
        tree = world.node_tree
        links = tree.links
        coordinate = tree.nodes.new("ShaderNodeTexCoord")
        split = tree.nodes.new("ShaderNodeSeparateXYZ")
        links.new(coordinate.outputs["Generated"], split.inputs[0])
        gradient = tree.nodes.new("ShaderNodeValToRGB")
        gradient.color_ramp.elements[0].color, gradient.color_ramp.elements[1].color = (
            (*horizon, 1),
            (*zenith, 1),
        )
        gradient.color_ramp.elements[1].position = 0.7
        links.new(split.outputs["Z"], gradient.inputs["Fac"])
        cloud = self.node(tree, "ShaderNodeTexNoise", Scale=3.0, Detail=7.0)
        links.new(coordinate.outputs["Generated"], cloud.inputs["Vector"])
        cover = self.ramp(tree, cloud.outputs[0], [(0, 0, 0, 1), (0.35, 0.35, 0.35, 1)])
        add = tree.nodes.new("ShaderNodeVectorMath")
        links.new(gradient.outputs["Color"], add.inputs[0])
        links.new(cover, add.inputs[1])
        background = tree.nodes["Background"]
        background.inputs["Strength"].default_value = strength
        links.new(add.outputs["Vector"], background.inputs["Color"])

    def sun(
        self, azimuth: float, elevation: float, power: float, color: tuple = (1, 0.93, 0.82)
    ) -> None:
        light = bpy.data.lights.new("sun", "SUN")
        light.energy, light.color, light.angle = power, color, 0.02
        thing = bpy.data.objects.new("sun", light)
        thing.rotation_euler = (math.pi / 2 - elevation, 0, azimuth)
        self.scene.collection.objects.link(thing)

    def lamp(
        self, at: tuple, power: float, color: tuple = (1, 0.82, 0.6), radius: float = 0.15
    ) -> None:
        light = bpy.data.lights.new("lamp", "POINT")
        light.energy, light.color, light.shadow_soft_size = power, color, radius
        thing = bpy.data.objects.new("lamp", light)
        thing.location = at
        self.scene.collection.objects.link(thing)


Pattern = Callable[[Kit, bpy.types.NodeTree, object], tuple[object, object]]


def _brick(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    clay = (0.32, 0.1, 0.06, 1)
    node = kit.node(
        tree,
        "ShaderNodeTexBrick",
        Scale=1.0,
        Color1=clay,
        Color2=(0.2, 0.07, 0.05, 1),
        Mortar=(0.5, 0.47, 0.42, 1),
    )
    node.inputs["Mortar Size"].default_value = 0.012
    node.inputs["Brick Width"].default_value, node.inputs["Row Height"].default_value = 0.24, 0.08
    # bricks lie in x and y: upright walls take x + y along and z upwards
    split, join = tree.nodes.new("ShaderNodeSeparateXYZ"), tree.nodes.new("ShaderNodeCombineXYZ")
    add = tree.nodes.new("ShaderNodeMath")
    tree.links.new(at, split.inputs[0])
    tree.links.new(split.outputs["X"], add.inputs[0])
    tree.links.new(split.outputs["Y"], add.inputs[1])
    tree.links.new(add.outputs[0], join.inputs["X"])
    tree.links.new(split.outputs["Z"], join.inputs["Y"])
    tree.links.new(join.outputs[0], node.inputs["Vector"])
    invert = tree.nodes.new("ShaderNodeInvert")
    tree.links.new(node.outputs["Fac"], invert.inputs["Color"])
    return node.outputs["Color"], invert.outputs["Color"]


def _noise(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(tree, "ShaderNodeTexNoise", Scale=4.0, Detail=10.0, Roughness=0.65)
    tree.links.new(at, node.inputs["Vector"])
    return kit.ramp(tree, node.outputs[0], [kit.color(), kit.color(), kit.color()]), node.outputs[0]


def _wood(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(tree, "ShaderNodeTexWave", Scale=2.2, Distortion=6.0, Detail=4.0)
    node.inputs["Detail Scale"].default_value = 1.5
    tree.links.new(at, node.inputs["Vector"])
    tone = kit.random.uniform(0.5, 1.3)
    dark, light = (
        (0.12 * tone, 0.05 * tone, 0.02 * tone, 1),
        (0.42 * tone, 0.22 * tone, 0.1 * tone, 1),
    )
    return kit.ramp(tree, node.outputs[1], [dark, light]), node.outputs[1]


def _cells(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(tree, "ShaderNodeTexVoronoi", Scale=5.0)
    edge = kit.node(tree, "ShaderNodeTexVoronoi", Scale=5.0)
    edge.feature = "DISTANCE_TO_EDGE"
    for v in (node, edge):
        tree.links.new(at, v.inputs["Vector"])
    bright = tree.nodes.new("ShaderNodeRGBToBW")
    tree.links.new(node.outputs["Color"], bright.inputs[0])
    color = kit.ramp(tree, bright.outputs[0], [kit.color(0.3), kit.color(0.6), kit.color(0.8)])
    return color, edge.outputs["Distance"]


def _checker(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(
        tree, "ShaderNodeTexChecker", Scale=2.0, Color1=kit.color(0.85, 0.1), Color2=kit.color(0.3)
    )
    tree.links.new(at, node.inputs["Vector"])
    return node.outputs["Color"], node.outputs["Fac"]


def _stripes(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(tree, "ShaderNodeTexWave", Scale=3.0, Distortion=0.3)
    node.bands_direction = kit.random.choice(["X", "Z", "DIAGONAL"])
    tree.links.new(at, node.inputs["Vector"])
    return kit.ramp(
        tree, node.outputs[1], [kit.color(), kit.color(0.8), kit.color()]
    ), node.outputs[1]


def _strata(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    squeeze = tree.nodes.new("ShaderNodeMapping")
    squeeze.inputs["Scale"].default_value = (0.15, 0.15, 1.6)
    tree.links.new(at, squeeze.inputs["Vector"])
    layer = kit.node(tree, "ShaderNodeTexNoise", Scale=1.5, Detail=12.0, Roughness=0.7)
    tree.links.new(squeeze.outputs[0], layer.inputs["Vector"])
    red = [(0.16, 0.06, 0.03, 1), (0.45, 0.2, 0.1, 1), (0.6, 0.38, 0.22, 1)]
    return kit.ramp(tree, layer.outputs[0], red), layer.outputs[0]


def _asphalt(kit: Kit, tree: bpy.types.NodeTree, at: object) -> tuple[object, object]:
    node = kit.node(tree, "ShaderNodeTexNoise", Scale=30.0, Detail=8.0, Roughness=0.7)
    tree.links.new(at, node.inputs["Vector"])
    greys = [(v, v, v * 1.04, 1) for v in (0.03, 0.07, 0.16)]
    return kit.ramp(tree, node.outputs[0], greys), node.outputs[0]


PATTERNS: dict[str, Pattern] = {
    "brick": _brick, "noise": _noise, "wood": _wood, "cells": _cells, "checker": _checker,
    "stripes": _stripes, "strata": _strata, "asphalt": _asphalt,
}  # fmt: skip
