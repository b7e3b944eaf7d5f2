# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames live in the .blend and survive all that happens to one."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return shared_blender("memory.py", folder)


def test_frames_are_captured_with_all_that_they_show(found):
    captured = found["captured"]
    assert captured["undisturbed"]
    assert captured["count"] == 2
    assert captured["size"] == [48, 64, 3]
    assert captured["halves"][0] == "float16" and captured["halves"][1] > 4
    assert captured["camera"] < 1e-6
    assert 4.5 < captured["ball"] < 5.6
    assert captured["sky"] > 0.9


def test_frames_show_themselves_small(found):
    captured = found["captured"]
    assert captured["thumbnail"] == [64, 48, captured["corner"]]
    assert captured["icon"][:2] == [32, 24]
    assert abs(captured["icon"][2] - captured["corner"]) < 0.1


def test_a_lamp_may_stand_for_the_camera(found):
    distance, off = found["captured"]["through a lamp"]
    assert 4.9 < distance < 5.5 and off < 1e-4


def test_what_cannot_be_captured_is_a_sentence_and_leaves_the_scene(found):
    captured = found["captured"]
    assert "not a list of frames" in captured["bad frames"]
    assert "panoramic" in captured["bad camera"]
    assert captured["after errors"]


def test_a_photo_is_added_as_memory(found):
    added = found["added"]
    assert added["name"] == "photo"
    assert added["size"] == [96, 128, 3]
    assert added["first"] == [0, 0, 0] and added["last"][2] == 255
    assert added["depth_off"] < 0.02
    assert added["surfaces"] > 0.3
    assert added["left_images"] == []


def test_memory_survives_saving_undo_and_append(found):
    kept = found["kept"]
    assert kept["loaded"] and kept["removed"] == 0 and kept["undone"]
    assert kept["enabled"] == 2
    assert kept["appended"]


def test_a_damaged_frame_is_one_sentence(found):
    kept = found["kept"]
    (sentence,) = kept["damaged"]
    assert "cannot be read" in sentence and "capture it again" in sentence
