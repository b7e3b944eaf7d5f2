# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation and report, and the history of renders, as the add-on shows them."""

from __future__ import annotations


def test_preferences_own_the_backend(blender, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    found = blender("preferences.py", folder)
    assert found["state"] == "absent"
    assert found["own folder"]
    assert found["offline"] is False
    for name in ("offline estimate", "offline ", "offline repair", "download"):
        assert "Online Access" in found[name], name
    assert "not installed" in found["verify"]
    assert found["interrupted"] == "interrupted"
    assert found["remove"] == "The backend was removed; models were kept."
    assert found["kept"]
    assert "not empty" in found["move to full"]
    assert (folder / "full" / "letter.txt").read_text() == "keep me"
    assert str(folder / "new") in found["move"]
    assert found["moved"] == "a model"
    assert found["now"] == str(folder / "new")
    assert found["python"]
    assert found["models"] == str(folder / "new" / "models")
    assert "not installed" in found["start"]
    assert found["log"] == "The backend is not running."
    assert "Blender" in found["report"] and "stopped" in found["report"]
    assert found["history"] == [
        ["Frame 3, seed 6", "0000000000ff", "small abc"],
        [5, 2, 3, 2],
    ]
