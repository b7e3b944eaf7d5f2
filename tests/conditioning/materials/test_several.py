# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns are averaged over what a pixel covers of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.conditioning.anchors.materials import CompiledMaterial
from backend.conditioning.anchors.materials.patch import patch
from backend.conditioning.anchors.several import evaluated
from backend.shared.scene import Material


def checkered(scale: float) -> CompiledMaterial:
    """Black and white squares, by the generated coordinates."""
    nodes = [
        {"type": "TEX_COORD", "props": {}, "inputs": {}},
        {
            "type": "TEX_CHECKER",
            "props": {},
            "inputs": {
                "Vector": {"node": 0, "out": "Generated"},
                "Color1": [1.0, 1.0, 1.0, 1.0],
                "Color2": [0.0, 0.0, 0.0, 1.0],
                "Scale": scale,
            },
        },
        {"type": "BSDF_DIFFUSE", "props": {}, "inputs": {"Color": {"node": 1, "out": "Color"}}},
    ]
    surface = {"node": 2, "out": "BSDF"}
    return CompiledMaterial(
        Material("checks", json.dumps({"nodes": nodes, "surface": surface, "volume": None})), ()
    )


def test_a_pattern_finer_than_pixels_is_grey_and_a_coarse_one_is_itself() -> None:
    points = patch(["UV"])
    fine, coarse = checkered(61.0), checkered(2.0)
    assert fine.fine
    one, mean = fine.evaluate(points).diffuse[:, 0], evaluated(fine, points).diffuse[:, 0]
    assert np.isin(one, (0, 1)).all()
    assert np.std(mean) < 0.6 * np.std(one)
    assert mean.mean() == pytest.approx(0.5, abs=0.08)
    same = evaluated(coarse, points).diffuse[:, 0] == coarse.evaluate(points).diffuse[:, 0]
    assert same.mean() > 0.7


def test_the_places_lie_on_the_surface_within_the_pixel() -> None:
    from backend.conditioning.anchors import several

    points = patch(["UV"])
    first, second = several._axes(points)
    for way in (first, second):
        np.testing.assert_allclose(np.einsum("ni,ni->n", way, points.flat), 0, atol=1e-6)
        # as the viewer sees it, a pixel is as long as wide
        seen = way - np.einsum("ni,ni->n", way, points.incoming)[:, None] * points.incoming
        np.testing.assert_allclose(np.linalg.norm(seen, axis=1), points.width, rtol=1e-4)
    moved = several._aside(points, 0.3 * first, 1.0)
    there = moved.object_position()
    np.testing.assert_allclose(there, points.object_position() + 0.3 * first, atol=1e-5)
