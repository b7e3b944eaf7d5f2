# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of several instances are evaluated at once as each by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.anchors.shading_points import Run, ShadingPoints

from .surfaces import quad, values


def instances() -> list[ShadingPoints]:
    """Squares that differ in place, size, layers and what their objects say."""
    turned = np.diag([1.0, 2.0, -0.5, 1.0])[[1, 2, 0, 3]]
    turned[:3, 3] = 3, -1, 2
    first, second, third = quad(), quad(matrix=turned), quad(side=3, size=4.0)
    mesh, instance, *rows = second.runs[0]
    bare = replace(mesh, uv={}, colors={})
    other = replace(instance, color=(0.9, 0.8, 0.7, 0.6), random=0.75)
    return [first, replace(second, runs=(Run(bare, other, *rows),)), third]


def joined(parts: list[ShadingPoints]) -> ShadingPoints:
    """All of them, one after the other."""
    runs, start = [], 0
    for part in parts:
        runs.append(part.runs[0]._replace(start=start, stop=start + len(part)))
        start += len(part)
    names = ("triangle", "u", "v", "position", "normal", "flat", "incoming", "width", "back")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return ShadingPoints(tuple(runs), **arrays)


@pytest.mark.parametrize(
    ("kind", "props", "out"),
    [
        *(("TEX_COORD", {}, out) for out in ("Generated", "UV", "Object", "Normal")),
        *(("NEW_GEOMETRY", {}, out) for out in ("Position", "Random Per Island", "Tangent")),
        *(("OBJECT_INFO", {}, out) for out in ("Location", "Color", "Alpha", "Random")),
        *(("ATTRIBUTE", {"attribute_name": "Col"}, out) for out in ("Color", "Fac", "Alpha")),
        *(("ATTRIBUTE", {"attribute_name": "UV"}, out) for out in ("Color", "Fac", "Alpha")),
        ("ATTRIBUTE", {"attribute_name": "color", "attribute_type": "OBJECT"}, "Color"),
        ("VERTEX_COLOR", {"layer_name": "Col"}, "Color"),
        ("UVMAP", {"uv_map": "Twice"}, "UV"),
        ("TANGENT", {"direction_type": "UV_MAP"}, "Tangent"),
        ("TANGENT", {"axis": "X"}, "Tangent"),
        ("VECT_TRANSFORM", {"vector_type": "POINT"}, "Vector"),
        ("VECT_TRANSFORM", {"vector_type": "NORMAL"}, "Vector"),
        ("TEX_NOISE", {}, "Color"),
    ],
)  # fmt: skip
def test_together_as_alone(kind: str, props: dict, out: str) -> None:
    parts = instances()
    alone = [values((kind, props, {}), out=out, points=part) for part in parts]
    together = values((kind, props, {}), out=out, points=joined(parts))
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("space", ["TANGENT", "OBJECT", "BLENDER_OBJECT", "WORLD"])
def test_normal_maps_together_as_alone(space: str) -> None:
    nodes = ("NORMAL_MAP", {"space": space}, {"Color": [0.7, 0.4, 0.9, 1.0]})
    parts = instances()
    alone = [values(nodes, out="Normal", points=part) for part in parts]
    together = values(nodes, out="Normal", points=joined(parts))
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_points_that_are_taken_stay_on_their_instances() -> None:
    parts = instances()
    points = joined(parts)
    index = np.r_[2:5, len(points) - 3 : len(points)]
    some = points.take(index)
    assert [run.instance.random for run in some.runs] == [0.25, 0.25]
    assert [(run.start, run.stop) for run in some.runs] == [(0, 3), (3, 6)]
    material = ("OBJECT_INFO", {}, {})
    everywhere = values(material, out="Location", points=points)
    np.testing.assert_array_equal(values(material, out="Location", points=some), everywhere[index])
