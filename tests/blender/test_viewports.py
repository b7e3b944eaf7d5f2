# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading from Blender's calls to what is painted, with all but the window and the GPU."""

from __future__ import annotations

import sys

from tests.extension import ROOT


def test_a_viewport_streams_follows_the_scene_and_rests(blender, tmp_path):
    found = blender("viewports.py", sys.executable, ROOT, tmp_path / "data")
    painted, problem, said = found["without"]
    assert painted == "guess" and problem == "There is no backend."
    assert "not installed" in said
    assert found["asks again"] == [0.5, 1], "one was installed meanwhile"
    painted, problem, said = found["frame"]
    assert painted == "frame" and problem == "" and said.startswith("WorldFM | ")
    assert 0 < found["draws until a frame"] < 200 and found["shown"] == 320
    assert found["draws at rest"] <= 1
    assert found["new world"]
    assert found["moved"] == "guess" and found["moving"] == 192
    assert found["then"] == ["frame", 320]
    said, stuck = found["impossible lens"]
    assert said and stuck
    assert found["closed"] == [None, "freed", 0]
