# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh file as a scene: its triangles with their materials, in an even light from all sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...shared.errors import InputError
from ...shared.scene import Background, Instance, Material, Mesh, Scene, Texture
from ..origin import origin_of
from .mesh_material import linear_corners, material_of
from .meshes import COLORS, UP, read_meshes
from .ply import UP_AXES

UVS = "UV"
"""Name of the layer that textures look up."""

LIGHT = 1.0
"""Radiance from everywhere: what is white and open is shown white."""


def mesh_scene(path: Path, up: str | None, scale: float) -> tuple[Scene, np.ndarray]:
    """The surfaces of a file, metres and z up, without the origin, and that (3,) float64.

    Corners are smooth where the file shares them. Raises InputError when it cannot be read, is too
    large or has no triangles.
    """
    path = Path(path)
    turn = UP_AXES[up or UP[path.suffix.lower()]] * scale
    found = read_meshes(path)
    if not all(np.isfinite(np.asarray(m.vertices)).all() for m in found):
        raise InputError(f"'{path.name}' has corners that are nowhere; export it again.")
    origin = origin_of(np.concatenate([np.asarray(m.vertices)[::7] for m in found]) @ turn.T)
    meshes, instances = [], []
    materials: list[Material] = []
    textures: list[Texture] = []
    for number, one in enumerate(found):
        smooth = path.suffix.lower() != ".ply"
        meshes.append(_mesh(one, np.asarray(one.vertices) @ turn.T - origin, turn, smooth))
        name = str(one.metadata.get("name") or f"Mesh {number + 1}")
        materials.append(material_of(f"{name} {number}", one, textures))
        instances.append(Instance(f"{number:04d}", name, number, np.eye(4), (number,)))
    sky = Background(np.full((1, 1, 3), LIGHT, np.float32))
    made = Scene(tuple(meshes), tuple(instances), tuple(materials), tuple(textures), (), sky)
    return made, origin


def _mesh(one: Any, vertices: np.ndarray, turn: np.ndarray, smooth: bool) -> Mesh:
    triangles = np.asarray(one.faces, np.int32)
    normals = None
    if smooth:
        corners = np.asarray(one.vertex_normals, np.float64)[triangles] @ turn.T
        length = np.linalg.norm(corners, axis=-1, keepdims=True)
        if (length > 1e-9).all():
            normals = (corners / length).astype(np.float32)
    uv = getattr(one.visual, "uv", None)
    uvs = {}
    if uv is not None and len(uv) == len(vertices):
        uvs = {UVS: np.nan_to_num(np.asarray(uv, np.float32))[triangles]}
    shades = linear_corners(one)
    colors = {} if shades is None else {COLORS: shades}
    vertices = vertices.astype(np.float32)
    bounds = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
    slots = np.zeros(len(triangles), np.int32)
    return Mesh(vertices, triangles, slots, normals, uvs, colors, UVS if uvs else "",
                COLORS if colors else "", bounds)  # fmt: skip
