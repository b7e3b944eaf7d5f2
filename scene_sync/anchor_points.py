# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points as an object: a mesh of vertices with a colour and a radius each.

They are saved, undone, appended and copied like any mesh, and may be moved, turned and edited.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors

RADIUS = "worldfm_radius"
COLOUR = "worldfm_colour"


def store_anchors(
    name: str, anchors: Anchors, collection: bpy.types.Collection, scale_length: float
) -> bpy.types.Object:
    """A new object in `collection`. scale_length: metres per Blender unit of the scene."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(anchors))
    mesh.vertices.foreach_set("co", (anchors.xyz / np.float32(scale_length)).ravel())
    radius = mesh.attributes.new(RADIUS, "FLOAT", "POINT")
    radius.data.foreach_set("value", anchors.radius / np.float32(scale_length))
    rgba = np.ones((len(anchors), 4), np.float32)
    rgba[:, :3] = anchors.rgb / np.float32(255)
    colour = mesh.color_attributes.new(COLOUR, "BYTE_COLOR", "POINT")
    colour.data.foreach_set("color_srgb", rgba.ravel())
    mesh.update()
    ob = bpy.data.objects.new(name, mesh)
    collection.objects.link(ob)
    return ob


def is_anchors(ob: bpy.types.Object) -> bool:
    """Whether an (evaluated) object holds anchor points."""
    return ob.type == "MESH" and RADIUS in ob.data.attributes and not len(ob.data.polygons)


def read_anchors(mesh: bpy.types.Mesh, matrix: np.ndarray) -> Anchors:
    """World-space anchors. matrix: (4, 4) to metres; radii grow with its mean scale."""
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
    turn = matrix[:3, :3].astype(np.float32)
    placed = xyz.reshape(count, 3) @ turn.T + matrix[:3, 3].astype(np.float32)
    scale = np.float32(np.abs(np.linalg.det(matrix[:3, :3])) ** (1 / 3))
    return Anchors(placed, rgb, radius * scale).finite()
