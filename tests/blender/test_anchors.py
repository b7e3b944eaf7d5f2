# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes of known geometry and colour, and the anchors they are turned into."""

from __future__ import annotations

import pytest


def srgb(linear: float) -> int:
    """The byte of a linear value; the oracle of the colours below."""
    value = linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(value * 255)


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("anchors.py")


def test_shapes_and_modifiers_become_points_on_their_surfaces(found):
    shape = found["shape_and_modifiers"]
    assert shape["low"] == pytest.approx([-1, -1, 1], abs=0.02)
    assert shape["high"] == pytest.approx([5, 1, 1], abs=0.02)
    assert shape["area"] == pytest.approx(12, rel=0.01)  # three squares of 2 x 2 metres
    assert shape["colours"] == 1
    assert shape["first"] == [srgb(0.8), srgb(0.05), srgb(0.05)]
    assert shape["whole"]  # what the scene's geometry leaves empty is sky


def test_instances_are_where_their_copies_are(found):
    copies = found["instances"]
    assert copies["between"] == 0
    assert copies["left"] > 50 and abs(copies["left"] - copies["right"]) <= 2


def test_points_have_the_colours_of_textures_attributes_and_lights(found):
    assert found["colours"]["texture"] == 1.0
    assert found["colours"]["fine"] == [srgb(0.5)]  # black and white pixels, seen from afar
    assert found["colours"]["attribute"] == pytest.approx([128, 0, 255], abs=1)
    assert found["colours"]["glow"] == [0, 255, 0]


def test_points_that_are_all_there_is_show_which_way_they_face(found):
    white, black = found["shaded"]["white"], found["shaded"]["black"]
    for one in (white, black):
        assert one["plain"] == 1 and one["same places"] and one["plain again"]
        assert one["known"], "black is no unknown colour"
    assert len(white["sides"]) == 6 and white["sides"][0] > 60
    gaps = [b - a for a, b in zip(white["sides"], white["sides"][1:], strict=False)]
    assert min(gaps) >= 15, "two sides of a cube look alike"


def test_what_cannot_be_read_is_left_out_with_a_sentence(found):
    faults = found["faults"]
    assert len(faults["warnings"]) == 3
    for warning, name, reason in zip(
        faults["warnings"], ("Broken", "Flat", "Lost"), ("NaN", "zero", "NaN"), strict=True
    ):
        assert f"'{name}'" in warning and reason in warning
    assert faults["finite"] and faults["points"] > 1000
    assert "nothing to look at" in faults["nothing"]


def test_the_same_scene_gives_the_same_points(found):
    assert found["same_again"] == {
        "order": True, "kept": True, "fresh": True, "moved": True, "unmoved_points": True
    }  # fmt: skip


def test_the_last_bits_of_a_place_are_no_change(found):
    assert found["last_bits"] == {"bits": True, "move": False}


def test_points_are_as_dense_as_the_camera_needs(found):
    assert found["density"]["covered"] > 0.97
    assert 5_000 < found["density"]["few"] <= 10_000
    assert found["density"]["tiny"] > 10_000
    assert found["density"]["size_in_metres"] == pytest.approx(0.2, abs=0.002)


def test_one_world_serves_a_whole_path(found):
    for name, (worlds, apart) in found["one_world_for_a_path"].items():
        assert worlds == 1, name  # points are sampled and sent once, not at every frame
        assert apart < 1.5, name  # and are dense enough all along the path
