# SPDX-License-Identifier: GPL-3.0-or-later
"""Small makers of images, materials, meshes and objects for the demo scene. Metres, Z up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
import numpy as np

Vec = tuple[float, float, float]


def picture(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """An (H, W, 3) sRGB array as a packed image."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels[::-1]
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


def material(name: str, colour: Vec | np.ndarray, roughness: float = 0.8) -> bpy.types.Material:
    """A Principled material of one linear colour, or of a picture mapped by UV."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = roughness
    if isinstance(colour, np.ndarray):
        node = made.node_tree.nodes.new("ShaderNodeTexImage")
        node.image = picture(name, colour)
        made.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    else:
        shader.inputs["Base Color"].default_value = (*colour, 1.0)
        made.diffuse_color = (*colour, 1.0)
    return made


def glow(name: str, colour: Vec, strength: float) -> bpy.types.Material:
    made = material(name, colour)
    shader = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Emission Color"].default_value = (*colour, 1.0)
    shader.inputs["Emission Strength"].default_value = strength
    return made


def add(
    name: str, mesh: bpy.types.Mesh, at: Vec = (0, 0, 0), turn: float = 0.0
) -> bpy.types.Object:
    made = bpy.data.objects.new(name, mesh)
    made.location = at
    made.rotation_euler.z = turn
    bpy.context.scene.collection.objects.link(made)
    return made


def box_mesh(name: str, size: Vec, of: bpy.types.Material, tile: float) -> bpy.types.Mesh:
    """A box around the origin; UVs project each face, `tile` metres to one repeat."""
    sx, sy, sz = (s / 2 for s in size)
    corners = [(x, y, z) for x in (-sx, sx) for y in (-sy, sy) for z in (-sz, sz)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    mesh.materials.append(of)
    layer = mesh.uv_layers.new(name="UVMap")
    for face in mesh.polygons:
        axis = max(range(3), key=lambda i: abs(face.normal[i]))
        u, v = ((1, 2), (0, 2), (0, 1))[axis]
        for loop in face.loop_indices:
            corner = mesh.vertices[mesh.loops[loop].vertex_index].co
            layer.data[loop].uv = (
                (corner[u] + size[u] / 2) / tile,
                (corner[v] + size[v] / 2) / tile,
            )
    return mesh


def box(
    name: str,
    at: Vec,
    size: Vec,
    of: bpy.types.Material,
    tile: float = 1.0,
    bevel: float = 0.0,
    turn: float = 0.0,
) -> bpy.types.Object:
    """A box by its middle and size, its edges rounded by a modifier of `bevel` metres."""
    made = add(name, box_mesh(name, size, of, tile), at, turn)
    if bevel:
        modifier = made.modifiers.new("Bevel", "BEVEL")
        modifier.width = bevel
        modifier.segments = 3
    return made


def lathe(
    name: str, profile: Sequence[tuple[float, float]], of: bpy.types.Material
) -> bpy.types.Mesh:
    """A body of revolution about z from (radius, height) pairs, smooth."""
    sides = 24
    angles = [2 * math.pi * i / sides for i in range(sides)]
    corners = [(r * math.cos(a), r * math.sin(a), z) for r, z in profile for a in angles]
    faces = []
    for ring in range(len(profile) - 1):
        for i in range(sides):
            j = (i + 1) % sides
            faces.append(
                (ring * sides + i, ring * sides + j, (ring + 1) * sides + j, (ring + 1) * sides + i)
            )
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    mesh.shade_smooth()
    mesh.materials.append(of)
    return mesh
