# SPDX-License-Identifier: GPL-3.0-or-later
"""What captured frames keep of the scene that they saw tells what changed since."""

from __future__ import annotations


def test_captured_frames_know_what_they_saw(blender, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    found = blender("moments.py", folder)

    shapes = found["two_shapes"]
    assert shapes["changed since"] == {}
    # as final renders have it the ball is finer, which is another shape and another look
    assert shapes["final"] == {"shaped": ["Ball"], "looks": ["Ball"]}
    assert shapes["images"] == 2 and shapes["shared"] == [True, False]
    assert shapes["again"] and shapes["bytes"] < 4096
    assert shapes["background"] and shapes["lamps"] == 1
    assert shapes["settings"] == [1, 1], "the scene's frame, or a listener that stayed"

    loaded = shapes["loaded"]
    assert loaded["same"] and loaded["changes"] == {}
    assert loaded["forgotten"] == [True, False] and loaded["undone"] == [False, False]
    assert loaded["other version"] == [True, True]
    assert all("capture it again" in sentence for sentence in loaded["damaged"])

    edits = found["edits"]
    assert edits["nothing"] == {}
    assert edits["moved"] == {"moved": ["Ball"]}
    assert edits["repainted"] == {"moved": ["Ball"], "looks": ["Floor"]}
    assert edits["all"] == {"looks": ["Floor"], "gone": ["Ball"], "sky": ["sky"]}
    assert edits["again"] == [0, {}]

    bending = found["bending"]
    assert bending["frame"] == 2 and abs(bending["taller"] - 1.5) < 1e-3
    assert bending["changes"] == [[{}, []], [{}, ["moved", "shaped"]]]
    (sentence,) = bending["too many"]
    assert "The shape of 'Ball' is too large" in sentence

    assert found["folders"] == {"loaded": True, "opened": True}
    assert found["beside"] == {"same": True, "camera": True}
