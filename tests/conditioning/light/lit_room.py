# SPDX-License-Identifier: GPL-3.0-or-later
"""A small closed room with a box in it, lit by whatever a test hangs up."""

from __future__ import annotations

import json

import numpy as np

from backend.conditioning.anchors.geometry import Geometry
from backend.conditioning.anchors.materials import UNASSIGNED, CompiledMaterial
from backend.conditioning.anchors.surface import Matter
from backend.conditioning.light.cache import Quality
from backend.conditioning.light.shade import Lighting
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.scene import (
    CAMERA,
    EVERYWHERE,
    Background,
    Film,
    Instance,
    Lamp,
    Material,
    Mesh,
    Scene,
)

QUICK = Quality(600, 32)


def closure(kind: str, **inputs: object) -> Material:
    """A material of one closure node."""
    node = {"type": kind, "props": {}, "inputs": inputs}
    program = {"nodes": [node], "surface": {"node": 0, "out": "BSDF"}, "volume": None}
    return Material(kind, json.dumps(program))


def matt(color: tuple[float, float, float]) -> Material:
    """A diffuse surface."""
    return closure("BSDF_DIFFUSE", Color=[*color, 1.0])


def glowing(strength: float) -> Material:
    """A white surface that shines."""
    return closure("EMISSION", Color=[1.0, 1.0, 1.0, 1.0], Strength=strength)


def box_mesh(low: tuple[float, ...], high: tuple[float, ...]) -> Mesh:
    """Twelve triangles, facing outwards."""
    corners = np.array(
        [
            [x, y, z]
            for x in (low[0], high[0])
            for y in (low[1], high[1])
            for z in (low[2], high[2])
        ],
        np.float32,
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return Mesh(corners, np.array(triangles, np.int32), np.zeros(12, np.int32))


def plane_mesh(size: float, z: float = 0.0) -> Mesh:
    """A square that faces up."""
    half = size / 2
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Mesh(corners.astype(np.float32), triangles, np.zeros(2, np.int32))


def sphere_mesh(radius: float, middle: tuple[float, ...], rings: int = 12) -> Mesh:
    """A closed ball that faces outwards."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.arange(2 * rings) * np.pi / rings
    z, turn = (a.ravel() for a in np.meshgrid(polar, around, indexing="ij"))
    ring = np.stack([np.sin(z) * np.cos(turn), np.sin(z) * np.sin(turn), np.cos(z)], axis=1)
    corners = np.concatenate([ring, [[0, 0, 1], [0, 0, -1]]]) * radius + np.array(middle)
    wide, triangles = 2 * rings, []
    for i in range(wide):
        j = (i + 1) % wide
        triangles += [
            (len(ring), i, j),
            (len(ring) + 1, len(ring) - wide + j, len(ring) - wide + i),
        ]
        for r in range(0, (rings - 2) * wide, wide):
            triangles += [(r + i, r + wide + i, r + wide + j), (r + i, r + wide + j, r + j)]
    made = np.array(triangles, np.int32)
    return Mesh(corners.astype(np.float32), made, np.zeros(len(made), np.int32))


def scene_of(
    parts: list[tuple[Mesh, Material]],
    lamps: list[Lamp] | tuple[Lamp, ...] = (),
    sky: float = 0.0,
    film: Film | None = None,
    **flags: object,
) -> Scene:
    """Every mesh where it is; sky: radiance from everywhere."""
    background = Background(np.full((1, 1, 3), sky, np.float32))
    instances = tuple(
        Instance(f"part{i}", f"part{i}", i, np.eye(4), (i,), **flags) for i in range(len(parts))
    )
    return Scene(
        meshes=tuple(mesh for mesh, _ in parts),
        instances=instances,
        materials=tuple(material for _, material in parts),
        lamps=tuple(lamps),
        background=background,
        film=film or Film(),
    )


def lighting_of(scene: Scene, quality: Quality = QUICK) -> Lighting:
    """Ready to make frames of."""
    materials = [CompiledMaterial(one, scene.textures) for one in (*scene.materials, UNASSIGNED)]
    return Lighting.of(scene, Matter(Geometry.of(scene), materials), quality)


def camera_at(
    place: tuple[float, ...], target: tuple[float, ...], size: int = 24, fov: float = 0.9
) -> Camera:
    """A square picture."""
    return Camera(
        intrinsics(fov, size, size), look_at(np.array(place), np.array(target)), size, size
    )


def lamp_at(kind: str, place: tuple[float, ...], power: float, **more: object) -> Lamp:
    """A white lamp that shines downwards and isn't seen itself."""
    matrix = np.eye(4)
    matrix[:3, 3] = place
    unseen = EVERYWHERE & ~CAMERA
    return Lamp("lamp", kind, matrix, (power, power, power), visible=unseen, **more)
