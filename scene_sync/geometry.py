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

from ..backend.shared.scene import Mesh
from .anchor_points import is_anchors

SURFACE_TYPES = frozenset({"MESH"})
"""Text, curves, surfaces and metaballs come as instances of the meshes that they become."""


_UV_GRID = np.float32(65536)
UV_STEP = 0.01
"""Change of a UV layer's sums that counts: the last bits of 100 000 corners stay far below."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh in its own space. digest: changes with all of it that points can show."""

    mesh: Mesh
    digest: bytes

    @functools.cached_property
    def corners(self) -> np.ndarray:
        """(T, 3, 3) float32 positions of the corners."""
        return self.mesh.vertices[self.mesh.triangles]

    @functools.cached_property
    def slots(self) -> np.ndarray:
        """(S,) material slots that its triangles name, in order."""
        return np.unique(self.mesh.slots)

    @functools.cached_property
    def topology(self) -> str:
        """Names the triangles and their slots, wherever the vertices stand."""
        digest = hashlib.blake2b(digest_size=12)
        for array in (self.mesh.triangles, self.mesh.slots):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every coordinate is a number."""
        return bool(np.isfinite(self.mesh.vertices).all())


def surface_of(mesh: Mesh | None) -> Surface | None:
    """A mesh that was made here."""
    if mesh is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for array in (mesh.vertices, mesh.triangles, *mesh.uv.values(), *mesh.colors.values()):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(repr((sorted(mesh.uv), sorted(mesh.colors))).encode())
    return Surface(mesh, digest.digest())


def same_mesh(one: Mesh, other: Mesh) -> bool:
    """Whether two meshes with the same digest are alike to the bit."""
    pairs = zip(_arrays(one), _arrays(other), strict=True)
    return all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in pairs)


def _arrays(mesh: Mesh) -> list[np.ndarray | None]:
    """Everything in a mesh; meshes of equal digests have equally many."""
    return [mesh.vertices, mesh.normals, mesh.bounds, *mesh.uv.values(), *mesh.colors.values()]


class Instance(NamedTuple):
    """One placing of an object. key: the same instance in every frame and session.

    number: among all that the depsgraph has, shown or not. owner: what makes the instance, the
    object itself where it is none. random_id: Blender's, None where the object is no instance.
    """

    number: int
    key: str
    object: bpy.types.Object
    matrix: Matrix
    owner: bpy.types.Object
    random_id: int | None


def instances(
    depsgraph: bpy.types.Depsgraph,
    local_view: bpy.types.SpaceView3D | None = None,
    start: int = 0,
    types: frozenset[str] = SURFACE_TYPES,
) -> Iterator[Instance]:
    """Every object of these `types` that `depsgraph` shows, instances included.

    local_view: a viewport that shows only some objects; it takes worlds' points for granted.
    start: the index of the first.
    The objects of each are valid only until the next one is asked for.
    """
    # in scenes of thousands of objects every look at one of Blender's properties counts
    for index, item in enumerate(islice(depsgraph.object_instances, start, None), start):
        ob = item.object
        if ob.type not in types:
            continue
        copied = item.is_instance
        if not copied and not item.show_self:
            continue
        owner = item.parent if copied else ob
        # originals of 4.3 do not know whether they are in a local view
        hidden = local_view is not None and not owner.visible_in_viewport_get(local_view)
        if hidden and not is_anchors(ob):
            continue
        key = ob.name_full
        if copied:
            key = f"{owner.name_full}/{key}/{list(item.persistent_id)}"
        random_id = item.random_id if copied else None
        yield Instance(index, key, ob, item.matrix_world.copy(), owner, random_id)


def read_mesh(ob: bpy.types.Object) -> Surface | None:
    """The triangles of an evaluated mesh object, or None when it has no faces."""
    if not getattr(ob.data, "is_editmode", False):
        return _surface(ob.data)
    # what is being edited, and its copies, have their mesh made when somebody asks for it
    try:
        return _surface(ob.to_mesh())
    finally:
        ob.to_mesh_clear()


def vertices_of(ob: bpy.types.Object) -> np.ndarray:
    """(V, 3) float32 places of an evaluated mesh object's vertices, in its own space."""
    return _array(ob.data.vertices, "co", len(ob.data.vertices), 3)


def _surface(mesh: bpy.types.Mesh) -> Surface | None:
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
    slots = _array(triangles, "material_index", count, 1, np.int32)[:, 0]
    uv = {
        layer.name: _rounded(_array(layer.uv, "vector", len(mesh.loops), 2))[loops]
        for layer in mesh.uv_layers
    }
    colors = {
        layer.name: _array(layer.data, "color", len(layer.data), 4)[
            vertices if layer.domain == "POINT" else loops
        ]
        for layer in mesh.color_attributes
        if layer.domain in {"POINT", "CORNER"}
    }
    digest = hashlib.blake2b(digest_size=16)
    for array in (positions, vertices, slots, *map(_sums, uv.values()), *colors.values()):
        digest.update(np.ascontiguousarray(array).data)
    active_uv = next((layer.name for layer in mesh.uv_layers if layer.active_render), "")
    active_color = mesh.color_attributes.default_color_name if colors else ""
    digest.update(repr((active_uv, active_color, sorted(uv), sorted(colors))).encode())
    normals = _corner_normals(mesh, vertices, loops)
    found = Mesh(
        positions, vertices, slots, normals, uv, colors, active_uv, active_color, _bounds(mesh)
    )
    return Surface(found, digest.digest())


def _corner_normals(
    mesh: bpy.types.Mesh, vertices: np.ndarray, loops: np.ndarray
) -> np.ndarray | None:
    """(T, 3, 3) float32 with smooth, sharp and custom normals as Cycles mixes them; None: flat."""
    if mesh.normals_domain == "FACE":
        return None
    corners = None
    if mesh.normals_domain == "CORNER":
        corners = _array(mesh.corner_normals, "vector", len(mesh.loops), 3)[loops]
        if mesh.has_custom_normals or _has_sharp_edges(mesh):
            return corners
    smooth = _array(mesh.vertex_normals, "vector", len(mesh.vertices), 3)[vertices]
    if corners is None:
        return smooth
    # flat faces alone part no normals in Cycles, as they do in the viewport: their smooth
    # neighbours bend towards them
    flat = ~_array(mesh.loop_triangles, "use_smooth", len(loops), 1, bool)[:, 0]
    return np.where(flat[:, None, None], corners, smooth)


def _has_sharp_edges(mesh: bpy.types.Mesh) -> bool:
    edges = mesh.attributes.get("sharp_edge")
    return edges is not None and bool(_array(edges.data, "value", len(mesh.edges), 1, bool).any())


def _bounds(mesh: bpy.types.Mesh) -> np.ndarray:
    """(2, 3) float32, where Generated coordinates are 0 and where they are 1."""
    middle, size = np.array(mesh.texspace_location), np.array(mesh.texspace_size)
    return np.stack([middle - size, middle + size]).astype(np.float32)


def _array(
    collection: bpy.types.bpy_prop_collection,
    name: str,
    count: int,
    width: int,
    dtype: type = np.float32,
) -> np.ndarray:
    flat: np.ndarray = np.empty(count * width, dtype)
    collection.foreach_get(name, flat)
    return flat.reshape(count, width)


def _rounded(uv: np.ndarray) -> np.ndarray:
    """Coordinates on a grid so fine that no picture has more pixels: modifiers round their last
    bits differently in each session, and the same scene is the same world in all of them."""
    return np.rint(uv * _UV_GRID) / _UV_GRID


def _sums(uv: np.ndarray) -> np.ndarray:
    """What tells one UV layer from another, blind to the last bits of a number.

    Modifiers such as Bevel round them differently from one session to the next, and the same scene
    must be the same world in all of them.
    """
    flat = uv.reshape(-1, 2).astype(np.float64)
    turn = np.arange(len(flat), dtype=np.float64)
    weights = np.stack([np.ones_like(turn), np.cos(turn), np.sin(2.3 * turn)])
    return np.rint(weights @ flat / UV_STEP).astype(np.int64)
