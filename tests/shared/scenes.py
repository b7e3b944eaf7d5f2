# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene with one of everything."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from backend.shared.scene import (
    Background,
    Film,
    Instance,
    Lamp,
    Material,
    Mesh,
    Scene,
    Texture,
)


def small_scene(seed: int = 0) -> Scene:
    """Two meshes, two objects, a textured material, a lamp, a sky and fog."""
    rng = np.random.default_rng(seed)
    placed = np.eye(4)
    placed[:3, 3] = rng.normal(size=3)
    return Scene(
        meshes=(small_mesh(rng, 12, bare=False), small_mesh(rng, 9, bare=True)),
        instances=(
            Instance("cube#0", "cube", 0, placed, (0, -1), color=(0.5, 0.25, 1.0, 1.0)),
            Instance("floor", "floor", 1, np.eye(4), shadow_catcher=True, random=0.25),
        ),
        materials=(Material("Wood", json.dumps(textured_program(0))),),
        textures=(
            Texture("wood", rng.integers(0, 256, (8, 6, 4), dtype=np.uint8), tile=1001),
            Texture("sun", rng.uniform(0, 100, (4, 8, 4)).astype(np.float16), srgb=False),
        ),
        lamps=(Lamp("key", "AREA", placed, (100.0, 90.0, 80.0), size=(1.0, 2.0), shape="DISK"),),
        background=Background(rng.uniform(0, 5, (8, 16, 3)).astype(np.float32)),
        film=Film(transparent=True),
        fog_density=0.125,
    )


def small_mesh(rng: np.random.Generator, count: int, bare: bool) -> Mesh:
    """`count` triangles anywhere; bare: without normals and layers."""
    vertices = rng.normal(size=(count + 2, 3)).astype(np.float32)
    triangles = rng.integers(0, len(vertices), (count, 3), dtype=np.int32)
    slots = rng.integers(0, 2, count, dtype=np.int32)
    if bare:
        return Mesh(vertices, triangles, slots)
    return Mesh(
        vertices,
        triangles,
        slots,
        rng.normal(size=(count, 3, 3)).astype(np.float32),
        {"UVMap": rng.uniform(size=(count, 3, 2)).astype(np.float32)},
        {"Col": rng.uniform(size=(count, 3, 4)).astype(np.float32)},
        "UVMap",
        "Col",
        np.array([[-1, -1, -1], [1, 1, 1]], np.float32),
    )


def textured_program(texture: int) -> dict[str, Any]:
    """A picture on a Principled surface."""
    nodes = [
        {"type": "TEX_IMAGE", "props": {"texture": texture}, "inputs": {}},
        {
            "type": "BSDF_PRINCIPLED",
            "props": {},
            "inputs": {"Base Color": {"node": 0, "out": "Color"}, "Roughness": 0.5},
        },
    ]
    return {"nodes": nodes, "surface": {"node": 1, "out": "BSDF"}, "volume": None}
