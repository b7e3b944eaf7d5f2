# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewport reads a scene a little at a time: the world is the same, whatever happens."""

from __future__ import annotations


def test_a_scene_read_in_slices_is_the_same_world(blender):
    found = blender("slices.py")

    whole = found["whole"]
    assert whole["slices"] == 7  # six squares with a picture each, and a memory frame
    assert whole["same"] and whole["points"] > 1000 and whole["colours"] > 100
    assert whole["read_later"] == 0 and whole["then_at_hand"]

    assert found["changed"] == {"same": True, "other": True}
    assert found["deleted"] == {"same": True, "right": True}

    assert found["damaged"]["placed"] == 6
    assert len(found["damaged"]["warnings"]) == 1 and "'Kept'" in found["damaged"]["warnings"][0]
