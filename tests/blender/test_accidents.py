# SPDX-License-Identifier: GPL-3.0-or-later
"""Accidents that Blender outlives, with the real backend and the embedded model."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(scope="module")
def newer(shared_blender, tmp_path_factory):
    return shared_blender("accidents.py", "newer", tmp_path_factory.mktemp("files"))


def test_a_file_of_a_newer_version_is_said(newer):
    assert newer["format"] == [2, ""]
    assert newer["warning"] == (
        "A newer WorldFM saved this file (format 7, this one reads up to 2); update the extension, "
        "or frames may differ."
    )
    assert newer["warning"] in newer["output"]


def test_a_file_of_a_newer_version_is_rendered_and_kept(newer):
    assert newer["rendered"]
    assert "The memory frame 'From later' cannot be read" in newer["output"]
    assert newer["kept"] == [7, 12, '{"lens": "fisheye"}']
    assert newer["returncode"] == 0 and "Traceback" not in newer["output"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_disabled_in_the_middle_of_everything(blender, tmp_path):
    found = blender("accidents.py", "unregister", tmp_path)
    assert found["streamed"] and found["running"] == [True, True, True]
    assert found["seconds"] < 8
    assert found["ended"] == [False, False] and found["threads"] == []
    assert all(names == [] for names in found["left"].values()), found["left"]
    assert found["returncode"] == 0 and "Traceback" not in found["output"]
