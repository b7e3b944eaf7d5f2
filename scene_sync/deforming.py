# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects may have their vertices elsewhere at another frame, or once a slider was moved."""

from __future__ import annotations

import bpy

from .animation import fcurves_of

_BENDING = {
    "ARMATURE", "CAST", "CLOTH", "CORRECTIVE_SMOOTH", "CURVE", "DISPLACE", "DYNAMIC_PAINT",
    "HOOK", "LATTICE", "LAPLACIANDEFORM", "MESH_CACHE", "MESH_DEFORM", "MESH_SEQUENCE_CACHE",
    "OCEAN", "SHRINKWRAP", "SIMPLE_DEFORM", "SOFT_BODY", "SURFACE_DEFORM", "WARP", "WAVE",
}  # fmt: skip
"""Modifiers that move vertices and make none."""
_TIMED = {"GeometryNodeInputSceneTime", "GeometryNodeSimulationInput"}
_DEEPEST = 8


def deforms(ob: bpy.types.Object) -> bool:
    """Of an (evaluated) object: its shape keys, modifiers, drivers and animation may bend it."""
    ob = ob.original
    data = ob.data
    keys = getattr(data, "shape_keys", None)
    if keys is not None and len(keys.key_blocks) > 1:
        return True
    if any(modifier.type in _BENDING for modifier in ob.modifiers):
        return True
    if any(_is_timed(m.node_group) for m in ob.modifiers if m.type == "NODES"):
        return True
    return _changes(ob, "modifiers[") or (data is not None and _changes(data, ""))


def is_animated(ob: bpy.types.Object) -> bool:
    """Whether anything that decides how an (evaluated) object looks may change by itself."""
    ob = ob.original
    materials = [slot.material for slot in ob.material_slots if slot.material is not None]
    owners = [ob, ob.data, *materials, *(m.node_tree for m in materials)]
    owners.append(getattr(ob.data, "node_tree", None))
    return any(getattr(one, "animation_data", None) is not None for one in owners)


def _changes(owner: bpy.types.ID, path: str) -> bool:
    """Whether anything whose path begins so is animated or driven."""
    animation = getattr(owner, "animation_data", None)
    if animation is None:
        return False
    curves = (*fcurves_of(owner), *animation.drivers)
    return any(curve.data_path.startswith(path) for curve in curves)


def _is_timed(tree: bpy.types.NodeTree | None, depth: int = 0) -> bool:
    """Whether geometry nodes ask for the time, or are animated."""
    if tree is None or depth > _DEEPEST:
        return False
    return _changes(tree, "") or any(
        node.bl_idname in _TIMED or _is_timed(getattr(node, "node_tree", None), depth + 1)
        for node in tree.nodes
    )
