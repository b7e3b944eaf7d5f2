# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from nerfstudio datasets of a room whose geometry is known exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.conditioning.anchors.lifting import lift
from backend.data.nerfstudio import write_dataset
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.frame import MemoryFrame
from backend.shared.trust import Level, recorded
from backend.world.exporters import export_ply, export_transforms
from backend.world.importers.captures import capture_to_world
from tests.scenes.grounded_room import ExactDepth, capture, grounded, off_surface


def test_nerfstudio_datasets_in_and_out(tmp_path):
    write_dataset(tmp_path / "in", capture())
    world = capture_to_world(tmp_path / "in").world
    assert np.percentile(off_surface(world.anchors.xyz), 60) < 0.01
    assert len(world.memory) == 4
    export_transforms(world.memory, tmp_path / "out")
    trust = recorded(world.provenance)
    assert trust.agreement > 0.8 and len(trust.left_out) == 3 and trust.level is Level.GOOD
    again = capture_to_world(tmp_path / "out" / "transforms.json").world
    assert np.array_equal(again.memory[2].rgb, world.memory[2].rgb)
    assert np.array_equal(again.anchors.xyz, world.anchors.xyz)


def test_a_single_picture_needs_depth_or_points(tmp_path):
    write_dataset(tmp_path / "in", capture(1, depth=False))
    with pytest.raises(InputError, match="single picture with neither a depth image nor"):
        capture_to_world(tmp_path / "in")


def test_estimates_only_fill_and_are_fitted_to_the_captures_points(tmp_path):
    frames = capture(3, depth=False)
    exact = [lift(MemoryFrame("a", "a", f.camera, f.rgb, grounded(f.camera)[1])) for f in frames]
    points = Anchors.concatenate(exact)
    some = np.random.default_rng(0).permutation(len(points))[:800]
    write_dataset(tmp_path / "in", frames)
    export_ply(
        Anchors(points.xyz[some], points.rgb[some], points.radius[some]), tmp_path / "in" / "p.ply"
    )
    path = tmp_path / "in" / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ply_file_path": "p.ply"}))
    world = capture_to_world(tmp_path / "in", ExactDepth(wrong=0.5)).world
    frame = world.memory[1]
    truth = grounded(frame.camera)[1]
    solid = np.isfinite(truth) & np.isfinite(frame.depth) & (frame.depth > 0)
    assert solid.mean() > 0.7
    error = np.abs(np.log(frame.depth[solid] / truth[solid]))
    assert np.median(error) < 0.1  # the estimator was off by a factor of 1.65
    trust = recorded(world.provenance)  # of what the pictures found, not of what fills the rest
    assert 0 < trust.agreement < 0.9 and len(trust.left_out) == 3


def test_point_clouds_outside_the_dataset_are_refused(tmp_path):
    write_dataset(tmp_path / "in", capture(1))
    path = tmp_path / "in" / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ply_file_path": "../p.ply"}))
    with pytest.raises(InputError, match="outside its folder"):
        capture_to_world(tmp_path / "in")


def test_folders_that_are_no_capture(tmp_path):
    with pytest.raises(
        InputError, match=r"neither a transforms\.json nor a COLMAP model.*no pictures"
    ):
        capture_to_world(tmp_path)
