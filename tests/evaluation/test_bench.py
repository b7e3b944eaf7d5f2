# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks measure what they say; how fast it was is nobody's business here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli import main
from backend.evaluation import bench
from backend.models.frame_model import FrameModel
from backend.models.load_frame_model import save_frame_model
from backend.shared.errors import WorldFMError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bench") / "model"
    tiny = FrameModel(widths=(8, 8, 16, 16), token_width=48, heads=2, layers=1)
    save_frame_model(tiny, folder, {})
    return folder


def test_ratio_says_how_far_the_aim_is_beaten() -> None:
    assert bench.Figure("a", 30.0, "ms", aim=60.0).ratio == 2
    assert bench.Figure("a", 10.0, "frames/s", aim=5.0, at_least=True).ratio == 2
    assert bench.Figure("a", 10.0, "ms").ratio is None


def test_room_frames_agree_with_each_other() -> None:
    """A wall point seen by one frame has the colour that another frame sees there."""
    a, b = (bench.room_frame(camera) for camera in bench.room_cameras(64, 2))
    points = a.camera.position + a.depth[..., None] * a.camera.rays()
    uv, z = b.camera.project(points.reshape(-1, 3))
    pixel = np.floor(uv).astype(int)
    inside = ((pixel >= 0) & (pixel < 64)).all(axis=1) & (z > 0)
    assert inside.mean() > 0.8
    there = b.rgb[pixel[inside, 1], pixel[inside, 0]].astype(int)
    assert np.abs(there - a.rgb.reshape(-1, 3)[inside]).mean() < 8


def test_room_points_lie_on_its_sides() -> None:
    points = bench.room_points(5000)
    assert len(points) == 5000
    low, high = bench.ROOM * (-0.5, -0.5, 0), bench.ROOM * (0.5, 0.5, 1)
    on_side = np.isclose(points.xyz, low, atol=1e-5) | np.isclose(points.xyz, high, atol=1e-5)
    assert on_side.any(axis=1).all()
    assert (points.radius > 0).all()


def test_anchors_counts_what_it_drew() -> None:
    points, lifted = bench.bench_anchors("auto", count=20_000, size=64, repeats=1)
    assert points.name.startswith("0.02 M") and points.value > 0 and points.aim == 60
    assert lifted.value > 0


def test_frame_shows_the_stages(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", ((32, 5.0),))
    one, two, preparing, around = bench.bench_frame(str(model), "cpu", repeats=1)
    assert one.name == "32 x 32, 1 step" and two.name == "32 x 32, 2 steps"
    assert {"anchors", "transformer", "decoder"} <= set(one.parts)
    assert one.value == pytest.approx(1000 / sum(one.parts.values()), rel=0.01)
    assert one.aim == 5 and two.aim is None
    assert preparing.value > 0 and around.value > 0  # both in ms


def test_transport_goes_through_a_real_process(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "SIZES", ((32, 5.0),))
    figures = {f.name: f for f in bench.bench_transport(str(model), "cpu", repeats=1)}
    assert figures["backend ready"].value > 0
    assert (
        figures["32 x 32, round trip"].value
        > figures["32 x 32, round trip without the model's stages"].value
    )
    assert 0.05 < figures["backend resident"].value < 8


def test_a_backend_that_cannot_come_up_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorldFMError) as error:
        bench.bench_transport(str(tmp_path / "no model"), "cpu", repeats=1)
    assert "\n" not in str(error.value)


def test_the_command_prints_json(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", "frame", "--model", "/nowhere/at/all", "--json"])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("Error: ") == 1


def test_the_machine_is_described() -> None:
    about = bench.machine()
    assert about["cores"] > 0 and about["processor"] and about["torch"]
    json.dumps(about)
