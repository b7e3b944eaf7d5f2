# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points as an object: a mesh of vertices with a colour and a radius each.

They are saved, undone, appended and copied like any mesh, and may be moved, turned and edited. The
points of a world that is kept in a folder are read from there; the mesh is then a thinned preview.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors, turned
from ..backend.shared.harmonics import SH_C0, TERMS, kept, turned_harmonics
from .world_folder import folder_anchors, folder_of

RADIUS = "worldfm_radius"
COLOUR = "worldfm_colour"
SCALE, ROTATION, OPACITY = "worldfm_scale", "worldfm_rotation", "worldfm_opacity"
"""Attributes of points that are splats: standard deviations, quaternions, opacity."""
HARMONICS = "worldfm_harmonics_{}"
"""And, four bytes in each whole number, how their colour depends on direction: `Anchors.harmonics`,
in the object's axes. A byte for each attribute would be forty-eight of them."""
NATIVE = "radiance:base"
"""An attribute that Blender's own splats have, from 5.3 on: base harmonics and opacity."""
NATIVE_HARMONICS = "radiance:sh_{}"
"""And the harmonics beyond the constant one, a colour each."""


def store_anchors(
    name: str, anchors: Anchors, collection: bpy.types.Collection, scale_length: float
) -> bpy.types.Object:
    """A new object in `collection`. scale_length: metres per Blender unit of the scene."""
    ob = bpy.data.objects.new(name, anchor_mesh(name, anchors, scale_length))
    collection.objects.link(ob)
    return ob


def anchor_mesh(name: str, anchors: Anchors, scale_length: float) -> bpy.types.Mesh:
    """A new mesh of points; its coordinates are metres / scale_length."""
    mesh = bpy.data.meshes.new(name)
    xyz = anchors.xyz / np.float32(scale_length)
    mesh.vertices.add(len(anchors))
    mesh.vertices.foreach_set("co", xyz.ravel())
    _join_two(mesh, xyz)
    radius = mesh.attributes.new(RADIUS, "FLOAT", "POINT")
    radius.data.foreach_set("value", anchors.radius / np.float32(scale_length))
    rgba = np.ones((len(anchors), 4), np.float32)
    rgba[:, :3] = anchors.rgb / np.float32(255)
    colour = mesh.color_attributes.new(COLOUR, "BYTE_COLOR", "POINT")
    colour.data.foreach_set("color_srgb", rgba.ravel())
    if anchors.splats is not None:
        _store_splats(mesh, anchors.splats, np.float32(scale_length))
    if anchors.harmonics is not None:
        _store_harmonics(mesh, anchors.harmonics)
    mesh.update()
    return mesh


def _store_splats(mesh: bpy.types.Mesh, splats: np.ndarray, scale_length: np.float32) -> None:
    scale = mesh.attributes.new(SCALE, "FLOAT_VECTOR", "POINT")
    scale.data.foreach_set("vector", (splats[:, :3] / scale_length).ravel())
    rotation = mesh.attributes.new(ROTATION, "QUATERNION", "POINT")
    rotation.data.foreach_set("value", splats[:, 3:7].ravel())
    opacity = mesh.attributes.new(OPACITY, "FLOAT", "POINT")
    opacity.data.foreach_set("value", np.ascontiguousarray(splats[:, 7]))


def _store_harmonics(mesh: bpy.types.Mesh, harmonics: np.ndarray) -> None:
    count, terms, _ = harmonics.shape
    padded = np.zeros((count, _words(terms) * 4), np.int8)
    padded[:, : 3 * terms] = harmonics.reshape(count, 3 * terms)
    for number, column in enumerate(padded.view(np.int32).T):
        layer = mesh.attributes.new(HARMONICS.format(number), "INT", "POINT")
        layer.data.foreach_set("value", np.ascontiguousarray(column))


def _words(terms: int) -> int:
    """Whole numbers that hold so many harmonics of three colours."""
    return -(-3 * terms // 4)


def _mesh_harmonics(mesh: bpy.types.Mesh) -> np.ndarray | None:
    """Of as many degrees as the mesh has whole."""
    names = [HARMONICS.format(number) for number in range(_words(TERMS[-1]))]
    layers = [mesh.attributes.get(name) for name in names]
    usable = [ok is not None and ok.data_type == "INT" and ok.domain == "POINT" for ok in layers]
    terms = max((t for t in TERMS[1:] if all(usable[: _words(t)])), default=0)
    if not terms:
        return None
    columns = [_column(layer, "value", 1, np.int32) for layer in layers[: _words(terms)]]
    packed = np.concatenate(columns, axis=1).view(np.int8)
    return packed[:, : 3 * terms].reshape(-1, terms, 3)


def _join_two(mesh: bpy.types.Mesh, xyz: np.ndarray) -> None:
    """An edge from the first point to its neighbour.

    Blender's overlays draw every vertex of a mesh that has no edge at all as a black dot, over the
    picture too. With one they draw that edge alone, which is shorter than a pixel.
    """
    if len(xyz) < 2:
        return
    distance = np.abs(xyz[1:] - xyz[0]).max(axis=1)
    mesh.edges.add(1)
    mesh.edges[0].vertices = (0, int(np.argmin(distance)) + 1)


def is_anchors(ob: bpy.types.Object) -> bool:
    """Whether an (evaluated) object holds anchor points of ours."""
    return ob.type == "MESH" and RADIUS in ob.data.attributes and not len(ob.data.polygons)


def are_native_splats(ob: bpy.types.Object) -> bool:
    """Whether an (evaluated) object is a point cloud that Blender renders as splats."""
    return ob.type == "POINTCLOUD" and NATIVE in ob.data.attributes


@dataclass(frozen=True, eq=False)
class Points:
    """Anchors of an object in its own space. units: of that space to one metre of theirs."""

    anchors: Anchors
    units: float

    def placed(self, matrix: np.ndarray) -> Anchors:
        """World-space anchors. matrix: (4, 4) from the object's space to metres."""
        return _placed(self.anchors, matrix @ np.diag([self.units] * 3 + [1.0]))

    @functools.cached_property
    def digest(self) -> bytes:
        """16 bytes that name the points. Takes its time: not for a draw."""
        made = hashlib.blake2b(np.float64(self.units).tobytes(), digest_size=16)
        anchors = self.anchors
        for array in anchors.arrays():
            made.update(np.ascontiguousarray(array).data)
        return made.digest()


def read_points(ob: bpy.types.Object) -> Points:
    """The points of an (evaluated) object.

    Raises WorldError when they are kept in a folder that is gone.
    """
    if are_native_splats(ob):
        return Points(_native_splats(ob.data), 1.0)
    kept = folder_of(ob)
    if kept is None:
        return Points(_mesh_anchors(ob.data), 1.0)
    return Points(folder_anchors(kept.path), 1 / kept.scale_length)


def stored_points(ob: bpy.types.Object, scale_length: float) -> Anchors:
    """The points of an object in its own space, in metres, wherever they are kept."""
    return read_points(ob).placed(np.diag([scale_length] * 3 + [1.0]))


def _mesh_anchors(mesh: bpy.types.Mesh) -> Anchors:
    count = len(mesh.vertices)
    xyz = np.empty(count * 3, np.float32)
    mesh.vertices.foreach_get("co", xyz)
    radius = np.empty(count, np.float32)
    mesh.attributes[RADIUS].data.foreach_get("value", radius)
    rgb = np.full((count, 3), 160, np.uint8)
    layer = mesh.color_attributes.get(COLOUR)
    if layer is not None and len(layer.data) == count:
        rgba = np.empty(count * 4, np.float32)
        layer.data.foreach_get("color_srgb", rgba)
        rgb = (rgba.reshape(count, 4)[:, :3] * 255 + 0.5).astype(np.uint8)
    splats = _mesh_splats(mesh)
    harmonics = None if splats is None else _mesh_harmonics(mesh)
    return Anchors(xyz.reshape(count, 3), rgb, radius, splats=splats, harmonics=harmonics)


def _mesh_splats(mesh: bpy.types.Mesh) -> np.ndarray | None:
    layers = [mesh.attributes.get(name) for name in (SCALE, ROTATION, OPACITY)]
    if any(layer is None or layer.domain != "POINT" for layer in layers):
        return None
    names, widths = ("vector", "value", "value"), (3, 4, 1)
    return np.concatenate(list(map(_column, layers, names, widths)), axis=1)


def _native_splats(cloud: bpy.types.PointCloud) -> Anchors:
    """Of a point cloud that Blender renders as splats."""
    base = _column(cloud.attributes[NATIVE], "vector", 4)
    xyz = _column(cloud.attributes["position"], "vector", 3)
    count = len(xyz)
    scale, rotation = (cloud.attributes.get(name) for name in ("scale", "rotation"))
    deviations = np.full((count, 3), 0.01, np.float32)
    if scale is not None:
        deviations = _column(scale, "vector", 3)
    quaternions = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    if rotation is not None:
        quaternions = _column(rotation, "value", 4)
    rgb = np.clip(np.nan_to_num(0.5 + SH_C0 * base[:, :3]), 1 / 255, 1) * 255 + 0.5
    longer = np.sort(np.abs(deviations), axis=1)[:, 1:]
    opacity = np.clip(base[:, 3:], 0, 1)
    splats = np.concatenate([deviations, quaternions, opacity], axis=1)
    # one of opacity 0 would be drawn as a point
    rgb = rgb.astype(np.uint8)
    harmonics = _native_harmonics(cloud, base[:, :3], rgb)
    radius = np.sqrt(longer.prod(axis=1))
    made = Anchors(xyz, rgb, radius, splats=splats, harmonics=harmonics)
    return made.only((opacity[:, 0] > 0) & np.isfinite(splats).all(axis=1))


def _native_harmonics(
    cloud: bpy.types.PointCloud, base: np.ndarray, rgb: np.ndarray
) -> np.ndarray | None:
    """As `Anchors` has them; the constant one is what base (N, 3) has more than rgb (N, 3)."""
    layers = [cloud.attributes.get(NATIVE_HARMONICS.format(i)) for i in range(TERMS[-1] - 1)]
    there = layers.index(None) if None in layers else len(layers)
    terms = max(terms for terms in TERMS if terms - 1 <= there)
    if terms == 1:
        return None
    made = np.empty((len(rgb), terms, 3), np.int8)
    made[:, 0] = kept(base - (rgb / np.float32(255) - 0.5) / SH_C0)
    for term in range(1, terms):
        made[:, term] = kept(_column(layers[term - 1], "vector", 3))
    return made


def _column(
    layer: bpy.types.Attribute, name: str, width: int, dtype: type = np.float32
) -> np.ndarray:
    """(N, width) values of an attribute."""
    values: np.ndarray = np.empty(len(layer.data) * width, dtype)
    layer.data.foreach_get(name, values)
    return values.reshape(-1, width)


def _placed(anchors: Anchors, matrix: np.ndarray) -> Anchors:
    """Radii grow with the matrix' mean scale; points that are not finite are left out."""
    turn = matrix[:3, :3].astype(np.float32)
    xyz = anchors.xyz @ turn.T + matrix[:3, 3].astype(np.float32)
    scale = np.float32(np.abs(np.linalg.det(matrix[:3, :3])) ** (1 / 3))
    splats = anchors.splats
    left, _, right = np.linalg.svd(matrix[:3, :3])
    axes = left @ right
    if splats is not None:
        # a mirrored splat is the same splat: it has no handedness
        nearest = axes if np.linalg.det(axes) > 0 else -axes
        quaternions = turned(splats[:, 3:7], nearest)
        splats = np.concatenate([splats[:, :3] * scale, quaternions, splats[:, 7:]], axis=1)
    harmonics = anchors.harmonics
    if harmonics is not None and not np.allclose(axes, np.eye(3), atol=1e-6):
        harmonics = turned_harmonics(harmonics, axes)
    radius = anchors.radius * scale
    return Anchors(xyz, anchors.rgb, radius, splats=splats, harmonics=harmonics).finite()
