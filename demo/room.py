# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo scene's room and what stands in it; the floor's middle is the origin, +Y the window."""

from __future__ import annotations

import math

import bpy
import numpy as np

from . import textures
from .shapes import Vec, add, box, box_mesh, glow, lathe, material

ROOM = (6.0, 5.0, 2.7)  # along x, y, z; the floor's middle is the origin
WINDOW = (-1.5, 1.1, 0.75, 2.25)  # x from, x to, z from, z to, in the wall at +y


def build_walls() -> None:
    sx, sy, sz = ROOM
    x0, x1, z0, z1 = WINDOW
    y = sy / 2
    plaster = material("Plaster", textures.plaster())
    paper = material("Wallpaper", textures.wallpaper())
    wood = material("Window wood", (0.72, 0.70, 0.66), 0.5)
    box("Floor", (0, 0, -0.05), (sx, sy, 0.1), material("Floor", textures.wood_floor(), 0.45), 1.6)
    box("Ceiling", (0, 0, sz + 0.05), (sx, sy, 0.1), plaster, 2.0)
    box("Wall left", (-sx / 2 - 0.1, 0, sz / 2), (0.2, sy, sz), paper, 1.2)
    box("Wall right", (sx / 2 + 0.1, 0, sz / 2), (0.2, sy, sz), plaster, 2.0)
    box("Wall back", (0, -y - 0.1, sz / 2), (sx, 0.2, sz), plaster, 2.0)
    box("Wall below", (0, y + 0.1, z0 / 2), (sx, 0.2, z0), plaster, 2.0)
    box("Wall above", (0, y + 0.1, (sz + z1) / 2), (sx, 0.2, sz - z1), plaster, 2.0)
    left, right = x0 + sx / 2, sx / 2 - x1
    middle = (z0 + z1) / 2
    box("Wall before", (-sx / 2 + left / 2, y + 0.1, middle), (left, 0.2, z1 - z0), plaster, 2.0)
    box("Wall behind", (sx / 2 - right / 2, y + 0.1, middle), (right, 0.2, z1 - z0), plaster, 2.0)
    wide = x1 - x0
    for name, x in (("left", x0 + 0.03), ("middle", (x0 + x1) / 2), ("right", x1 - 0.03)):
        box(f"Window {name}", (x, y + 0.1, middle), (0.06, 0.08, z1 - z0), wood)
    for name, z in (("bottom", z0 + 0.03), ("top", z1 - 0.03)):
        box(f"Window {name}", ((x0 + x1) / 2, y + 0.1, z), (wide, 0.09, 0.06), wood)
    box("Sill", ((x0 + x1) / 2, y - 0.115, z0 - 0.02), (wide + 0.3, 0.23, 0.04), wood, bevel=0.01)
    for name, at, size in (
        ("left", (-sx / 2 + 0.01, 0, 0.06), (0.02, sy, 0.12)),
        ("right", (sx / 2 - 0.01, 0, 0.06), (0.02, sy, 0.12)),
        ("front", (0, y - 0.01, 0.06), (sx, 0.02, 0.12)),
        ("back", (0, -y + 0.01, 0.06), (sx, 0.02, 0.12)),
    ):
        box(f"Skirting {name}", at, size, wood)


def build_sofa() -> None:
    cloth = material("Sofa cloth", textures.fabric((0.34, 0.40, 0.30), (0.55, 0.61, 0.48)))
    accent = material("Cushion cloth", textures.fabric((0.66, 0.36, 0.14), (0.90, 0.60, 0.28)))
    x, y = -2.45, 0.2
    box("Sofa base", (x, y, 0.24), (0.9, 2.1, 0.28), cloth, 0.5, 0.04)
    box("Sofa back", (x - 0.36, y, 0.58), (0.2, 2.1, 0.62), cloth, 0.5, 0.06)
    for side in (-1, 1):
        box(f"Sofa arm {side}", (x, y + side * 0.98, 0.44), (0.93, 0.18, 0.5), cloth, 0.5, 0.06)
        box(
            f"Sofa seat {side}",
            (x + 0.06, y + side * 0.44, 0.45),
            (0.74, 0.86, 0.16),
            cloth,
            0.5,
            0.05,
        )
    pillow = box("Cushion", (x - 0.12, y - 0.55, 0.72), (0.16, 0.42, 0.42), accent, 0.4, 0.07)
    pillow.rotation_euler = (0.0, -0.35, 0.2)


def build_tables() -> None:
    dark = material(
        "Dark wood",
        textures.tint(textures.clouds(256, 20, 6), (0.20, 0.11, 0.06), (0.38, 0.23, 0.13)),
        0.35,
    )
    light = material(
        "Light wood",
        textures.tint(textures.clouds(256, 21, 6), (0.62, 0.45, 0.28), (0.80, 0.62, 0.42)),
        0.5,
    )
    box("Coffee table", (-1.0, 0.2, 0.40), (0.6, 1.1, 0.05), dark, 0.5, 0.015)
    for dx in (-0.25, 0.25):
        for dy in (-0.48, 0.48):
            box("Coffee leg", (-1.0 + dx, 0.2 + dy, 0.19), (0.05, 0.05, 0.38), dark)
    box("Dining table", (1.75, 1.25, 0.74), (1.3, 0.8, 0.05), light, 0.6, 0.015)
    for dx in (-0.58, 0.58):
        for dy in (-0.33, 0.33):
            box("Dining leg", (1.75 + dx, 1.25 + dy, 0.36), (0.06, 0.06, 0.72), light)
    rug = add("Rug", box_mesh("Rug", (1.9, 2.4, 0.015), material("Rug", textures.rug()), 2.4))
    rug.location = (-1.0, 0.2, 0.008)
    build_chairs(light)


def build_chairs(wood: bpy.types.Material) -> None:
    """One chair in a collection, two instances of it."""
    chair = bpy.data.collections.new("Chair")
    parts = [
        ("Seat", (0, 0, 0.45), (0.42, 0.42, 0.04)),
        ("Rail", (0, -0.19, 0.80), (0.42, 0.03, 0.16)),
    ]
    parts += [("Leg", (x, 0.18, 0.215), (0.04, 0.04, 0.43)) for x in (-0.18, 0.18)]
    parts += [("Post", (x, -0.19, 0.44), (0.04, 0.04, 0.88)) for x in (-0.18, 0.18)]
    for name, at, size in parts:
        part = bpy.data.objects.new(f"Chair {name}", box_mesh(f"Chair {name}", size, wood, 0.5))
        part.location = at
        chair.objects.link(part)
    for name, at, turn in (("near", (1.55, 0.62, 0), 0.15), ("side", (0.85, 1.35, 0), -1.45)):
        instance = bpy.data.objects.new(f"Chair {name}", None)
        instance.instance_type = "COLLECTION"
        instance.instance_collection = chair
        instance.location, instance.rotation_euler.z = at, turn
        bpy.context.scene.collection.objects.link(instance)


def build_shelf() -> None:
    wood = material(
        "Shelf wood",
        textures.tint(textures.clouds(256, 22, 6), (0.30, 0.18, 0.10), (0.46, 0.30, 0.18)),
        0.5,
    )
    books = material("Books", textures.book_spines(), 0.7)
    x, wide, deep, high = -2.25, 0.95, 0.3, 2.1
    y = ROOM[1] / 2 - deep / 2 - 0.01
    for name, at, size in (
        ("left", (x - wide / 2, y, high / 2), (0.03, deep, high)),
        ("right", (x + wide / 2, y, high / 2), (0.03, deep, high)),
        ("back", (x, y + deep / 2 - 0.01, high / 2), (wide, 0.02, high)),
    ):
        box(f"Shelf {name}", at, size, wood, 0.5)
    for i in range(6):
        z = 0.03 + i * (high - 0.06) / 5
        box(f"Shelf board {i}", (x, y, z), (wide, deep, 0.03), wood, 0.5)
        if i < 5:
            row = box(f"Books {i}", (x, y + 0.02, z + 0.175), (wide - 0.05, 0.2, 0.32), books, 1.0)
            stretch_front(row.data, i * 0.19)


def stretch_front(mesh: bpy.types.Mesh, shift: float) -> None:
    """Map the faces at -Y and +Y to the whole picture, shifted along u."""
    layer = mesh.uv_layers[0].data
    for face in mesh.polygons:
        if abs(face.normal.y) > 0.9:
            xs = [mesh.vertices[mesh.loops[i].vertex_index].co.x for i in face.loop_indices]
            low, high = min(xs), max(xs)
            for loop, x in zip(face.loop_indices, xs, strict=True):
                z = mesh.vertices[mesh.loops[loop].vertex_index].co.z
                layer[loop].uv = ((x - low) / (high - low) + shift, float(z > 0))


def build_things() -> None:
    clay = material("Clay", (0.50, 0.19, 0.09), 0.7)
    china = material("China", (0.72, 0.75, 0.78), 0.25)
    brass = material("Brass", (0.55, 0.36, 0.12), 0.35)
    leaf = material(
        "Leaf", textures.tint(textures.clouds(256, 23), (0.07, 0.22, 0.08), (0.24, 0.46, 0.16))
    )
    frame = material("Frame", (0.20, 0.10, 0.04), 0.4)
    box("Picture frame", (-2.97, 0.2, 1.62), (0.05, 1.06, 0.86), frame, bevel=0.01)
    canvas = box(
        "Picture",
        (-2.945, 0.2, 1.62),
        (0.02, 0.96, 0.76),
        material("Painting", textures.painting()),
    )
    for loop in canvas.data.uv_layers[0].data:  # the whole picture on the face, facing the room
        loop.uv = (loop.uv[0] / 0.96, loop.uv[1] / 0.76)
    bowl = [(0.02, 0.0), (0.10, 0.01), (0.17, 0.09), (0.165, 0.09), (0.09, 0.025), (0.0, 0.02)]
    add("Bowl", lathe("Bowl", bowl, china), (-1.0, 0.35, 0.425))
    vase = [
        (0.05, 0),
        (0.08, 0.06),
        (0.07, 0.16),
        (0.03, 0.24),
        (0.045, 0.28),
        (0.03, 0.27),
        (0.0, 0.1),
    ]
    add("Vase", lathe("Vase", vase, china), (1.7, 1.3, 0.765))
    pot = [(0.14, 0), (0.20, 0.34), (0.21, 0.36), (0.18, 0.36), (0.17, 0.30), (0.0, 0.30)]
    add("Pot", lathe("Pot", pot, clay), (1.55, 2.15, 0))
    build_plant(leaf, (1.55, 2.15, 0.30))
    stand = [(0.15, 0), (0.15, 0.02), (0.015, 0.03), (0.015, 1.45), (0.0, 1.45)]
    add("Lamp stand", lathe("Lamp stand", stand, brass), (-2.5, -1.45, 0))
    shade = [(0.22, 1.30), (0.13, 1.62), (0.125, 1.62), (0.215, 1.30)]
    add(
        "Lamp shade",
        lathe("Lamp shade", shade, glow("Lamp shade", (1.0, 0.78, 0.5), 1.2)),
        (-2.5, -1.45, 0),
    )


def build_plant(leaf: bpy.types.Material, at: Vec) -> None:
    """Forty bent leaves around a stem."""
    rng = np.random.default_rng(30)
    corners, faces = [], []
    for _ in range(40):
        turn, rise, length = (
            rng.uniform(0, 2 * math.pi),
            rng.uniform(0.3, 1.3),
            rng.uniform(0.35, 0.7),
        )
        out = np.array([math.cos(turn), math.sin(turn), 0.0])
        across = np.array([-out[1], out[0], 0.0])
        start = len(corners)
        for t, half in ((0.0, 0.008), (0.35, 0.045), (0.7, 0.04), (1.0, 0.004)):
            spine = length * (
                out * t * math.cos(rise) + np.array([0, 0, t * math.sin(rise) - 0.35 * t**3])
            )
            corners += [tuple(spine - across * half), tuple(spine + across * half)]
        faces += [(start + i, start + i + 1, start + i + 3, start + i + 2) for i in (0, 2, 4)]
    mesh = bpy.data.meshes.new("Plant")
    mesh.from_pydata(corners, [], faces)
    mesh.uv_layers.new(name="UVMap")
    mesh.materials.append(leaf)
    add("Plant", mesh, at)


def build_room() -> None:
    for part in (build_walls, build_sofa, build_tables, build_shelf, build_things):
        part()
