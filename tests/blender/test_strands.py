# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair and point clouds become triangles that are as wide as they are."""

from __future__ import annotations

import math

import pytest


def test_hair_and_points_become_triangles(blender):
    found = blender("strands.py")

    curves = found["curves"]
    assert curves["key"] == "Hair" and curves["material"] == "Red" and curves["x"] == 1
    assert curves["triangles"] == 6 + 12 and curves["joined"]
    assert curves["width"] == pytest.approx(0.2, rel=1e-3) and curves["round"] < 1e-6
    assert curves["end"] == [10, 10, 10]
    assert curves["facing"] > 0.2

    cloud = found["cloud"]
    assert cloud["triangles"] == 40 and cloud["facing"] > 0.5
    assert cloud["area"] == pytest.approx(math.pi * 0.2**2, rel=1e-3)
    assert cloud["colors"] == [[1, 0, 0, 1], [0, 0.5, 0, 1]]

    particles = found["particles"]
    assert particles["keys"] == ["Lawn", "Lawn/hair 0"] and particles["material"] == "Grass"
    assert particles["x"] == 7 and particles["triangles"] == 50 * 4 * 6
    assert particles["low"][0] > -1.1 and particles["high"][0] < 1.1
    assert particles["high"][2] == pytest.approx(2, abs=0.05)

    crowded = found["too_many"]
    assert crowded["triangles"] <= 60 and crowded["strands"] == 10 and crowded["radius"] == 4
    (said,) = crowded["problems"]
    assert "'Fur'" in said and "strands" in said
