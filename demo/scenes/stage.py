# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene of this folder is: cameras, who remembers from where, and who is looked at.

Also the few makers that shapes.py lacks. Metres, Z up; needs bpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Vector

from ..shapes import Vec, add, material, picture

WIDTH, HEIGHT = 256, 160


@dataclass(frozen=True)
class Shot:
    """A camera of the open file at one of its frames."""

    camera: str
    frame: int = 1

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.camera}-{self.frame:02d}"


@dataclass
class Stage:
    """One scene, built.

    memory: what may be captured, most useful first. targets: what is compared with Cycles.
    film: frames that follow one another, for steadiness. edit: what the artist does after
    memory was captured; targets are of the scene after it. size: pixels.
    """

    memory: list[Shot]
    targets: list[Shot]
    film: list[Shot] = field(default_factory=list)
    edit: Callable[[], None] | None = None
    size: tuple[int, int] = (WIDTH, HEIGHT)


def empty() -> bpy.types.Scene:
    """A new file without objects; display and film as Blender has them from the start."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.view_settings.view_transform = "AgX"
    world((0.05, 0.05, 0.05))
    return scene


def camera(name: str, at: Vec, target: Vec, lens: float = 35.0) -> bpy.types.Object:
    """A camera that looks at `target`; the first one is the scene's. lens: mm of a 36 mm film."""
    if name in bpy.data.objects:
        raise ValueError(f"There is an object '{name}' already; give the camera another name.")
    data = bpy.data.cameras.new(name)
    data.lens, data.clip_start, data.clip_end = lens, 0.02, 500.0
    made = add(name, data, at)
    made.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
    scene = bpy.context.scene
    scene.camera = scene.camera or made
    return made


def travel(name: str, path: Sequence[tuple[Vec, Vec]], lens: float = 35.0, frames: int = 8) -> list:
    """A camera that goes along (place, target) pairs in `frames` frames: its film."""
    made = camera(name, *path[0], lens)
    made.rotation_mode = "QUATERNION"
    last = None
    for i, (at, target) in enumerate(path):
        frame = 1 + round(i * (frames - 1) / (len(path) - 1))
        turn = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y")
        if last is not None:
            turn.make_compatible(last)
        last = turn
        made.location, made.rotation_quaternion = at, turn
        made.keyframe_insert("location", frame=frame)
        made.keyframe_insert("rotation_quaternion", frame=frame)
    return [Shot(name, frame) for frame in range(1, frames + 1)]


def lamp(kind: str, at: Vec, target: Vec, energy: float, **settings: object) -> bpy.types.Object:
    """A lamp that shines towards `target`; settings: of its data."""
    data = bpy.data.lights.new(kind.title(), kind)
    data.energy = energy
    for name, value in settings.items():
        setattr(data, name, value)
    made = add(data.name, data, at)
    made.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
    return made


def world(color: Vec | bpy.types.Image, strength: float = 1.0) -> bpy.types.World:
    """A background of one colour, or an environment picture."""
    made = bpy.data.worlds.new("World")
    made.use_nodes = True
    background = next(n for n in made.node_tree.nodes if n.type == "BACKGROUND")
    background.inputs["Strength"].default_value = strength
    if isinstance(color, bpy.types.Image):
        node = made.node_tree.nodes.new("ShaderNodeTexEnvironment")
        node.image = color
        made.node_tree.links.new(node.outputs["Color"], background.inputs["Color"])
    else:
        background.inputs["Color"].default_value = (*color, 1.0)
    bpy.context.scene.world = made
    return made


def linear_picture(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """An (H, W, 3) array of scene-linear light as a float picture."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels[::-1]
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


def principled(name: str, color: Vec | np.ndarray, **inputs: object) -> bpy.types.Material:
    """A Principled material of a colour or a picture; inputs: its sockets, _ for blanks."""
    made = material(name, color, 0.5)
    shader = shader_of(made)
    for socket, value in inputs.items():
        value = (*value, 1.0) if isinstance(value, tuple) and len(value) == 3 else value
        shader.inputs[socket.replace("_", " ")].default_value = value
    return made


def shader_of(of: bpy.types.Material) -> bpy.types.Node:
    """The Principled node of a material."""
    return next(n for n in of.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def data_picture(of: bpy.types.Material, name: str, pixels: np.ndarray) -> bpy.types.Node:
    """A texture node of a picture that is no colour, (H, W) or (H, W, 3) in [0, 1]."""
    pixels = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    node = of.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = picture(name, pixels)
    node.image.colorspace_settings.name = "Non-Color"
    return node


def bumpy(of: bpy.types.Material, height: np.ndarray, distance: float) -> bpy.types.Material:
    """Give a material bumps: height (H, W) in [0, 1], distance: metres."""
    tree = of.node_tree
    node, bump = data_picture(of, f"{of.name} height", height), tree.nodes.new("ShaderNodeBump")
    bump.inputs["Distance"].default_value = distance
    tree.links.new(node.outputs["Color"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader_of(of).inputs["Normal"])
    return of


def ball(name: str, at: Vec, radius: float, of: bpy.types.Material, rings: int = 24) -> object:
    """A smooth sphere with UVs."""
    bpy.ops.mesh.primitive_uv_sphere_add(
        segments=2 * rings, ring_count=rings, radius=radius, location=at
    )
    return _dressed(name, of, True)


def tube(name: str, at: Vec, radius: float, height: float, of: bpy.types.Material) -> object:
    """An upright cylinder that stands on `at`, with UVs."""
    x, y, z = at
    bpy.ops.mesh.primitive_cylinder_add(
        vertices=48, radius=radius, depth=height, location=(x, y, z + height / 2)
    )
    made = _dressed(name, of, False)
    for face in made.data.polygons:
        face.use_smooth = len(face.vertices) == 4
    return made


def plane(name: str, at: Vec, size: float, of: bpy.types.Material, tile: float = 1.0) -> object:
    """A level square of `size` metres, its picture repeated every `tile` metres."""
    bpy.ops.mesh.primitive_plane_add(size=size, location=at)
    made = _dressed(name, of, False)
    for entry in made.data.uv_layers[0].data:
        entry.uv = (entry.uv[0] * size / tile, entry.uv[1] * size / tile)
    return made


def torus(name: str, at: Vec, radius: float, thick: float, of: bpy.types.Material) -> object:
    """A smooth ring that lies level."""
    bpy.ops.mesh.primitive_torus_add(major_radius=radius, minor_radius=thick, location=at)
    return _dressed(name, of, True)


def monkey(name: str, at: Vec, size: float, of: bpy.types.Material, turn: float = 0.0) -> object:
    """Blender's own head, subdivided."""
    bpy.ops.mesh.primitive_monkey_add(size=size, location=at, rotation=(0, 0, turn))
    made = _dressed(name, of, True)
    rounder = made.modifiers.new("Subdivision", "SUBSURF")
    rounder.levels = rounder.render_levels = 2
    return made


def _dressed(name: str, of: bpy.types.Material, smooth: bool) -> bpy.types.Object:
    made = bpy.context.object
    made.name = made.data.name = name
    made.data.materials.clear()
    made.data.materials.append(of)
    if smooth:
        made.data.shade_smooth()
    return made


def around(target: Vec, distance: float, turn: float, rise: float) -> Vec:
    """A place `distance` from `target`; turn: degrees from -Y to +X, rise: degrees above it."""
    a, b = math.radians(turn), math.radians(rise)
    x, y, z = target
    level = distance * math.cos(b)
    return (x + level * math.sin(a), y - level * math.cos(a), z + distance * math.sin(b))


def shots(*names: str, frame: int = 1) -> list[Shot]:
    """Cameras at one frame."""
    return [Shot(name, frame) for name in names]
