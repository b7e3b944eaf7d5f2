# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns are averaged over what a pixel covers of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.anchors.lobes import Lobes
from backend.conditioning.anchors.materials import CompiledMaterial
from backend.conditioning.anchors.materials.patch import patch
from backend.conditioning.anchors.several import averaged
from backend.conditioning.anchors.shading_points import ShadingPoints
from backend.shared.scene import Material, Texture

from .surfaces import compiled, link, quad


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


def over_pixels(material: CompiledMaterial, points: ShadingPoints) -> np.ndarray:
    """(N,) red of what points cover."""
    lobes = Lobes.nothing(len(points))
    averaged(material, lobes, np.arange(len(points)), points)
    return lobes.diffuse[:, 0]


def test_a_pattern_finer_than_pixels_is_grey_and_a_coarse_one_is_itself() -> None:
    points = patch(["UV"])
    fine, coarse = checkered(61.0), checkered(2.0)
    assert fine.fine
    one, mean = fine.evaluate(points).diffuse[:, 0], over_pixels(fine, points)
    assert np.isin(one, (0, 1)).all()
    assert np.std(mean) < 0.6 * np.std(one)
    assert mean.mean() == pytest.approx(0.5, abs=0.08)
    same = over_pixels(coarse, points) == coarse.evaluate(points).diffuse[:, 0]
    assert same.mean() > 0.7


def test_a_picture_seen_aslant_is_averaged_along_its_pixels() -> None:
    """Stripes across the long side of pixels are grey, those along it stay sharp."""
    stripes = np.zeros((64, 64, 4), np.uint8)
    stripes[:, 32:, :3], stripes[..., 3] = 255, 255
    material = compiled(
        ("TEX_IMAGE", {"texture": 0}, {}),
        ("BSDF_DIFFUSE", {}, {"Color": link(0, "Color")}),
        textures=(Texture("stripes", stripes),),
    )
    level = quad(side=32)
    red = {}
    for name, away in (("across", [1, 0, 0.2]), ("along", [0, 1, 0.2]), ("straight", [0, 0, 1])):
        incoming = np.tile(np.float32(away) / np.linalg.norm(away), (len(level), 1))
        points = replace(level, incoming=incoming.astype(np.float32))
        red[name] = over_pixels(material, points)
        plain = material.evaluate(points).diffuse[:, 0]
        if name == "straight":
            np.testing.assert_array_equal(red[name], plain)
    mixed = {name: ((value > 0.05) & (value < 0.75)).mean() for name, value in red.items()}
    assert mixed["across"] > 2 * mixed["straight"]
    assert mixed["along"] == pytest.approx(mixed["straight"], abs=0.02)


def test_the_places_lie_on_the_surface_within_the_pixel() -> None:
    points = patch(["UV"])
    first, second = points.axes()
    for way in (first, second):
        np.testing.assert_allclose(np.einsum("ni,ni->n", way, points.flat), 0, atol=1e-6)
        # as the viewer sees it, a pixel is as long as wide
        seen = way - np.einsum("ni,ni->n", way, points.incoming)[:, None] * points.incoming
        np.testing.assert_allclose(np.linalg.norm(seen, axis=1), points.width, rtol=1e-4)
    moved = points.aside(0.3 * first, 1.0)
    there = moved.object_position()
    np.testing.assert_allclose(there, points.object_position() + 0.3 * first, atol=1e-5)
