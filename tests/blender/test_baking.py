# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake Materials: what it bakes, when that has to be done again, and what it leaves alone."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def values(shared_blender):
    return shared_blender("baking.py", "values")


@pytest.fixture(scope="module")
def stale(shared_blender):
    return shared_blender("baking.py", "stale")


@pytest.fixture(scope="module")
def faults(shared_blender):
    return shared_blender("baking.py", "faults")


def test_materials_that_only_cycles_evaluates_are_named(values):
    wanted, types, said = values["unread"]
    assert wanted and "WIREFRAME" in types["Group"] and "BEVEL" in types["Bevel"]
    assert "Material 'Dirt': only Cycles evaluates Ambient Occlusion; press Bake Materials." in said


def test_pressed_once_all_are_baked(values):
    assert values["pressed"] == ["FINISHED"] and values["before"] == values["after"]
    wanted, types, said = values["ready"]
    assert not wanted and not [s for s in said if "Bake" in s]
    assert "WIREFRAME" not in types["Wire"] and "TEX_IMAGE" in types["Wire"]
    assert types["Bevel"].count("VECT_TRANSFORM") == 1
    assert values["again"] == ["FINISHED"] and min(values["users"]) == 1


def test_baked_values_are_what_cycles_says(values):
    assert values["wire"] == pytest.approx([1, 0], abs=0.01) and values["same picture"]
    # of the object, however it is turned: towards its +X, its +Y, and straight up
    for normal, way in zip(values["bevel"], [(0.5, 0, 0.7), (0, 0.5, 0.7), (0, 0, 1)], strict=True):
        assert normal[:3] == pytest.approx(way, abs=0.2)
    under, beside = values["floor"]
    assert under < 0.5 and beside > 0.95


def test_memory_of_before_a_bake_is_memory_still(values):
    first, second = values["looks"]
    assert first == second and first[0][0] != first[0][2]


def changed(said: list[str]) -> bool:
    return "'Wire' changed since its materials were baked: press Bake Materials." in said


def test_a_bake_that_fits_is_not_named(stale):
    assert stale["nothing"] and not stale["baked"] and stale["shared"]
    assert not stale["behind it"] and not stale["renamed"]


def test_a_bake_is_named_when_its_material_changed(stale):
    assert stale["node"][0] and changed(stale["node"][1])
    assert stale["looks"][0] != stale["looks"][1]  # and another material is another look
    assert stale["node baked"] == [False, 1, False]


def test_a_bake_is_named_when_its_shape_changed(stale):
    assert stale["shape"] == [True, True]  # what was baked is shown until then
    assert not stale["shape baked"] and not stale["bent"]
    assert stale["finer"] and stale["both levels"] == [False, 2]


def test_a_damaged_bake_is_named_and_mended(stale):
    assert [s for s in stale["damaged"] if "'Wire' is damaged: press Bake Materials." in s]
    assert not stale["mended"] and not stale["opened"]
    assert stale["sizes"] == [[64, 64]]


def test_one_that_fails_holds_up_none(faults):
    assert faults["pressed"] == ["FINISHED"] and faults["same"]
    kept = faults["kept"]
    assert kept["Fine"] == 1 and kept["Loose"] == kept["Elsewhere"] == 0
    assert "'Loose' has more loose parts than pictures of 64" in faults["output"]
    assert "'Elsewhere [other.blend]' is linked from another file" in faults["output"]


def test_esc_stops_and_keeps_what_was_baked(faults):
    assert faults["answers"] == ["RUNNING_MODAL"] * 3 + ["FINISHED"]
    assert faults["told"][1:4] == ["Reading the scene (Esc stops)",
                                   "Baking Wireframe of Fine: 0 % (Esc stops)",
                                   "Baking Wireframe of Second: 50 % (Esc stops)"]  # fmt: skip
    assert faults["said"] == ["Stopped; what was baked until then is kept."]
    assert faults["stopped"]["Fine"] == 1 and faults["stopped"]["Second"] == 0
    assert faults["left"] == ["Scene"] and faults["undone"]["Second"] == 0
