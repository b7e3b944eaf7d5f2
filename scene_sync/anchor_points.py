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

from ..backend.shared.anchors import Anchors
from .world_folder import folder_anchors, folder_of

RADIUS = "worldfm_radius"
COLOUR = "worldfm_colour"


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
    mesh.update()
    return mesh


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
    """Whether an (evaluated) object holds anchor points."""
    return ob.type == "MESH" and RADIUS in ob.data.attributes and not len(ob.data.polygons)


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
        for array in (self.anchors.xyz, self.anchors.rgb, self.anchors.radius):
            made.update(np.ascontiguousarray(array).data)
        return made.digest()


def read_points(ob: bpy.types.Object) -> Points:
    """The points of an (evaluated) object.

    Raises WorldError when they are kept in a folder that is gone.
    """
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
    return Anchors(xyz.reshape(count, 3), rgb, radius)


def _placed(anchors: Anchors, matrix: np.ndarray) -> Anchors:
    """Radii grow with the matrix' mean scale; points that are not finite are left out."""
    turn = matrix[:3, :3].astype(np.float32)
    xyz = anchors.xyz @ turn.T + matrix[:3, 3].astype(np.float32)
    scale = np.float32(np.abs(np.linalg.det(matrix[:3, :3])) ** (1 / 3))
    return Anchors(xyz, anchors.rgb, anchors.radius * scale).finite()
