# SPDX-License-Identifier: GPL-3.0-or-later
"""F12, Ctrl-F12 and the command line, with the real backend and the embedded model."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import ANY

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "backend" / "models" / "embedded").is_dir(),
    reason="the embedded model is not in this checkout",
)


@pytest.fixture(scope="module")
def passes(shared_blender, tmp_path_factory):
    return shared_blender("renders.py", "passes", tmp_path_factory.mktemp("files"))


def test_each_view_layer_has_the_passes_that_it_asks_for(passes):
    assert passes["files"] == ["0001.exr", "0002.exr", "0003.exr"]
    names = {name.split(".", 1)[1] for name in passes["channels"] if name.startswith("ViewLayer.")}
    colours = {f"{name}.{c}" for name in ("Combined", "Anchor") for c in "RGBA"}
    assert names == colours | {"Depth.Z", "Coverage.X"}
    assert "Second.Combined.R" in passes["channels"]
    assert "Second.Depth.Z" not in passes["channels"]


def test_passes_come_back_from_an_exr(passes):
    assert passes["shape"] == [48, 64]
    assert 1 < passes["nearest"] < 6
    assert passes["sky_above"] > 0.5
    assert passes["floor_below"] == 1.0
    assert passes["varied"] > 0.05
    assert 0.3 < passes["anchor_seen"] < 1
    assert passes["coverage"][0] >= 0 and passes["coverage"][1] == 1


def test_an_exr_says_how_it_was_made(passes):
    assert passes["said"] == ["seed", "steps", "model", "model_hash", "world_revision"]


def test_the_header_says_what_goes_on_and_not_that_all_is_ready(passes):
    told = " ".join(passes["told"])
    assert "Frame 1" in told and "Ready" not in told
    assert any(text.endswith(("Rendering", "light", "picture")) for text in passes["told"])


def test_frames_do_not_depend_on_their_order(blender, tmp_path):
    found = blender("renders.py", "order", tmp_path)
    assert found["memory"] == 2
    assert list(found["forwards"]) == ["0001.png", "0002.png", "0003.png"]
    assert found["forwards"] == found["backwards"]
    assert len(set(found["forwards"].values())) == 3


def test_a_killed_backend_loses_no_frame(blender, tmp_path):
    found = blender("renders.py", "killed", tmp_path)
    assert found["files"] == [f"{n:04d}.png" for n in range(1, 7)]
    assert found["killed"] == 2


def test_an_animation_keeps_no_frame_but_the_last(blender, tmp_path):
    assert blender("renders.py", "keeping", tmp_path) == {
        "kept": 1, "notes": 0, "output": ANY, "returncode": 0
    }  # fmt: skip


def test_border_percentage_and_film(blender, tmp_path):
    found = blender("renders.py", "framing", tmp_path)
    assert found["whole"] == [90, 50]
    assert found["half"] == [45, 25]
    assert found["crop"] == [54, 25]
    assert found["border"] == [90, 50]
    assert found["outside"] < 0.01  # nothing but dither
    assert found["inside"] > 0.02
    assert found["film"] > 500


def test_a_moving_camera_blurs_by_the_scene_s_shutter(blender, tmp_path):
    found = blender("renders.py", "shutter", tmp_path)
    assert found["blurred"] < 0.6 * found["sharp"]
    assert found["frame"] == [2, 0.0]


def test_what_moves_and_bends_is_blurred_unless_its_object_says_not(blender, tmp_path):
    found = blender("renders.py", "movers", tmp_path)
    assert found["blurred"] < 0.4 * found["sharp"]
    assert found["moves"] == ["Ball", "Ball.001"]
    assert found["left"] == ["Ball.001"]
    assert found["frame"] == [2, 0.0]


EXPECTED = {
    "panoramic": "Perspective",
    "flat camera": "zero scale",
    "stereo": "Stereoscopy",
    "no camera": "no camera",  # Blender's own words
    "16k": "16384 x 48",
    "no pixels": "too small",  # Blender's own words
    "wrong model": "model",
    "broken model": "model",
    "not installed": "Preferences",
    "no such python": "/no/such/python",
    "a python that is none": "backend",
    "nothing to see": "nothing to look at",
    "missing": "does not exist",
    "unreadable": "image",
    "other aspect": "aspect",
}


def test_every_bad_input_gets_a_sentence_and_blender_lives(blender, tmp_path):
    found = blender("renders.py", "faults", tmp_path, sys.executable)
    assert found["returncode"] == 0
    for name, words in EXPECTED.items():
        for sentence in found["found"][name]:
            assert words in sentence, f"{name}: {sentence!r}"
            assert "Traceback" not in sentence
    assert found["found"]["recovered"] == [""]
    assert found["written"] == []
