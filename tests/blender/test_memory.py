# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames live in the .blend and survive all that happens to one."""

from __future__ import annotations


def test_memory_is_captured_added_and_kept(blender, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    found = blender("memory.py", folder)

    captured = found["captured"]
    assert captured["undisturbed"]
    assert captured["count"] == 2
    assert captured["size"] == [48, 64, 3]
    assert captured["halves"][0] == "float16" and captured["halves"][1] > 4
    assert captured["thumbnail"] == [64, 48, captured["corner"]]
    assert captured["icon"][:2] == [32, 24]
    assert abs(captured["icon"][2] - captured["corner"]) < 0.1
    assert captured["camera"] < 1e-6
    assert 4.5 < captured["ball"] < 5.6
    assert captured["sky"] > 0.9
    assert "not a list of frames" in captured["bad frames"]
    assert "panoramic" in captured["bad camera"]
    assert captured["after errors"]

    added = found["added"]
    assert added["name"] == "photo"
    assert added["size"] == [96, 128, 3]
    assert added["first"] == [0, 0, 0] and added["last"][2] == 255
    assert added["depth_off"] < 0.02
    assert added["surfaces"] > 0.3
    assert added["left_images"] == []

    kept = found["kept"]
    assert kept["loaded"] and kept["removed"] == 0 and kept["undone"]
    assert kept["enabled"] == 2
    assert kept["appended"]
    (sentence,) = kept["damaged"]
    assert "cannot be read" in sentence and "capture it again" in sentence
