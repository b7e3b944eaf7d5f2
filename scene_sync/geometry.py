# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluated meshes as arrays: what the depsgraph shows, with modifiers and instances."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Matrix

from .anchor_points import is_anchors

SURFACE_TYPES = {"MESH", "CURVE", "SURFACE", "FONT", "META"}


UV_STEP = 0.01
"""Change of a UV layer's sums that counts: the last bits of 100 000 corners stay far below."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh in its own space.

    corners: (T, 3, 3) float32 positions. material: (T,) int32 slot. uv: layer name to (T, 3, 2)
    float32. colours: attribute name to (T, 3, 3) float32 linear. active_uv and active_colour name
    the layers a material means when it names none. digest: changes with all of it that can be seen.
    """

    corners: np.ndarray
    material: np.ndarray
    uv: dict[str, np.ndarray]
    colours: dict[str, np.ndarray]
    active_uv: str
    active_colour: str
    digest: bytes

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every coordinate is a number."""
        return bool(np.isfinite(self.corners).all())


class Instance(NamedTuple):
    """One placing of an object's surface. key: the same instance in every frame and session.

    index: among all that the depsgraph has, shown or not.
    """

    index: int
    key: str
    object: bpy.types.Object
    matrix: Matrix


def instances(
    depsgraph: bpy.types.Depsgraph,
    local_view: bpy.types.SpaceView3D | None = None,
    start: int = 0,
) -> Iterator[Instance]:
    """Everything with a surface that `depsgraph` shows, instances included.

    local_view: a viewport that shows only some objects; it takes worlds' points for granted.
    start: the index of the first.
    The object of each is valid only until the next one is asked for.
    """
    # in scenes of thousands of objects every look at one of Blender's properties counts
    for index, item in enumerate(islice(depsgraph.object_instances, start, None), start):
        ob = item.object
        if ob.type not in SURFACE_TYPES:
            continue
        copied = item.is_instance
        if not copied and not item.show_self:
            continue
        if local_view is not None:
            owner = item.parent if copied else ob  # 4.3's originals do not know
            if not owner.visible_in_viewport_get(local_view) and not is_anchors(ob):
                continue
        key = ob.name_full
        if copied:
            key = f"{item.parent.name_full}/{key}/{list(item.persistent_id)}"
        yield Instance(index, key, ob, item.matrix_world.copy())


def read_mesh(ob: bpy.types.Object) -> Mesh | None:
    """The triangles of an evaluated object, or None when it has no faces."""
    if ob.type == "MESH":
        return _read(ob.data)
    mesh = ob.to_mesh()
    try:
        return None if mesh is None else _read(mesh)
    finally:
        ob.to_mesh_clear()


def _read(mesh: bpy.types.Mesh) -> Mesh | None:
    triangles = mesh.loop_triangles
    if len(triangles) == 0 and len(mesh.polygons) > 0:
        mesh.calc_loop_triangles()
        triangles = mesh.loop_triangles
    count = len(triangles)
    if count == 0:
        return None
    positions = _array(mesh.vertices, "co", len(mesh.vertices), 3)
    vertices = _array(triangles, "vertices", count, 3, np.int32)
    loops = _array(triangles, "loops", count, 3, np.int32)
    material = _array(triangles, "material_index", count, 1, np.int32)[:, 0]
    uv = {
        layer.name: _array(layer.uv, "vector", len(mesh.loops), 2)[loops]
        for layer in mesh.uv_layers
    }
    colours = {
        layer.name: _array(layer.data, "color", len(layer.data), 4)[
            vertices if layer.domain == "POINT" else loops
        ][..., :3]
        for layer in mesh.color_attributes
        if layer.domain in {"POINT", "CORNER"}
    }
    digest = hashlib.blake2b(digest_size=16)
    for array in (positions, vertices, material, *map(_sums, uv.values()), *colours.values()):
        digest.update(np.ascontiguousarray(array).data)
    active_uv = next((layer.name for layer in mesh.uv_layers if layer.active_render), "")
    active_colour = mesh.color_attributes.default_color_name if colours else ""
    digest.update(repr((active_uv, active_colour, sorted(uv), sorted(colours))).encode())
    return Mesh(
        positions[vertices], material, uv, colours, active_uv, active_colour, digest.digest()
    )


def _array(
    collection: object, name: str, count: int, width: int, dtype: type = np.float32
) -> np.ndarray:
    flat = np.empty(count * width, dtype)
    collection.foreach_get(name, flat)
    return flat.reshape(count, width)


def _sums(uv: np.ndarray) -> np.ndarray:
    """What tells one UV layer from another, blind to the last bits of a number.

    Modifiers such as Bevel round them differently from one session to the next, and the same scene
    must be the same world in all of them.
    """
    flat = uv.reshape(-1, 2).astype(np.float64)
    turn = np.arange(len(flat), dtype=np.float64)
    weights = np.stack([np.ones_like(turn), np.cos(turn), np.sin(2.3 * turn)])
    return np.rint(weights @ flat / UV_STEP).astype(np.int64)
