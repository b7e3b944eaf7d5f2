# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the embedded depth network: its views, its crops, and the loop, at tiny size."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from backend.models.depth_net import DepthNetConfig, load_depth_net
from backend.training import depth as module
from backend.training.depth import (
    Sample,
    aligned_error,
    collate,
    crop,
    depth_loss,
    evaluate,
    flat_guess,
    scene_samples,
)

TINY = DepthNetConfig(widths=(8, 8, 16, 16, 16), blocks=(0, 1, 1, 1, 1), groups=4)


@pytest.fixture(scope="module")
def views() -> list[Sample]:
    return scene_samples("interior", 3, (64, 48), 3, random.Random(0))


def test_ground_that_is_seen_lies_on_the_plane(views):
    assert views
    for view in views:
        z = view.log_distance.exp() * view.directions[2] + 1.0
        assert z[view.ground].abs().max() < 0.2
        assert torch.allclose(view.directions.norm(dim=0), torch.ones(48, 64), atol=1e-5)


def test_crops_keep_rays_and_distances_together(views):
    rng = random.Random(1)
    for _ in range(6):
        part = crop(views[0], (64, 32), rng)
        assert part.image.shape == (3, 32, 64) and part.sky.shape == (32, 64)
        z = part.log_distance.exp() * part.directions[2] + 1.0
        assert part.ground.sum() == 0 or z[part.ground].abs().median() < 0.1


def test_a_perfect_answer_has_no_loss_and_a_scaled_one_no_shape_error(views):
    batch = collate(views[:2])
    sure = torch.where(batch.ground, 20.0, -20.0), torch.where(batch.sky, 20.0, -20.0)
    perfect = torch.stack([batch.log_distance, *sure], dim=1)
    assert float(sum(depth_loss(perfect, batch).values())) < 1e-5
    perfect[:, 0] += 0.7
    parts = depth_loss(perfect, batch)
    assert float(parts["shape"]) < 1e-5 and float(parts["scale"]) == pytest.approx(0.21, rel=1e-3)


def test_errors_are_measured_after_the_best_scale():
    truth = np.random.default_rng(0).normal(0, 1, (12, 16))
    everywhere = np.ones(truth.shape, bool)
    assert aligned_error(truth + 3.0, truth, everywhere)[0] == pytest.approx(0, abs=1e-12)
    assert aligned_error(truth * 0, truth, everywhere)[0] == pytest.approx(
        np.abs(truth - np.median(truth)).mean()
    )
    down = np.array([[[0.0, 0.8, -0.6], [0.0, 1.0, 0.0]]])
    assert flat_guess(down, 4.0)[0] == pytest.approx(np.log([1 / 0.6, 4.0]))


def test_training_goes_on_where_it_stopped(views, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KINDS", ("interior",))
    monkeypatch.setattr(module, "SIZES", ((64, 32),))
    monkeypatch.setattr(module, "MEASURED_EVERY", 2)
    monkeypatch.setattr(module, "held_out_samples", lambda *_, **__: {"interior": views})
    net = module.DepthNet
    monkeypatch.setattr(module, "DepthNet", lambda: net(TINY))
    (tmp_path / "views").mkdir()
    module._write_views(tmp_path / "views" / "a.safetensors", collate(views))
    module.train(tmp_path, 2, 2, 1e-3, 0, 1)
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    module.train(tmp_path, 4, 2, 1e-3, 0, 1)
    second = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (first["iteration"], second["iteration"]) == (2, 4)
    assert not torch.equal(first["net"]["stem.weight"], second["net"]["stem.weight"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows if "held_out" in row] == [2, 2, 4, 4]
    made = load_depth_net(tmp_path / "model")
    table = evaluate(made, {"interior": views})["interior"]
    assert table["views"] == len(views) and 0 < table["log_error"] < 2
