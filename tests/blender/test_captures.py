# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture Memory takes what is missing, as sharp as surfaces are, and leaves the scene alone."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("captures.py")


def test_what_blurs_a_picture_is_left_out(found):
    still = found["still"]
    assert still["count"] == 1 and still["kept"]
    assert still["blur"] < 0.5  # of 255


def test_the_view_layer_that_is_shown_is_captured(found):
    assert found["layers"]["differ"] > 20


def test_gaps_are_filled_until_nearly_nothing_is_missing(found):
    gaps = found["gaps"]
    assert 1 < gaps["first"] <= 20
    assert gaps["again"] <= 1
    frames, least = gaps["coverage"]
    assert frames > 5 and least > 0.8
    assert gaps["undisturbed"]
    assert gaps["names"][1].startswith("Gap ")


def test_captured_again_a_frame_has_its_camera_and_name(found):
    again = found["again"]
    assert again == {"count": 1, "changed": True, "same camera": True, "same lens": True,
                     "name": again["name"]}  # fmt: skip


def test_an_orthographic_camera_is_captured(found):
    assert found["parallel"]["kind"] == "ORTHO"


def test_pictures_are_counted_however_often_another_blender_is_asked(found):
    assert found["told"] == [
        "Rendering 1 of 2 memory frames", "Captured 1 of 2 memory frames",
        "Rendering 2 of 2 memory frames", "Captured 2 of 2 memory frames",
    ]  # fmt: skip
