# SPDX-License-Identifier: GPL-3.0-or-later
"""The first ten minutes of somebody who never saw WorldFM, with Blender's default overlays."""

from __future__ import annotations


def test_a_newcomer_is_led_from_the_default_cube_to_the_demo(stage):
    found = stage.play("newcomer")
    assert found["asked"] == ["engine", "backend", "memory", "path", "memory"]
    assert found["scenes"] == ["Scene", "WorldFM Demo"] and found["mine"]
    assert "Traceback" not in found["log"]
