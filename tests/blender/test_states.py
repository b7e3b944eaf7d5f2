# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of memory frames says which still fit; Capture Again makes them fit."""

from __future__ import annotations

import pytest

FITS = ["FITS", [], False, False]


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("states.py")


def test_what_changed_is_said_of_the_frames_that_saw_it(found):
    edits = found["edits"]
    assert edits["nothing"] == [FITS, FITS]
    assert edits["repainted"] == [["PARTLY", ["Ball"], False, False], FITS]
    assert edits["again"] == [FITS, FITS, 2]
    assert edits["unknown"][0][0] == "UNKNOWN"


def test_what_moves_or_is_hidden_in_viewports_alone_is_no_change(found):
    edits = found["edits"]
    assert edits["moved"] == [FITS, FITS], "memory follows what moves"
    assert edits["hidden"] == [FITS, FITS], "renders show it still"


def test_what_is_gone_is_said_of_the_frames_that_saw_it(found):
    edits = found["edits"]
    assert edits["disabled"] == edits["deleted"]
    assert edits["deleted"] == [["PARTLY", ["Ball"], False, False], FITS]


def test_light_that_changed_is_said_of_all_that_it_lights(found):
    edits = found["edits"]
    assert edits["brighter"][1] == ["PARTLY", [], True, False]
    assert [state[0] for state in edits["much brighter"]] == ["STALE", "STALE"]
    assert edits["world"] == [["STALE", [], False, True]] * 2
    assert edits["all again"] == [FITS, FITS]


def test_an_animation_is_no_change(found):
    animation = found["animation"]
    assert animation["same frame"] == animation["other frame"] == [FITS, FITS]
    assert animation["deleted"][0] == ["PARTLY", ["Floor"], False, False]


def test_states_are_found_out_beside_the_draw(found):
    watched = found["watched"]
    assert watched["at first"] == [True, True], "a draw waited for the states"
    assert watched["settled"] == ["FITS", "FITS"]
    assert watched["asked again"] == ["PARTLY", "FITS"] and not watched["still asked"]
