# SPDX-License-Identifier: GPL-3.0-or-later
"""What captured frames keep of the scene that they saw tells what changed since."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return shared_blender("moments.py", folder)


def test_frames_keep_the_shapes_that_renders_and_viewports_show(found):
    shapes = found["two_shapes"]
    assert shapes["changed since"] == {}
    # as final renders have it the ball is finer, which is another shape and another look
    assert shapes["final"] == {"shaped": ["Ball"], "looks": ["Ball"]}


def test_frames_keep_what_they_saw_in_few_bytes(found):
    shapes = found["two_shapes"]
    assert shapes["images"] == 2 and shapes["shared"] == [True, False]
    assert shapes["again"] and shapes["bytes"] < 4096


def test_frames_keep_the_light_and_leave_the_scenes_settings(found):
    shapes = found["two_shapes"]
    assert shapes["background"] and shapes["lamps"] == 1
    assert shapes["settings"] == [1, 1], "the scene's frame, or a listener that stayed"


def test_what_frames_saw_survives_the_file(found):
    loaded = found["two_shapes"]["loaded"]
    assert loaded["same"] and loaded["changes"] == {}


def test_what_cannot_be_read_of_a_frames_moment_is_forgotten(found):
    loaded = found["two_shapes"]["loaded"]
    assert loaded["forgotten"] == [True, False] and loaded["undone"] == [False, False]
    assert loaded["other version"] == [True, True]
    assert all("capture it again" in sentence for sentence in loaded["damaged"])


def test_edits_since_a_capture_are_told_apart(found):
    edits = found["edits"]
    assert edits["nothing"] == {}
    assert edits["moved"] == {"moved": ["Ball"]}
    assert edits["repainted"] == {"moved": ["Ball"], "looks": ["Floor"]}
    assert edits["all"] == {"looks": ["Floor"], "gone": ["Ball"], "sky": ["sky"]}
    assert edits["again"] == [0, {}]


def test_what_deforms_is_kept_by_its_vertices(found):
    bending = found["bending"]
    assert bending["frame"] == 2 and abs(bending["taller"] - 1.5) < 1e-3
    assert bending["changes"] == [[{}, []], [{}, ["moved", "shaped"]]]
    (sentence,) = bending["too many"]
    assert "The shape of 'Ball' is too large" in sentence


def test_what_frames_saw_travels_in_folders_and_beside_the_file(found):
    assert found["folders"] == {"loaded": True, "opened": True}
    assert found["beside"] == {"same": True, "camera": True}
