# SPDX-License-Identifier: GPL-3.0-or-later
"""Our cameras against Blender's own projection."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("cameras.py")


def test_projection_is_blenders(found):
    assert found["settings"] == 27
    assert found["worst_pixels"] < 2e-3  # perspective and orthographic
    assert found["worst_in_viewport"] < 5e-3
    assert found["scaled"] == pytest.approx([2.5, 4.0])  # 0.4 m across


def test_a_lamp_or_another_object_serves_as_the_scenes_camera(found):
    assert len(found["through others"]) == 6
    assert max(found["through others"].values()) < 2e-3


def test_bad_cameras_get_a_sentence(found):
    said = found["said"]
    assert "panoramic" in said["panoramic"] and "Cycles" in said["panoramic"]
    assert "zero scale" in said["flat"]
    assert "16384 x 100" in said["huge"]
    assert "resolution" in said["tiny"]
    assert "border is empty" in said["empty border"]
    assert "no active camera" in said["none"]


def test_the_lens_is_what_the_f_number_says(found):
    # 50 mm at f/2 is 12.5 mm to each side, in units of half a metre; along the view, not aside
    assert found["lens"][0] == [0.0, 1.0]
    assert found["lens"][1] == pytest.approx([0.00625, 2.0])
    assert found["lens"][2] == pytest.approx([0.00625, 3.5], rel=1e-4)


def test_a_border_is_its_part_of_the_picture(found):
    assert found["border_size"] == [100, 50]
    assert found["border_shift"] == [50.0, 0.0]  # upper half: no rows above it are cut off
