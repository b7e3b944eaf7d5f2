# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake Materials: what it bakes, when that has to be done again, and what it leaves alone."""

from __future__ import annotations

import pytest


def test_baked_values_are_what_cycles_says(blender):
    found = blender("baking.py", "values")
    assert found["pressed"] == ["FINISHED"] and found["before"] == found["after"]
    wanted, types, said = found["unread"]
    assert wanted and "WIREFRAME" in types["Group"] and "BEVEL" in types["Bevel"]
    assert "Material 'Dirt': only Cycles evaluates Ambient Occlusion; press Bake Materials." in said
    wanted, types, said = found["ready"]
    assert not wanted and not [s for s in said if "Bake" in s]
    assert "WIREFRAME" not in types["Wire"] and "TEX_IMAGE" in types["Wire"]
    assert types["Bevel"].count("VECT_TRANSFORM") == 1
    assert found["wire"] == pytest.approx([1, 0], abs=0.01) and found["same picture"]
    # of the object, however it is turned: towards its +X, its +Y, and straight up
    for normal, way in zip(found["bevel"], [(0.5, 0, 0.7), (0, 0.5, 0.7), (0, 0, 1)], strict=True):
        assert normal[:3] == pytest.approx(way, abs=0.2)
    under, beside = found["floor"]
    assert under < 0.5 and beside > 0.95
    first, second = found["looks"]
    assert first == second and first[0][0] != first[0][2]  # memory of before is memory still
    assert found["again"] == ["FINISHED"] and min(found["users"]) == 1


def test_a_bake_is_named_when_it_fits_no_more(blender):
    found = blender("baking.py", "stale")
    changed = "'Wire' changed since its materials were baked: press Bake Materials."
    assert found["nothing"] and not found["baked"] and found["shared"]
    assert found["node"][0] and changed in found["node"][1]
    assert found["looks"][0] != found["looks"][1]  # and another material is another look
    assert found["node baked"] == [False, 1, False]
    assert not found["behind it"] and not found["renamed"]
    assert found["shape"] == [True, True]  # what was baked is shown until then
    assert not found["shape baked"] and not found["bent"]
    assert found["finer"] and found["both levels"] == [False, 2]
    assert [s for s in found["damaged"] if "'Wire' is damaged: press Bake Materials." in s]
    assert not found["mended"] and not found["opened"]
    assert found["sizes"] == [[64, 64]]


def test_one_that_fails_holds_up_none(blender):
    found = blender("baking.py", "faults")
    assert found["pressed"] == ["FINISHED"] and found["same"]
    assert found["kept"]["Fine"] == 1 and found["kept"]["Loose"] == found["kept"]["Elsewhere"] == 0
    assert "'Loose' has more loose parts than pictures of 64" in found["output"]
    assert "'Elsewhere [other.blend]' is linked from another file" in found["output"]
    assert found["answers"] == ["RUNNING_MODAL"] * 3 + ["FINISHED"]
    assert found["told"][1:4] == ["Reading the scene (Esc stops)",
                                  "Baking Wireframe of Fine: 0 % (Esc stops)",
                                  "Baking Wireframe of Second: 50 % (Esc stops)"]  # fmt: skip
    assert found["said"] == ["Stopped; what was baked until then is kept."]
    assert found["stopped"]["Fine"] == 1 and found["stopped"]["Second"] == 0
    assert found["left"] == ["Scene"] and found["undone"]["Second"] == 0
