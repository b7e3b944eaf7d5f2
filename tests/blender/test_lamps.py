# SPDX-License-Identifier: GPL-3.0-or-later
"""The formulas of `Lamp` give what Cycles makes of every kind of light."""

from __future__ import annotations

import pytest

ALL = 63


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("lamps.py")


def test_each_lamp_gives_the_light_that_cycles_gives(found):
    lamps = found["lamps"]
    assert {"sun", "point", "spot", "square", "narrow", "nodes", "units"} <= set(lamps)
    for name, lamp in lamps.items():
        assert lamp["expected"] == pytest.approx(lamp["rendered"], rel=0.02), name
        assert lamp["expected"][1] > 0.001 and lamp["visible"] == ALL - 1, name
        assert lamp["problems"] == [], name


def test_lamps_that_only_cycles_evaluates_are_said(found):
    assert found["odd"]["powers"] == [[7, 7, 7]]
    assert len(found["odd"]["problems"]) == 2
    assert any("'Strange'" in said for said in found["odd"]["problems"])


def test_surfaces_at_one_place_twice_are_as_dark_as_doubled_py_has_them(found):
    # as backend/conditioning/anchors/doubled.py has it, and overlaps.py what is covered
    names = ("once", "level", "leaning", "covered")
    once, level, leaning, covered = (found["doubled"][name] for name in names)
    assert level < 0.02 * once and 0.3 * once < leaning < 0.7 * once
    assert covered < 0.02 * once
