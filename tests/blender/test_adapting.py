# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapt to This World inside Blender, with the shipped model and a small capture."""

from __future__ import annotations

import pytest

from backend.shared.world_folder import save_world
from tests.training.test_adapt import room


@pytest.fixture(scope="module")
def found(shared_blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    save_world(room(5, 48), folder / "world")
    return shared_blender("adapting.py", folder)


def test_a_world_in_the_file_is_not_adapted(found):
    assert "kept in a folder" in found["in_file"]


def test_a_world_gets_a_model_of_its_own(found):
    assert found["answer"] == ["FINISHED"]
    assert found["kept"] == found["switched_on"]
    said = "The adapted model is in use" if found["kept"] else "Nothing was changed"
    assert said in found["output"] and "dB before" in found["output"]


def test_the_adapted_model_is_used_while_it_is_whole_and_switched_on(found):
    assert found["used"]
    assert found["not_used"] == found["not_whole"] == "embedded"
    assert "folder is missing" in found["gone"]
