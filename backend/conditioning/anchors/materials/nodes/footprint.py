# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a picture a point covers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..evaluation import Call, Evaluation, Outputs
from ..program import Link, Program
from ..values import VECTOR, as_wide
from .mapping import texture_mapping

_STRAIGHT = {"ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "MULTIPLY_ADD", "SCALE"}
_SIDE = 1 / 16
_PROBES = np.array([[0, 0, 0], [_SIDE, 0, 0], [0, _SIDE, 0]], np.float32)


def layer_footprint(call: Call) -> tuple[str, float] | None:
    """The UV layer that an image node's coordinates are an affine map of, and its scale.

    The scale is the square root of how much areas grow. None where they are anything else.
    """
    known = call.evaluation.resources.footprints
    if call.index not in known:
        known[call.index] = _found(call, call.evaluation.folded)
    return known[call.index]


def _found(call: Call, folded: Mapping[int, Outputs]) -> tuple[str, float] | None:
    program, link = call.evaluation.program, call.linked("Vector")
    if link is None:
        made, layer = _PROBES, ""
    else:
        source = _source(program, link, folded)
        if source is None:
            return None
        start, layer = source
        probes = {start: {"UV": (_PROBES, VECTOR)}}
        alone = Evaluation(program, None, call.evaluation.resources, {**folded, **probes})
        made = as_wide(*alone.value(link))
    made = texture_mapping(call.props, made)
    a, b = (made[1] - made[0]) / _SIDE, (made[2] - made[0]) / _SIDE
    return layer, float(np.sqrt(abs(a[0] * b[1] - a[1] * b[0])))


def _source(program: Program, link: Link, folded: Mapping[int, Outputs]) -> tuple[int, str] | None:
    """The node with the UV layer at the other end of a chain of affine nodes, and its name."""
    while True:
        node = program.nodes[link.node]
        if node.type == "TEX_COORD" and link.out == "UV":
            return link.node, ""
        if node.type == "UVMAP":
            return link.node, str(node.props.get("uv_map") or "")
        bent = node.type == "MAPPING" and node.props.get("vector_type") == "NORMAL"
        sums = node.type == "VECT_MATH" and node.props.get("operation", "ADD") in _STRAIGHT
        if bent or not (sums or node.type == "MAPPING"):
            return None
        links = [v for v in node.inputs.values() if isinstance(v, Link)]
        varying = [v for v in links if v.node not in folded]
        if len(varying) != 1 or varying[0] is not node.inputs.get("Vector"):
            return None
        link = varying[0]
