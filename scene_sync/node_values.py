# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shader node holds for itself, as plain numbers and texts: settings, ramps, curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np

_TABLE = 257
"""Samples of a ramp or curve, as many as Cycles takes."""
_VORONOI_PCG = (5, 0, 0)
"""The first version whose Voronoi cells are placed by another hash."""

Value = float | list[float] | str | dict[str, Any]
"""A number, numbers, a text or a link."""


def plain_value(value: Any) -> Value | None:
    """A property of Blender's; None of what is neither numbers nor text."""
    if isinstance(value, (bool, int, float)):
        return _finite(float(value))
    if isinstance(value, str):
        return value
    try:
        return [_finite(float(part)) for part in value]
    except TypeError:
        return None


def _finite(value: float) -> float:
    return value if abs(value) < np.inf else 0.0  # false for NaN as well


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(_finite(float(v)), 6) for v in values]


_COMMON = {p.identifier for p in bpy.types.ShaderNode.bl_rna.properties}


def node_settings(node: bpy.types.Node) -> dict[str, Any]:
    """The settings that a kind of node has beside what all have."""
    props: dict[str, Any] = {}
    for rna in node.bl_rna.properties:
        name = rna.identifier
        if name in _COMMON or rna.type in {"POINTER", "COLLECTION"}:
            continue
        value = getattr(node, name)
        if rna.type in {"BOOLEAN", "STRING"} or (rna.type == "ENUM" and not rna.is_enum_flag):
            props[name] = value
        elif rna.type in {"INT", "FLOAT"}:
            props[name] = plain_value(value)
    return props


def own_data(node: bpy.types.Node) -> dict[str, Any]:
    """What of a node is kept in data of its own, but for pictures."""
    props: dict[str, Any] = {}
    if node.type == "VALTORGB":
        ramp = node.color_ramp
        props["ramp"] = [_rounded(ramp.evaluate(i / (_TABLE - 1))) for i in range(_TABLE)]
        props["interpolate"] = ramp.interpolation != "CONSTANT"
    elif node.type in {"CURVE_RGB", "CURVE_VEC", "CURVE_FLOAT"}:
        props |= _curves(node.mapping)
    elif node.type == "TEX_VORONOI" and bpy.app.version < _VORONOI_PCG:
        props["older_hash"] = True
    elif node.type == "NORMAL":
        props["direction"] = plain_value(node.outputs[0].default_value)
    elif node.type == "TEX_COORD" and node.object is not None:
        inverse = np.linalg.pinv(np.array(node.object.matrix_world, float))
        props["world_to_object"] = [[float(v) for v in row] for row in inverse]
    mapping = getattr(node, "texture_mapping", None)
    if mapping is not None and not _is_identity(mapping):
        props["texture_mapping"] = {
            "vector_type": mapping.vector_type,
            "translation": plain_value(mapping.translation),
            "rotation": plain_value(mapping.rotation),
            "scale": plain_value(mapping.scale),
            "axes": [mapping.mapping_x, mapping.mapping_y, mapping.mapping_z],
        }
    return props


def _curves(mapping: bpy.types.CurveMapping) -> dict[str, Any]:
    """A table of all curves, each after the combined one where there is one."""
    mapping.initialize()
    curves = list(mapping.curves)
    combined = curves.pop() if len(curves) == 4 else None
    ends = [p.location[0] for curve in mapping.curves for p in curve.points]
    low, high = min([0.0, *ends]), max([1.0, *ends])
    rows = []
    for place in np.linspace(low, high, _TABLE):
        at = float(place) if combined is None else mapping.evaluate(combined, float(place))
        rows.append(_rounded(mapping.evaluate(curve, at) for curve in curves))
    extend = mapping.extend == "EXTRAPOLATED"
    return {"curve": rows, "range": [low, high], "extrapolate": extend}


def _is_identity(mapping: bpy.types.TexMapping) -> bool:
    return (
        not any(mapping.translation)
        and not any(mapping.rotation)
        and all(s == 1 for s in mapping.scale)
        and (mapping.mapping_x, mapping.mapping_y, mapping.mapping_z) == ("X", "Y", "Z")
        and not mapping.use_min
        and not mapping.use_max
    )
