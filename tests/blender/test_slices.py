# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewport reads a scene a little at a time: the world is the same, whatever happens."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("slices.py")


def test_a_scene_read_in_slices_is_the_same_world(found):
    whole = found["whole"]
    assert whole["slices"] == 7  # six squares with a picture each, and a memory frame
    assert whole["same"] and whole["points"] > 1000 and whole["colours"] > 100
    assert whole["read_later"] == 0 and whole["then_at_hand"]


def test_what_changes_between_slices_is_read_as_it_is_then(found):
    assert found["changed"] == {"same": True, "other": True}
    assert found["deleted"] == {"same": True, "right": True}


def test_a_damaged_frame_is_said_and_holds_up_nothing(found):
    damaged = found["damaged"]
    assert damaged["placed"] == 6
    assert len(damaged["warnings"]) == 1 and "'Kept'" in damaged["warnings"][0]
