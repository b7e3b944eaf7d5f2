# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scenes that tests render. Call after the extension is enabled."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector


def empty() -> bpy.types.Scene:
    """A scene with nothing in it."""
    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    scene = bpy.context.scene
    scene.worldfm.point_budget = 200_000
    return scene


def material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    """A Principled material of one colour (linear)."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    return made


def textured(name: str, pixels: np.ndarray) -> bpy.types.Material:
    """A material that shows (H, W, 3) sRGB values in [0, 1], row 0 at the bottom, by UV."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    made = material(name, (0, 0, 0))
    nodes = made.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.interpolation = image, "Closest"
    made.node_tree.links.new(
        texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"]
    )
    return made


def add_mesh(
    name: str,
    vertices: list[tuple[float, float, float]],
    faces: list[tuple[int, ...]],
    uv: list[tuple[float, float]] | None = None,
    look: bpy.types.Material | None = None,
) -> bpy.types.Object:
    """A mesh object, linked to the scene; uv: one pair per corner."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    if uv:
        layer = mesh.uv_layers.new(name="UVMap")
        for corner, pair in zip(layer.uv, uv, strict=True):
            corner.vector = pair
    if look:
        mesh.materials.append(look)
    ob = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(ob)
    return ob


def add_square(
    name: str, half: float, z: float, look: bpy.types.Material | None = None
) -> bpy.types.Object:
    """A horizontal square with the unit square as its UV."""
    corners = [(-half, -half, z), (half, -half, z), (half, half, z), (-half, half, z)]
    return add_mesh(name, corners, [(0, 1, 2, 3)], [(0, 0), (1, 0), (1, 1), (0, 1)], look)


def add_camera(
    place: tuple[float, float, float], target: tuple[float, float, float] = (0, 0, 0)
) -> bpy.types.Object:
    """A camera that looks at `target`, made the active one."""
    scene = bpy.context.scene
    ob = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(ob)
    ob.location = place
    ob.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    scene.camera = ob
    bpy.context.view_layer.update()
    return ob


def small_world(frames: int = 3, size: tuple[int, int] = (64, 48)) -> bpy.types.Scene:
    """A checkered floor, a smooth ball and a camera that circles them."""
    scene = empty()
    checks = np.indices((16, 16)).sum(axis=0) % 2
    pixels = np.where(checks[..., None], (0.9, 0.3, 0.2), (0.2, 0.3, 0.8))
    add_square("Floor", 4, 0, textured("Checks", pixels))
    cube = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    ball = add_mesh("Ball", cube, faces, look=material("Red", (0.8, 0.1, 0.1)))
    ball.modifiers.new("Smooth", "SUBSURF").render_levels = 3
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.3, 0.5, 0.9)
    if scene.world.node_tree is None:  # a new world has none up to Blender 4.5
        scene.world.use_nodes = True
    light = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    light.data.energy = 3
    scene.collection.objects.link(light)
    camera = add_camera((6, 0, 2.5), (0, 0, 0.8))
    scene.frame_start, scene.frame_end = 1, frames
    for frame in range(1, frames + 1):
        angle = 0.4 * (frame - 1) / max(frames - 1, 1)
        camera.location = (6 * math.cos(angle), 6 * math.sin(angle), 2.5)
        direction = Vector((0, 0, 0.8)) - camera.location
        camera.rotation_euler = direction.to_track_quat("-Z", "Y").to_euler()
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    render = scene.render
    render.engine = "WORLDFM"
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    scene.worldfm.point_budget = 100_000
    scene.worldfm.steps = 1
    scene.frame_set(1)
    return scene
