# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles what lights scenes before anybody waits for a picture.

Numba compiles a kernel when it is first called and keeps it on disk, in NUMBA_CACHE_DIR where that
is set. A small scene that uses all of them is as good a list as any, and stays right by itself.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..shared.anchors import Anchors
from ..shared.camera import Camera, intrinsics, look_at
from ..shared.frame import FrameRequest
from ..shared.motion import Move, Pose
from ..shared.scene import Background, Instance, Lamp, Material, Mesh, Scene, Texture
from ..shared.world import World
from .lit_seam import LitPipeline

_SIZE = 32
_Node = tuple[str, dict[str, Any], dict[str, Any]]


def compile_kernels(pipeline: LitPipeline) -> None:
    """Call every kernel once: half a minute the first time, a moment afterwards."""
    world = World(Anchors.empty(), [], 0, {}, _scene())
    aside = np.eye(4)
    aside[0, 3] = 1.0
    blurred = FrameRequest(
        _camera(),
        draft=True,
        aperture=0.5,
        focus=2.0,
        opened=_camera(),
        closed=_camera(0.3),
        moves=(Move("000", Pose(np.eye(4)), Pose(aside)),),
    )
    pipeline.render(pipeline.prepare(world), blurred)


def _camera(aside: float = 0.0) -> Camera:
    c2w = look_at(np.array([3.0, -3.0 + aside, 2.0]), np.zeros(3))
    return Camera(intrinsics(0.9, _SIZE, _SIZE), c2w, _SIZE, _SIZE)


def _scene() -> Scene:
    programs = _programs()
    materials = tuple(Material(f"kernel {i}", text) for i, text in enumerate(programs))
    floor = np.diag([4.0, 4.0, 1.0, 1.0])
    instances = [Instance("floor", "floor", 0, floor, (0,))]
    for i in range(len(programs)):
        matrix = np.eye(4)
        matrix[:3, 3] = (i % 4 - 1.5, i // 4 - 1.5, 0.3)
        instances.append(Instance(f"{i:03d}", "kernel", 1 + i % 2, matrix, (i,)))
    instances.append(Instance("twice", "twice", 3, np.eye(4), (0,)))
    meshes = (_quad(smooth=False), _quad(smooth=False), _quad(smooth=True), _twice())
    return Scene(
        meshes,
        tuple(instances),
        materials,
        _textures(),
        _lamps(),
        _background(),
        viewpoints=(_camera(),),
    )


def _quad(smooth: bool) -> Mesh:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    lifted = np.array([[0.0], [0.1], [0.0], [0.1]], np.float32)
    vertices = np.concatenate([corners - 0.5, lifted], axis=1)
    normals = None
    if smooth:
        normals = np.tile(np.array([0.1, 0.0, 0.995], np.float32), (2, 3, 1))
    colors = np.concatenate([corners, np.ones((4, 2), np.float32)], axis=1)
    return Mesh(
        vertices,
        triangles,
        np.zeros(2, np.int32),
        normals,
        {"UV": corners[triangles]},
        {"Col": colors[triangles]},
        "UV",
        "Col",
    )


def _twice() -> Mesh:
    """A level square that was divided both ways."""
    corners = np.array([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]], np.int32)
    return Mesh(corners, triangles, np.zeros(4, np.int32))


def _textures() -> tuple[Texture, ...]:
    ramp = np.linspace(0, 255, 16 * 16 * 4).astype(np.uint8).reshape(16, 16, 4)
    return (
        Texture("bytes", ramp, has_alpha=True),
        Texture("halves", (ramp / 255).astype(np.float16), srgb=False),
    )


def _lamps() -> tuple[Lamp, ...]:
    def lamp(kind: str, **more: Any) -> Lamp:
        matrix = np.eye(4)
        matrix[:3, 3] = (len(kind) - 3.0, 0.5, 3.0)
        return Lamp(kind, kind, matrix, (50.0, 50.0, 50.0), **more)

    return (
        lamp("SUN", angle=0.02),
        lamp("POINT", radius=0.1),
        lamp("SPOT", radius=0.1, cone=1.0, blend=0.2),
        lamp("AREA", size=(1.0, 1.0)),
    )


def _background() -> Background:
    pixels = np.full((32, 64, 3), 0.3, np.float32)
    pixels[6, 20] = 2000.0
    return Background(pixels)


def _programs() -> list[str]:
    link = {"node": 0, "out": "Color"}
    image = {"texture": 0, "interpolation": "Linear", "extension": "REPEAT", "projection": "FLAT"}
    patterns: list[_Node] = [
        ("TEX_IMAGE", image, {}),
        ("TEX_IMAGE", {**image, "texture": 1, "interpolation": "Closest"}, {}),
        ("TEX_NOISE", {"noise_dimensions": "3D", "noise_type": "FBM", "normalize": True}, {}),
        ("TEX_VORONOI", {"voronoi_dimensions": "3D", "feature": "F1", "distance": "EUCLIDEAN"}, {}),
        ("TEX_WAVE", {}, {"Distortion": 1.0}),
        ("TEX_MAGIC", {}, {}),
        ("TEX_WHITE_NOISE", {"noise_dimensions": "3D"}, {}),
        ("TEX_BRICK", {}, {}),
    ]
    plain: list[dict[str, Any]] = [
        {"Base Color": [0.8, 0.4, 0.2, 1.0], "Roughness": 0.5},
        {"Metallic": 1.0, "Roughness": 0.05},
        {"Metallic": 1.0, "Roughness": 0.3, "Coat Weight": 1.0},
        {"Transmission Weight": 1.0, "Roughness": 0.0},
        {"Alpha": 0.5},
        {"Emission Color": [1.0, 0.5, 0.2, 1.0], "Emission Strength": 3.0},
        {"Sheen Weight": 1.0},
    ]
    painted: _Node = ("BSDF_PRINCIPLED", {}, {"Base Color": link})
    made = [_program(pattern, painted) for pattern in patterns]
    made += [_program(("BSDF_PRINCIPLED", {}, inputs)) for inputs in plain]
    bump: _Node = ("BUMP", {}, {"Height": link, "Strength": 1.0, "Distance": 0.1})
    normal = {"Normal": {"node": 1, "out": "Normal"}}
    return [*made, _program(patterns[2], bump, ("BSDF_PRINCIPLED", {}, normal))]


def _program(*nodes: _Node) -> str:
    listed = [{"type": kind, "props": props, "inputs": inputs} for kind, props, inputs in nodes]
    return json.dumps({"nodes": listed, "surface": {"node": len(nodes) - 1, "out": "BSDF"}})
