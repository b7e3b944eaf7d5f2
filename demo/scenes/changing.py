# SPDX-License-Identifier: GPL-3.0-or-later
"""What does not stay as it was captured: things that move, edits, films without a background."""

from __future__ import annotations

import math

import bpy

from .. import textures
from ..shapes import add, box, lathe
from .stage import (
    Shot,
    Stage,
    around,
    ball,
    camera,
    empty,
    lamp,
    monkey,
    plane,
    principled,
    shader_of,
    shots,
    torus,
    tube,
    world,
)

CENTRE = (0.0, 0.0, 0.35)


def _studio() -> None:
    empty()
    floor = principled("Floor", textures.wood_floor(512, 8), Roughness=0.45)
    plane("Floor", (0, 0, 0), 8.0, floor, 2.0)
    box("Wall", (0, 1.8, 1.2), (8, 0.1, 2.6), principled("Wall", textures.wallpaper()), 1.5)
    lamp("AREA", (-1.6, -1.6, 2.6), CENTRE, 90.0, size=0.8, color=(1, 0.93, 0.84))
    lamp("POINT", (1.6, -0.9, 1.8), CENTRE, 25.0, shadow_soft_size=0.1, color=(0.8, 0.88, 1))
    world((0.2, 0.22, 0.26))


def _cameras() -> None:
    for name, turn, rise in (("Front", 0, 16), ("Left", -24, 20), ("Right", 24, 18)):
        camera(name, around(CENTRE, 3.0, turn, rise), CENTRE, 40.0)


def movers() -> Stage:
    """Rigid, parented, by armature and by shape key, over eight frames."""
    _studio()
    rolling = ball("Rolling", (-1.1, -0.5, 0.25), 0.25, principled("Beach", textures.rug()))
    for frame, x, turn in ((1, -1.1, 0.0), (8, -0.3, 3.2)):
        rolling.location.x, rolling.rotation_euler.y = x, turn
        rolling.keyframe_insert("location", frame=frame)
        rolling.keyframe_insert("rotation_euler", frame=frame)
    hub = tube(
        "Hub",
        (0.95, 0.3, 0.0),
        0.06,
        0.8,
        principled("Iron", (0.4, 0.4, 0.42), Metallic=1.0, Roughness=0.4),
    )
    for i in range(3):
        arm = box(f"Arm {i}", (0, 0, 0), (0.9, 0.06, 0.1), principled("Paint", (0.7, 0.12, 0.05)))
        arm.parent = hub
        arm.location, arm.rotation_euler.z = (0, 0, 0.3), i * math.pi / 3
    for frame, turn in ((1, 0.0), (8, 0.9)):
        hub.rotation_euler.z = turn
        hub.keyframe_insert("rotation_euler", frame=frame)
    _bending((0.15, -0.35, 0.0))
    face = monkey("Face", (-0.2, 0.75, 0.55), 0.7, principled("Face", textures.plaster(256)), 0.1)
    face.shape_key_add(name="Basis")
    grin = face.shape_key_add(name="Grin")
    for point in grin.data:
        point.co.x *= 1.0 + 0.5 * max(0.0, -point.co.z)
        point.co.z *= 1.25
    for frame, value in ((1, 0.0), (8, 1.0)):
        grin.value = value
        grin.keyframe_insert("value", frame=frame)
    _cameras()
    film = [Shot("Front", frame) for frame in range(1, 9)]
    return Stage(
        shots("Left", "Right"), [Shot("Front", 1), Shot("Front", 5), Shot("Front", 8)], film
    )


def _bending(at: tuple) -> None:
    """A tower that an armature of two bones bends."""
    profile = [(0.14 - 0.05 * i / 12, 0.9 * i / 12) for i in range(13)] + [(0.0, 0.92)]
    cloth = principled("Sleeve", textures.fabric((0.15, 0.3, 0.2), (0.4, 0.6, 0.35)))
    sleeve = add("Sleeve", lathe("Sleeve", profile, cloth), at)
    layer = sleeve.data.uv_layers.new(name="UVMap")
    for loop, entry in zip(sleeve.data.loops, layer.data, strict=True):
        x, y, z = sleeve.data.vertices[loop.vertex_index].co
        entry.uv = (abs(math.atan2(y, x)) / math.pi * 2, z * 3)
    rig = add("Rig", bpy.data.armatures.new("Rig"), at)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    lower = rig.data.edit_bones.new("Lower")
    lower.head, lower.tail = (0, 0, 0), (0, 0, 0.45)
    upper = rig.data.edit_bones.new("Upper")
    upper.head, upper.tail, upper.parent = (0, 0, 0.45), (0, 0, 0.9), lower
    bpy.ops.object.mode_set(mode="OBJECT")
    groups = {name: sleeve.vertex_groups.new(name=name) for name in ("Lower", "Upper")}
    for vertex in sleeve.data.vertices:
        share = min(1.0, max(0.0, (vertex.co.z - 0.3) / 0.3))
        groups["Upper"].add([vertex.index], share, "REPLACE")
        groups["Lower"].add([vertex.index], 1 - share, "REPLACE")
    sleeve.modifiers.new("Armature", "ARMATURE").object = rig
    bone = rig.pose.bones["Upper"]
    bone.rotation_mode = "XYZ"
    for frame, turn in ((1, -0.2), (8, 1.0)):
        bone.rotation_euler.x = turn
        bone.keyframe_insert("rotation_euler", frame=frame)


def edited() -> Stage:
    """After memory was captured: one thing repainted, one moved, one deleted, one added."""
    _studio()
    ball("Repainted", (-0.75, 0.0, 0.3), 0.3, principled("Red", (0.7, 0.05, 0.04), Roughness=0.3))
    moved = box(
        "Moved",
        (0.0, 0.4, 0.25),
        (0.5, 0.5, 0.5),
        principled("Crate", textures.bricks(256, 6)),
        0.5,
    )
    tube("Deleted", (0.75, 0.2, 0), 0.2, 0.9, principled("Blue", (0.08, 0.15, 0.5)))
    torus("Kept", (0.2, -0.5, 0.1), 0.25, 0.1, principled("Kept", (0.8, 0.6, 0.2), Roughness=0.25))
    _cameras()

    def edit() -> None:
        shader = shader_of(bpy.data.materials["Red"])
        shader.inputs["Base Color"].default_value = (0.05, 0.45, 0.12, 1)
        moved.location, moved.rotation_euler.z = (0.55, 0.9, 0.25), 0.6
        bpy.data.objects.remove(bpy.data.objects["Deleted"])
        monkey("Added", (0.9, -0.3, 0.3), 0.5, principled("New", (0.6, 0.5, 0.45)), -0.4)

    return Stage(shots("Left", "Right"), shots("Front"), edit=edit)


def film() -> Stage:
    """No background: a product on a shadow catcher, and a holdout before it."""
    empty()
    bpy.context.scene.render.film_transparent = True
    ground = plane("Ground", (0, 0, 0), 6.0, principled("Ground", (0.6, 0.6, 0.6)))
    ground.is_shadow_catcher = True
    monkey(
        "Product",
        (-0.2, 0.1, 0.45),
        0.9,
        principled("Plastic", (0.8, 0.35, 0.05), Roughness=0.2),
        0.2,
    )
    torus(
        "Ring",
        (0.75, 0.1, 0.12),
        0.3,
        0.12,
        principled("Steel", (0.8, 0.8, 0.82), Metallic=1.0, Roughness=0.25),
    )
    cut = box(
        "Holdout",
        (0.3, -0.55, 0.25),
        (0.25, 0.25, 0.5),
        principled("Cut", (0.5, 0.5, 0.5)),
        turn=0.4,
    )
    cut.is_holdout = True
    veil = principled("Veil", (0.2, 0.4, 0.7), Alpha=0.4)
    box("Veil", (-0.9, -0.1, 0.4), (0.02, 0.7, 0.8), veil, turn=-0.4)
    lamp("AREA", (-1.5, -1.5, 2.4), CENTRE, 80.0, size=0.8)
    lamp("SUN", (2, -1, 3), (0, 0, 0), 1.5, angle=0.03)
    world((0.4, 0.42, 0.45), 0.6)
    _cameras()
    return Stage(shots("Left", "Right"), shots("Front"))
