# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh file as a scene: its triangles with their materials, in an even light from all sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...shared.color import srgb_to_linear
from ...shared.errors import InputError
from ...shared.scene import Background, Instance, Material, Mesh, Scene, Texture
from ..origin import origin_of
from .meshes import GREY, UP, picture_of, read_meshes
from .ply import UP_AXES

COLORS, UVS = "Color", "UV"
"""Names of the layers that materials look up."""

LIGHT = 1.0
"""Radiance from everywhere: what is white and open is shown white."""

LONGEST = 8192
"""Pixels of a side of a texture above which it is made smaller."""


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
        materials.append(_material(f"{name} {number}", one, textures))
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
    colors = _colors(one, triangles)
    vertices = vertices.astype(np.float32)
    bounds = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
    slots = np.zeros(len(triangles), np.int32)
    return Mesh(vertices, triangles, slots, normals, uvs, colors, UVS if uvs else "",
                COLORS if colors else "", bounds)  # fmt: skip


def _colors(one: Any, triangles: np.ndarray) -> dict[str, np.ndarray]:
    """Of vertices or faces, linear, for every corner."""
    kind = getattr(one.visual, "kind", None)
    if kind == "vertex":
        bytes_ = np.asarray(one.visual.vertex_colors, np.uint8)[triangles]
    elif kind == "face":
        bytes_ = np.repeat(np.asarray(one.visual.face_colors, np.uint8)[:, None], 3, axis=1)
    else:
        return {}
    values = bytes_.astype(np.float32) / 255
    values[..., :3] = srgb_to_linear(values[..., :3])
    return {COLORS: values}


def _material(name: str, one: Any, textures: list[Texture]) -> Material:
    """A Principled BSDF: the texture, the colours of corners, or one colour for all."""
    material = getattr(one.visual, "material", None)
    picture = picture_of(material)
    uv = getattr(one.visual, "uv", None)
    nodes: list[dict[str, Any]] = []
    inputs: dict[str, Any] = {"Roughness": 1.0}
    if picture is not None and uv is not None and len(uv) == len(one.vertices):
        picture.thumbnail((LONGEST, LONGEST))
        props = {"texture": len(textures), "interpolation": "Linear", "extension": "REPEAT",
                 "projection": "FLAT"}  # fmt: skip
        textures.append(Texture(name, np.asarray(picture.convert("RGBA"))))
        nodes.append({"type": "TEX_IMAGE", "props": props, "inputs": {}})
    elif getattr(one.visual, "kind", None) in ("vertex", "face"):
        nodes.append({"type": "VERTEX_COLOR", "props": {"layer_name": COLORS}, "inputs": {}})
    else:
        plain = getattr(material, "main_color", None)
        shade = np.full(3, GREY) if plain is None else np.asarray(plain)[:3]
        linear = srgb_to_linear(shade.astype(np.float32) / 255)
        inputs["Base Color"] = [*map(float, linear), 1.0]
    if nodes:
        inputs["Base Color"] = {"node": 0, "out": "Color"}
    for socket, field in (("Metallic", "metallicFactor"), ("Roughness", "roughnessFactor")):
        value = getattr(material, field, None)
        if value is not None and np.isfinite(value):
            inputs[socket] = float(np.clip(value, 0, 1))
    nodes.append({"type": "BSDF_PRINCIPLED", "props": {}, "inputs": inputs})
    surface = {"node": len(nodes) - 1, "out": "BSDF"}
    return Material(name, json.dumps({"nodes": nodes, "surface": surface}))
