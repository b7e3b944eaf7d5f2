# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the demo scene: a furnished room, a garden behind its window, a camera path.

    python -m demo.scene FILE.blend

The extension carries it for *Open Demo Scene*. Nothing is downloaded: meshes are built here,
pictures in textures.py. Metres, Z up; the window is at +Y.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import bpy
from mathutils import Vector

from . import textures
from .garden import build_garden
from .room import ROOM, WINDOW, build_room
from .shapes import picture

FRAMES = 48
SIZE = (256, 256)
# Where the camera is and what it looks at, by frames of FRAMES: in from the door, past the table,
# up to the window.
PATH = (
    (1, (2.35, -1.95, 1.55), (-1.30, 1.20, 1.05)),
    (16, (1.25, -1.75, 1.50), (-1.60, 1.60, 1.10)),
    (32, (0.05, -1.05, 1.45), (-0.55, 2.50, 1.30)),
    (48, (-0.35, 0.55, 1.50), (0.15, 4.50, 1.45)),
)


def build_light() -> None:
    scene = bpy.context.scene
    world = bpy.data.worlds.new("Sky")
    world.use_nodes = True
    background = next(n for n in world.node_tree.nodes if n.type == "BACKGROUND")
    sky = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    sky.image = picture("Sky", textures.sky())
    world.node_tree.links.new(sky.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = 1.0
    scene.world = world
    x0, x1, z0, z1 = WINDOW
    for name, kind, at, energy, colour in (
        ("Sun", "SUN", (0, 0, 5), 3.0, (1.0, 0.93, 0.82)),
        (
            "Window light",
            "AREA",
            ((x0 + x1) / 2, ROOM[1] / 2 - 0.02, (z0 + z1) / 2),
            70.0,
            (0.86, 0.93, 1.0),
        ),
        ("Room light", "AREA", (0, -0.6, ROOM[2] - 0.02), 60.0, (1.0, 0.88, 0.72)),
    ):
        light = bpy.data.lights.new(name, kind)
        light.energy, light.color = energy, colour
        made = bpy.data.objects.new(name, light)
        made.location = at
        scene.collection.objects.link(made)
        if name == "Sun":  # from behind the house on the left, into the window
            made.rotation_euler = Vector((0.55, -0.75, -0.62)).to_track_quat("-Z", "Y").to_euler()
            light.angle = 0.02
        elif name == "Window light":
            light.shape, light.size, light.size_y = "RECTANGLE", x1 - x0, z1 - z0
            made.rotation_euler = (-math.pi / 2, 0, 0)
        else:
            light.shape, light.size, light.size_y = "RECTANGLE", 2.4, 1.8


def build_camera(frames: int) -> None:
    scene = bpy.context.scene
    camera = bpy.data.cameras.new("Camera")
    camera.lens, camera.clip_start, camera.clip_end = 24.0, 0.05, 200.0
    made = bpy.data.objects.new("Camera", camera)
    made.rotation_mode = "QUATERNION"
    scene.collection.objects.link(made)
    scene.camera = made
    for number, at, target in PATH:
        frame = 1 + round((number - 1) * (frames - 1) / (FRAMES - 1))
        made.location = at
        made.rotation_quaternion = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y")
        made.keyframe_insert("location", frame=frame)
        made.keyframe_insert("rotation_quaternion", frame=frame)


def build(frames: int = FRAMES, size: tuple[int, int] = SIZE) -> bpy.types.Scene:
    """Replace the open file with the demo scene; its render settings are those of Cycles."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    furnish(scene, frames, size)
    return scene


def furnish(scene: bpy.types.Scene, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> None:
    """Put the demo into an empty scene, which is the context's: a path of so many frames, pictures
    of so many pixels."""
    build_room()
    build_garden()
    build_light()
    build_camera(frames)
    scene.frame_start, scene.frame_end = 1, frames
    scene.frame_set(1)
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage, render.fps = 100, 24
    scene.view_settings.view_transform = "Standard"
    scene.cycles.samples = 24
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 6


def main() -> None:
    after = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if len(after) != 1:
        sys.exit("Usage: python -m demo.scene FILE.blend")
    build()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(after[0]).resolve()))


if __name__ == "__main__":
    main()
