# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of meshes, as Geometry Nodes store them, where a material asks for them by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import bpy
import numpy as np

from .geometry import Surface
from .shader import Shader

_NUMBERS = {"FLOAT": 1, "INT": 1, "INT8": 1, "BOOLEAN": 1, "FLOAT2": 2, "FLOAT_VECTOR": 3,
            "FLOAT_COLOR": 4, "BYTE_COLOR": 4}  # fmt: skip
"""How many of them an attribute has; those that Cycles shows."""
_FIELDS = {
    "FLOAT2": "vector",
    "FLOAT_VECTOR": "vector",
    "FLOAT_COLOR": "color",
    "BYTE_COLOR": "color",
}
_KINDS = {"INT": np.int32, "INT8": np.int32, "BOOLEAN": np.bool_}


def with_attributes(surface: Surface, ob: bpy.types.Object, shaders: Iterable[Shader]) -> Surface:
    """A surface of an evaluated mesh with the attributes that its shaders name, as colours."""
    mesh = surface.mesh
    names = frozenset[str]().union(*(shader.attributes for shader in shaders))
    found = {}
    for name in sorted(names - mesh.uv.keys() - mesh.colors.keys()):
        values = _read(ob.data, name)
        if values is not None and len(values) == len(mesh.triangles):
            found[name] = values
    if not found:
        return surface
    digest = hashlib.blake2b(surface.digest + repr([*found]).encode(), digest_size=16)
    for values in found.values():
        digest.update(values.data)
    return Surface(replace(mesh, colors={**mesh.colors, **found}), digest.digest())


def _read(mesh: bpy.types.Mesh, name: str) -> np.ndarray | None:
    """(T, 3, 4) float32 of the triangles' corners; None of what no material can show."""
    attribute = mesh.attributes.get(name)
    if attribute is None or attribute.data_type not in _NUMBERS:
        return None
    kind, width = attribute.data_type, _NUMBERS[attribute.data_type]
    place = {"POINT": "vertices", "CORNER": "loops", "FACE": "polygon_index"}.get(attribute.domain)
    if place is None:
        return None
    count = len(mesh.loop_triangles)
    flat: np.ndarray = np.empty(len(attribute.data) * width, _KINDS.get(kind, np.float32))
    attribute.data.foreach_get(_FIELDS.get(kind, "value"), flat)
    at = np.empty(count * (1 if place == "polygon_index" else 3), np.int32)
    mesh.loop_triangles.foreach_get(place, at)
    values = flat.reshape(-1, width).astype(np.float32)[at.reshape(count, -1)]
    made = np.ones((count, 3, 4), np.float32)
    made[..., :3] = 0 if width == 2 else values[..., :3]
    if width in {2, 4}:
        made[..., :width] = values
    return made
