# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading from Blender's calls to what is painted, with all but the window and the GPU."""

from __future__ import annotations

import sys

import pytest

from tests.extension import ROOT


@pytest.fixture(scope="module")
def found(shared_blender, tmp_path_factory):
    data = tmp_path_factory.mktemp("files") / "data"
    return shared_blender("viewports.py", sys.executable, ROOT, data)


def test_without_a_backend_it_shows_its_guess_and_asks_again(found):
    painted, problem, said = found["without"]
    assert painted == "guess" and problem == "There is no backend."
    assert "not installed" in said
    assert found["asks again"] == [0.5, 1], "one was installed meanwhile"


def test_it_streams_until_a_frame_is_shown_and_rests(found):
    painted, problem, said = found["frame"]
    assert painted == "frame" and problem == "" and said.startswith("WorldFM | ")
    assert 0 < found["draws until a frame"] < 200 and found["shown"] == 320
    assert found["draws at rest"] <= 1


def test_it_follows_the_scene_and_the_view(found):
    assert found["new world"]
    assert found["moved"] == "guess" and found["moving"] == 192
    assert found["then"] == ["frame", 320]


def test_a_lamp_as_the_scenes_camera_is_looked_through(found):
    assert found["through a lamp"] == ["frame", False, [0, 0, 320, 240]]


def test_a_lens_that_cannot_be_is_said(found):
    said, stuck = found["impossible lens"]
    assert said and stuck


def test_closed_it_leaves_nothing(found):
    assert found["closed"] == [None, "freed", 0]
