# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapt to This World inside Blender, with the shipped model and a small capture."""

from __future__ import annotations

from backend.shared.world_folder import save_world
from tests.training.test_adapt import room


def test_a_world_gets_a_model_of_its_own(blender, tmp_path):
    save_world(room(5, 48), tmp_path / "world")
    found = blender("adapting.py", tmp_path)
    assert "kept in a folder" in found["in_file"]
    assert found["answer"] == ["FINISHED"]
    assert found["kept"] == found["switched_on"]
    said = "The adapted model is in use" if found["kept"] else "Nothing was changed"
    assert said in found["output"] and "dB before" in found["output"]
    assert found["used"]
    assert found["not_used"] == found["not_whole"] == "embedded"
    assert "folder is missing" in found["gone"]
