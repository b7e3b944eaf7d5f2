# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of one place that were exposed one by one come to look alike, and others stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.data.nerfstudio import write_dataset
from backend.shared.color import LINEAR, linear_to_srgb
from backend.shared.frame import MemoryFrame
from backend.world.exposure import evened, exposures
from backend.world.importers.captures import capture_to_world
from tests.scenes.grounded_room import capture

WRONG = (0.5, -0.4, 0.1, -0.2)


def exposed(rgb: np.ndarray, offset: float) -> np.ndarray:
    """As a camera would have taken it that lets in exp(offset) times the light."""
    light = LINEAR[rgb].astype(np.float64)
    light = np.exp(offset) * light / (1 + np.expm1(offset) * light)
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8)


def frames(offsets=WRONG):
    return [
        MemoryFrame(str(i), str(i), f.camera, exposed(f.rgb, offset), f.depth)
        for i, (f, offset) in enumerate(zip(capture(len(offsets)), offsets, strict=True))
    ]


def test_pictures_exposed_one_by_one_become_alike():
    found = exposures(frames())
    assert found == pytest.approx(WRONG, abs=0.05)
    made, stops = evened(frames())
    assert stops == pytest.approx(0.9 / np.log(2), abs=0.1)
    for one, truth in zip(made, frames((0.0,) * 4), strict=True):
        assert np.abs(one.rgb.astype(int) - truth.rgb).mean() < 2
    assert len({f.id for f in made} | {f.id for f in frames()}) == 8  # other pictures, other names
    again, none = evened(made)
    assert none == 0 and all(a.rgb is b.rgb for a, b in zip(again, made, strict=True))


def test_a_few_things_that_moved_do_not_count():
    moved = frames()
    for number, frame in enumerate(moved):
        rgb = frame.rgb.copy()
        rgb[:, : rgb.shape[1] // 4] = 60 * number
        moved[number] = replace(frame, rgb=rgb)
    assert exposures(moved) == pytest.approx(WRONG, abs=0.1)


def test_pictures_that_are_alike_stay_as_they_are():
    alike = frames((0.0, 0.01, -0.01, 0.0))
    made, stops = evened(alike)
    assert stops == 0 and all(a is b for a, b in zip(made, alike, strict=True))


def test_differences_that_no_exposure_explains_are_left():
    rng = np.random.default_rng(0)
    strange = [replace(f, rgb=rng.integers(0, 256, f.rgb.shape).astype(np.uint8)) for f in frames()]
    assert not exposures(strange).any()
    blind = [replace(f, depth=None) for f in frames()]
    assert evened(blind)[1] == 0


def test_a_capture_says_that_its_pictures_were_evened_out(tmp_path):
    views = capture()
    write_dataset(
        tmp_path / "in",
        [replace(f, rgb=exposed(f.rgb, o)) for f, o in zip(views, WRONG, strict=True)],
    )
    made = capture_to_world(tmp_path / "in")
    assert any("exposed differently, by up to 1.3 stops" in note for note in made.notes)
    assert made.world.provenance["exposures_evened"] == "1.3 stops"
    for frame, view in zip(made.world.memory, views, strict=True):
        assert np.abs(frame.rgb.astype(int) - view.rgb).mean() < 3
    write_dataset(tmp_path / "alike", views)
    assert "exposures_evened" not in capture_to_world(tmp_path / "alike").world.provenance
