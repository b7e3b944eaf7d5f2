# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair and point clouds become triangles that are as wide as they are."""

from __future__ import annotations

import math

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("strands.py")


def test_curves_become_strands_of_triangles(found):
    curves = found["curves"]
    assert curves["key"] == "Hair" and curves["material"] == "Red" and curves["x"] == 1
    assert curves["triangles"] == 6 + 12 and curves["joined"]


def test_strands_are_as_wide_as_they_are_said_to_be(found):
    curves = found["curves"]
    assert curves["width"] == pytest.approx(0.2, rel=1e-3) and curves["round"] < 1e-6
    assert curves["end"] == [10, 10, 10]
    assert curves["facing"] > 0.2


def test_point_clouds_become_balls(found):
    cloud = found["cloud"]
    assert cloud["triangles"] == 40 and cloud["facing"] > 0.5
    assert cloud["area"] == pytest.approx(math.pi * 0.2**2, rel=1e-3)
    assert cloud["colors"] == [[1, 0, 0, 1], [0, 0.5, 0, 1]]


def test_particle_hair_becomes_strands(found):
    particles = found["particles"]
    assert particles["keys"] == ["Lawn", "Lawn/hair 0"] and particles["material"] == "Grass"
    assert particles["x"] == 7 and particles["triangles"] == 50 * 4 * 6
    assert particles["low"][0] > -1.1 and particles["high"][0] < 1.1
    assert particles["high"][2] == pytest.approx(2, abs=0.05)


def test_too_many_strands_are_thinned_and_said(found):
    crowded = found["too_many"]
    assert crowded["triangles"] <= 60 and crowded["strands"] == 10 and crowded["radius"] == 4
    (said,) = crowded["problems"]
    assert "'Fur'" in said and "strands" in said
