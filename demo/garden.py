# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo scene's window looks out on: lawn, hills, a house, trees and a hedge."""

from __future__ import annotations

import math

import bpy
import numpy as np

from . import textures
from .shapes import add, box, lathe, material


def ground(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The garden's height at x, y (metres): a lawn that rises to hills beyond 25 m."""
    far = np.clip((y - 12) / 40, 0, 1) ** 2
    return -0.35 + 9 * far + 2.5 * far * np.sin(x * 0.11) + 0.08 * np.sin(x * 0.7) * np.sin(y * 0.5)


def build_garden() -> None:
    grass = material("Grass", textures.grass(), 1.0)
    cells = 64
    x, y = np.meshgrid(np.linspace(-50, 50, cells + 1), np.linspace(2.75, 75, cells + 1))
    corners = np.stack([x, y, ground(x, y)], -1).reshape(-1, 3)
    at = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)[None, :]).ravel()
    faces = np.stack([at, at + 1, at + cells + 2, at + cells + 1], -1)
    mesh = bpy.data.meshes.new("Ground")
    mesh.from_pydata(corners.tolist(), [], faces.tolist())
    mesh.shade_smooth()
    mesh.materials.append(grass)
    layer = mesh.uv_layers.new(name="UVMap")
    for loop, entry in zip(mesh.loops, layer.data, strict=True):
        corner = mesh.vertices[loop.vertex_index].co
        entry.uv = (corner.x / 8, corner.y / 8)
    add("Ground", mesh)
    build_house()
    build_trees()


def build_house() -> None:
    wall = material("Bricks", textures.bricks())
    roof = material(
        "Roof",
        textures.tint(textures.clouds(256, 24, 6, 16), (0.20, 0.20, 0.24), (0.36, 0.34, 0.38)),
    )
    glass = material("House glass", (0.08, 0.11, 0.14), 0.1)
    x, y = 3.6, 17.0
    box("House", (x, y, 1.3), (5.0, 4.0, 3.8), wall, 1.6)
    for dx in (-1.4, 1.2):
        box("House window", (x + dx, y - 2.0, 1.5), (0.9, 0.06, 1.1), glass)
    corners = [(sx * 2.8, sy * 2.4, 0.0) for sx in (-1, 1) for sy in (-1, 1)] + [
        (-2.8, 0, 1.7),
        (2.8, 0, 1.7),
    ]
    mesh = bpy.data.meshes.new("Roof")
    mesh.from_pydata(corners, [], [(0, 2, 5, 4), (1, 4, 5, 3), (0, 4, 1), (2, 3, 5), (0, 1, 3, 2)])
    mesh.materials.append(roof)
    mesh.uv_layers.new(name="UVMap")
    add("House roof", mesh, (x, y, 3.2))


def build_trees() -> None:
    """Trees share one trunk and one crown; the hedge is a row of displaced boxes."""
    bark = material("Bark", (0.13, 0.08, 0.05), 1.0)
    leaves = material(
        "Leaves",
        textures.tint(textures.clouds(256, 25, 6, 16), (0.10, 0.26, 0.07), (0.40, 0.58, 0.22)),
        1.0,
    )
    rng = np.random.default_rng(31)
    rings = [(0.05, 0.0), (0.8, 0.25), (1.15, 0.9), (1.05, 1.6), (0.6, 2.3), (0.0, 2.6)]
    crown, trunk = lathe("Crown", rings, leaves), lathe("Trunk", [(0.16, -0.5), (0.10, 1.6)], bark)
    for vertex in crown.vertices:
        vertex.co *= 1 + 0.14 * rng.uniform(-1, 1)
    uv = crown.uv_layers.new(name="UVMap").data
    for loop, entry in zip(crown.loops, uv, strict=True):
        corner = crown.vertices[loop.vertex_index].co
        entry.uv = (math.atan2(corner.y, corner.x) / math.pi * 1.5, corner.z / 2)
    spots = [
        (-5.2, 10.5),
        (-2.6, 14.0),
        (-8.5, 17.0),
        (0.3, 21.0),
        (8.5, 15.0),
        (-4.5, 25.0),
        (6.5, 27.0),
    ]
    spots += [(-12.0, 28.0), (12.0, 24.0), (1.5, 33.0)]
    for x, y in spots:
        z, size, turn = (
            float(ground(np.float64(x), np.float64(y))),
            rng.uniform(0.9, 1.4),
            rng.uniform(0, 6),
        )
        for name, mesh, up in (("Tree trunk", trunk, 0.0), ("Tree crown", crown, 1.0)):
            made = add(name, mesh, (x, y, z + up * size), turn)
            made.scale = (size, size, size)
    box("Hedge", (-3.5, 8.0, 0.15), (5.0, 0.6, 1.0), leaves, 1.2, 0.12)
