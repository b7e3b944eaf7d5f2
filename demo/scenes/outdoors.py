# SPDX-License-Identifier: GPL-3.0-or-later
"""Under the sky: a house by HDR light, a street, a canyon, a forest of cards, too strong a sun."""

from __future__ import annotations

import math

import bpy
import numpy as np

from .. import textures
from ..shapes import add, box, picture
from .stage import (
    Stage,
    around,
    ball,
    camera,
    data_picture,
    empty,
    lamp,
    linear_picture,
    monkey,
    plane,
    principled,
    shader_of,
    shots,
    travel,
    tube,
    world,
)


def strong_sun() -> Stage:
    """A sun ten times too strong, taken back by exposure, as real-world light units ask for."""
    scene = empty()
    scene.view_settings.exposure = -4.0
    ground = principled("Paving", textures.bricks(512, 10), Roughness=0.7)
    plane("Ground", (0, 0, 0), 10.0, ground, 2.0)
    white = principled("White", (0.8, 0.8, 0.78), Roughness=0.6)
    box("Steps", (0, 0.6, 0.15), (2.0, 1.0, 0.3), white, bevel=0.02)
    box("Steps", (0, 0.8, 0.45), (1.6, 0.6, 0.3), white, bevel=0.02)
    monkey(
        "Statue",
        (0.2, 0.75, 0.95),
        0.6,
        principled("Bronze", (0.5, 0.3, 0.14), Metallic=1.0, Roughness=0.3),
        0.4,
    )
    for x in (-1.2, 1.3):
        tube("Column", (x, 0.5, 0), 0.15, 1.8, white)
    ball("Ball", (-0.6, -0.3, 0.25), 0.25, principled("Blue", (0.05, 0.12, 0.5), Roughness=0.2))
    lamp("SUN", (2, -2, 3), (0, 0, 0), 60.0, angle=0.009, color=(1, 0.95, 0.88))
    world((0.25, 0.5, 1.0), 9.0)
    for name, turn, rise in (("Front", 0, 14), ("Left", -32, 18), ("Right", 28, 20)):
        camera(name, around((0, 0.4, 0.5), 4.2, turn, rise), (0, 0.4, 0.5), 35.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def exterior() -> Stage:
    """A house lit by an HDR picture alone, whose sun is a few pixels of it."""
    empty()
    lawn = principled("Lawn", textures.grass(512), Roughness=1.0)
    plane("Lawn", (0, 0, 0), 60.0, lawn, 6.0)
    wall = principled("Bricks", textures.bricks(512, 16), Roughness=0.9)
    roof = principled(
        "Roof", textures.tint(textures.clouds(256, 24, 6, 16), (0.2, 0.1, 0.08), (0.4, 0.2, 0.15))
    )
    pane = principled("Window", (0.03, 0.04, 0.05), Roughness=0.05)
    frame = principled("Frame", (0.8, 0.8, 0.78))
    box("House", (0, 3, 1.5), (6, 4, 3.0), wall, 1.6)
    _roof(roof, (0, 3, 3.0), 6.6, 4.8, 1.7)
    for x in (-2.0, 2.0):
        box("Frame", (x, 0.98, 1.6), (1.1, 0.06, 1.3), frame)
        box("Pane", (x, 0.95, 1.6), (0.95, 0.04, 1.15), pane)
    box(
        "Door",
        (0, 0.97, 1.05),
        (0.95, 0.08, 2.1),
        principled("Door", (0.12, 0.25, 0.2), Roughness=0.3),
    )
    box("Path", (0, -2, 0.01), (1.2, 6, 0.03), principled("Path", textures.plaster()), 1.0)
    for i, (x, y) in enumerate(((-3.6, 0.0), (3.4, -0.6), (4.6, 1.5))):
        tube("Trunk", (x, y, 0), 0.1, 1.2, principled("Bark", (0.2, 0.12, 0.07)))
        ball(
            "Crown",
            (x, y, 1.8),
            0.8 + 0.1 * i,
            principled("Leaves", (0.08, 0.2, 0.05), Roughness=0.9),
            12,
        )
    ball(
        "Chrome",
        (1.2, -0.8, 0.4),
        0.4,
        principled("Chrome", (0.9, 0.9, 0.9), Metallic=1.0, Roughness=0.05),
    )
    world(linear_picture("HDR sky", hdr_sky()), 1.0)
    for name, turn, rise in (("Front", 0, 8), ("Left", -35, 12), ("Right", 30, 10)):
        camera(name, around((0, 1, 1.3), 8.5, turn, rise), (0, 1, 1.4), 30.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def hdr_sky(width: int = 1024) -> np.ndarray:
    """A clear sky with a sun of some 20,000, (width // 2, width, 3) scene-linear, row 0 on top."""
    rows, columns = np.mgrid[: width // 2, :width]
    rise = np.pi * (0.5 - (rows + 0.5) / (width // 2))
    turn = 2 * np.pi * (0.5 - (columns + 0.5) / width)
    way = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], -1)
    up = np.clip(way[..., 2], 0, 1)[..., None]
    sky = np.array([0.75, 0.85, 1.0]) * (1 - up) ** 3 + np.array([0.18, 0.36, 0.85]) * (
        0.25 + 0.75 * up**0.4
    )
    cover = textures.clouds(width, 41, 6, 4)[: width // 2, :, None]
    sky += np.clip(cover - 0.55, 0, 1) * 1.5 * (up > 0)
    sky = np.where(way[..., 2:] < 0, np.array([0.12, 0.13, 0.08]), sky)
    # before the house, on its left
    sun = np.array([-0.55, -0.6, 0.58])
    facing = way @ (sun / np.linalg.norm(sun))
    apart = np.degrees(np.arccos(np.clip(facing, -1, 1)))[..., None]
    sky = sky + np.array([1.0, 0.93, 0.8]) * (
        20000.0 * (apart < 0.6) + 3.0 * np.exp(-((apart / 6) ** 2))
    )
    return np.ascontiguousarray(sky, np.float32)


def _roof(of: bpy.types.Material, at: tuple, wide: float, deep: float, high: float) -> None:
    x, y = wide / 2, deep / 2
    corners = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0), (-x, 0, high), (x, 0, high)]
    mesh = bpy.data.meshes.new("Roof")
    mesh.from_pydata(corners, [], [(0, 1, 5, 4), (2, 3, 4, 5), (0, 4, 3), (1, 2, 5), (0, 3, 2, 1)])
    mesh.materials.append(of)
    layer = mesh.uv_layers.new(name="UVMap")
    for loop, entry in zip(mesh.loops, layer.data, strict=True):
        corner = mesh.vertices[loop.vertex_index].co
        entry.uv = (corner.x / 2, corner.y / 2)
    add("Roof", mesh, at)


def street() -> Stage:
    """Facades of image textures under a sun, and Blender's own sky texture."""
    empty()
    asphalt = principled(
        "Asphalt",
        textures.tint(textures.clouds(512, 50, 6, 32), (0.22, 0.22, 0.23), (0.34, 0.34, 0.35)),
        Roughness=0.85,
    )
    paving = principled("Pavement", textures.bricks(256, 8), Roughness=0.9)
    box("Road", (0, 0, -0.1), (60, 7, 0.2), asphalt, 3.0)
    rng = np.random.default_rng(5)
    fronts = [facade(seed) for seed in range(4)]
    for side in (-1, 1):
        box("Pavement", (0, side * 5, -0.03), (60, 3, 0.2), paving, 1.5)
        x = -24.0
        while x < 24:
            wide, high = rng.uniform(6, 9), 3.0 * rng.integers(2, 5)
            of = fronts[rng.integers(4)]
            house = box(
                "House", (x + wide / 2, side * 9.5, high / 2), (wide - 0.05, 6, high), of, 3.0
            )
            box(
                "Cornice",
                (x + wide / 2, side * 6.45, high),
                (wide, 0.3, 0.25),
                principled("Trim", (0.6, 0.57, 0.5)),
            )
            house.name = f"House {side} {x:.0f}"
            x += wide
    for i in range(-4, 5):
        box("Line", (i * 5, 0, 0.003), (2, 0.12, 0.008), principled("Paint", (0.8, 0.8, 0.75)))
        tube(
            "Post",
            (i * 6.0, 3.8, 0.07),
            0.05,
            3.5,
            principled("Post", (0.08, 0.09, 0.1), Roughness=0.3),
        )
    for x, y, hue in (
        (-4, 2.4, (0.6, 0.05, 0.04)),
        (5, -2.4, (0.08, 0.15, 0.4)),
        (11, 2.4, (0.7, 0.7, 0.68)),
    ):
        paint = principled("Car", hue, Roughness=0.2, Coat_Weight=0.8)
        box("Body", (x, y, 0.55), (4.0, 1.7, 0.55), paint, bevel=0.15)
        box(
            "Cabin",
            (x - 0.2, y, 1.05),
            (2.1, 1.5, 0.5),
            principled("Cabin", (0.03, 0.04, 0.05), Roughness=0.08),
            bevel=0.15,
        )
        for dx in (-1.25, 1.25):
            for dy in (-0.8, 0.8):
                wheel = tube(
                    "Wheel",
                    (x + dx, y + dy, 0.22),
                    0.32,
                    0.22,
                    principled("Tyre", (0.02, 0.02, 0.02)),
                )
                wheel.rotation_euler.x = math.pi / 2
    lamp("SUN", (-3, -4, 4), (0, 0, 0), 4.0, angle=0.009, color=(1, 0.93, 0.82))
    _gradient_sky((0.75, 0.82, 0.95), (0.16, 0.34, 0.8))
    camera("Start", (-13, -1.2, 1.7), (0, 1.5, 2.2), 26.0)
    camera("Middle", (-7, 0.6, 1.8), (5, 2.5, 2.2), 26.0)
    camera("End", (1, -0.8, 2.0), (12, 3, 2.2), 26.0)
    film = travel("Film", [((-10, -0.6, 1.7), (2, 2, 2.2)), ((-6, 0.4, 1.8), (6, 2.5, 2.2))], 26.0)
    return Stage(shots("Start", "End"), shots("Middle"), film)


def facade(seed: int) -> bpy.types.Material:
    """Three metres of a house front as one picture: wall, windows, sills; glossy panes."""
    rng = np.random.default_rng(seed + 60)
    size = 256
    tone = rng.uniform(0.35, 0.8, 3) * np.array([1.0, 0.95, 0.85])
    pixels = textures.tint(
        textures.clouds(size, seed + 70, 6), tuple(0.85 * tone), tuple(np.minimum(tone * 1.1, 1))
    )
    rough = np.full((size, size), 0.85)
    for x in (40, 152):
        pixels[60:200, x - 8 : x + 72] = 0.8
        pixels[68:192, x : x + 64] = (0.07, 0.09, 0.12)
        rough[68:192, x : x + 64] = 0.1
        pixels[126:132, x : x + 64] = 0.75
        pixels[200:212, x - 12 : x + 76] = 0.55
    of = principled(f"Facade {seed}", pixels)
    node = data_picture(of, f"Facade {seed} roughness", rough)
    of.node_tree.links.new(node.outputs["Color"], shader_of(of).inputs["Roughness"])
    return of


def _gradient_sky(horizon: tuple, zenith: tuple) -> None:
    made = world((0.0, 0.0, 0.0))
    tree = made.node_tree
    background = next(n for n in tree.nodes if n.type == "BACKGROUND")
    place, split = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (*horizon, 1)
    ramp.color_ramp.elements[1].color = (*zenith, 1)
    tree.links.new(place.outputs["Generated"], split.inputs[0])
    tree.links.new(split.outputs["Z"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], background.inputs["Color"])


def canyon() -> Stage:
    """Terrain of a height field with a picture by UV, in low sun."""
    empty()
    n, extent = 200, 30.0
    axis = np.linspace(-extent, extent, n)
    x, y = np.meshgrid(axis, axis)
    rng = np.random.default_rng(12)
    rough = np.zeros_like(x)
    for f in np.geomspace(0.15, 3.0, 28):
        a, p = rng.uniform(0, 2 * math.pi, 2)
        rough += np.sin(x * f * math.cos(a) + y * f * math.sin(a) + p) / f**1.1
    wall = np.clip((np.abs(y - 4 * np.sin(x * 0.12)) - 3.5 - 0.3 * rough) * 0.4, 0, 3.0)
    height = 3 * (np.floor(wall) + np.clip((wall % 1) * 3, 0, 1)) + 0.2 * rough
    strata = textures.tint(textures.clouds(512, 61, 6, 3), (0.5, 0.26, 0.16), (0.8, 0.6, 0.42))
    ground = _height_field("Canyon", axis, height, principled("Strata", strata, Roughness=0.95))
    ground.data.shade_smooth()

    def at(px: float, py: float) -> float:
        row, column = (int((v + extent) / (2 * extent) * (n - 1)) for v in (py, px))
        return float(height[row, column])

    stone = principled("Stone", textures.plaster(256), Roughness=0.9)
    for _ in range(25):
        px = rng.uniform(-16, 16)
        py = 4 * math.sin(px * 0.12) + rng.normal(0, 1.8)
        made = ball("Stone", (px, py, at(px, py)), min(0.5, rng.lognormal(-1.1, 0.5)), stone, 8)
        made.scale = (1, 0.8, 0.7)
    lamp("SUN", (3, -2.5, 3), (0, 0, 0), 4.5, angle=0.009, color=(1, 0.85, 0.65))
    _gradient_sky((0.8, 0.75, 0.7), (0.12, 0.3, 0.8))

    def spot(px: float, lift: float) -> tuple:
        py = 4 * math.sin(px * 0.12)
        return (px, py, at(px, py) + lift)

    camera("Start", spot(-12, 2.2), spot(-1, 2.0), 28.0)
    camera("Middle", spot(-8, 3.2), spot(2, 1.2), 28.0)
    camera("End", spot(-4, 3.6), spot(7, 1.2), 28.0)
    return Stage(shots("Start", "End"), shots("Middle"))


def _height_field(
    name: str, axis: np.ndarray, height: np.ndarray, of: bpy.types.Material
) -> bpy.types.Object:
    n = len(axis)
    x, y = np.meshgrid(axis, axis)
    corners = np.stack([x, y, height], -1).reshape(-1, 3)
    at = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)[None]).ravel()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners.tolist(), [], np.stack([at, at + 1, at + n + 1, at + n], -1).tolist())
    mesh.materials.append(of)
    layer = mesh.uv_layers.new(name="UVMap")
    which = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", which)
    uv = corners[which][:, :2] / 8 + corners[which][:, 2:] * np.array([0.0, 0.35])
    layer.data.foreach_set("uv", uv.astype(np.float32).ravel())
    return add(name, mesh)


def forest() -> Stage:
    """Collection instances of trees whose leaves are cut out of cards by alpha."""
    empty()
    plane("Ground", (0, 0, 0), 40.0, principled("Grass", textures.grass(512), Roughness=1.0), 4.0)
    leaf = _leaf_card()
    bark = principled(
        "Bark", textures.tint(textures.clouds(256, 80, 5, 8), (0.2, 0.13, 0.08), (0.4, 0.28, 0.18))
    )
    tree = bpy.data.collections.new("Tree")
    trunk = tube("Trunk", (0, 0, 0), 0.09, 1.6, bark)
    bpy.context.scene.collection.objects.unlink(trunk)
    tree.objects.link(trunk)
    tree.objects.link(_crown(leaf))
    rng = np.random.default_rng(9)
    for i in range(24):
        x, y = rng.uniform(-6, 6), rng.uniform(-1.0, 9)
        one = bpy.data.objects.new(f"Tree {i}", None)
        one.instance_type, one.instance_collection = "COLLECTION", tree
        one.location = (x, y, 0)
        one.rotation_euler.z = rng.uniform(0, 6.28)
        one.scale = (rng.uniform(0.8, 1.4),) * 3
        bpy.context.scene.collection.objects.link(one)
    lamp("SUN", (-3, -2, 4), (0, 0, 0), 3.5, angle=0.02, color=(1, 0.94, 0.85))
    _gradient_sky((0.75, 0.82, 0.95), (0.2, 0.4, 0.85))
    for name, at in (
        ("Front", (0.0, -5.5, 1.5)),
        ("Left", (-3.2, -5.2, 1.7)),
        ("Right", (3.0, -5.4, 1.4)),
    ):
        camera(name, at, (0, 2, 1.2), 30.0)
    return Stage(shots("Left", "Right"), shots("Front"))


def _leaf_card() -> bpy.types.Material:
    size = 128
    v, u = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = np.zeros((size, size), bool)
    for turn in np.linspace(0, 2 * np.pi, 7)[:-1]:
        along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        inside |= ((along - 0.5) / 0.45) ** 2 + (across / 0.2) ** 2 < 1
    pixels = textures.tint(textures.clouds(size, 90, 4), (0.1, 0.3, 0.05), (0.35, 0.55, 0.15))
    image = picture("Leaves", pixels)
    rgba = np.empty(4 * size * size, np.float32)
    image.pixels.foreach_get(rgba)
    rgba[3::4] = inside[::-1].ravel()
    image.pixels.foreach_set(rgba)
    image.pack()
    of = principled("Leaf", (0.2, 0.4, 0.1), Roughness=0.6)
    node = of.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    of.node_tree.links.new(node.outputs["Color"], shader_of(of).inputs["Base Color"])
    of.node_tree.links.new(node.outputs["Alpha"], shader_of(of).inputs["Alpha"])
    return of


def _crown(of: bpy.types.Material) -> bpy.types.Object:
    rng = np.random.default_rng(3)
    corners, faces = [], []
    for _ in range(70):
        way = rng.normal(size=3)
        middle = (
            np.array([0, 0, 1.9]) + 0.75 * way / np.linalg.norm(way) * rng.uniform(0.4, 1) ** 0.5
        )
        a, b = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        b = np.cross(a, b)
        b /= np.linalg.norm(b)
        start = len(corners)
        corners += [
            tuple(middle + 0.22 * (s * a + t * b)) for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        faces.append((start, start + 1, start + 2, start + 3))
    mesh = bpy.data.meshes.new("Crown")
    mesh.from_pydata(corners, [], faces)
    mesh.materials.append(of)
    layer = mesh.uv_layers.new(name="UVMap")
    for i, entry in enumerate(layer.data):
        entry.uv = ((0, 0), (1, 0), (1, 1), (0, 1))[i % 4]
    return bpy.data.objects.new("Crown", mesh)
