# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the embedded depth network: its views, its crops, and the loop, at tiny size."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.data.capture_views import PosedFrame
from backend.data.nerfstudio import write_dataset
from backend.models.depth import EmbeddedDepth, load_depth
from backend.models.depth_net import DepthNet, DepthNetConfig, load_depth_net, save_depth_net
from backend.models.feature_weights import load_features
from backend.shared.camera import Camera, facing, intrinsics
from backend.shared.errors import InputError
from backend.training import depth as module
from backend.training import depth_views
from backend.training.depth import depth_loss, learning_rate
from backend.training.depth_measure import (
    aligned_error,
    evaluate,
    flat_guess,
    held_out_samples,
)
from backend.training.depth_views import (
    Sample,
    Views,
    add_captures,
    collate,
    compact,
    crops,
    expanded,
    footed,
    resized,
    scene_samples,
    write_views,
)
from tests.training.feature_file import random_features

TINY = DepthNetConfig(widths=(8, 8, 16, 16), blocks=(0, 1, 1, 1), groups=4)


@pytest.fixture(scope="module")
def views() -> list[Sample]:
    found = scene_samples("interior", 3, (64, 48), 2, 2, random.Random(0))
    return sorted((s for s in found if s.ground.any()), key=lambda s: -int(s.ground.sum()))


def above_ground(sample: Sample) -> torch.Tensor:
    """Heights of what is seen, in camera heights."""
    return sample.log_distance.exp() * sample.directions[..., 2, :, :] + 1.0


def test_ground_that_is_seen_lies_on_the_plane(views):
    assert len(views) >= 2
    for view in views:
        assert above_ground(view)[view.ground].abs().max() < 0.2
        assert torch.allclose(view.directions.norm(dim=0), torch.ones(48, 64), atol=1e-5)


def test_what_stands_on_visible_ground_is_footed_and_what_hangs_before_it_is_not():
    """A wall five camera heights away, a lamp before it that does not touch the ground, sky."""
    camera = Camera(intrinsics(1.0, 48, 64), np.eye(4), 48, 64)
    rays = camera.rays()
    rays = np.stack([rays[..., 0], rays[..., 2], -rays[..., 1]], axis=2)  # z up
    rays = torch.from_numpy(rays / np.linalg.norm(rays, axis=2, keepdims=True)).float()
    wall, down = 5.0 / rays[..., 1], -rays[..., 2]
    ground = (1 / down.clamp_min(1e-3) < wall) & (down > 0)
    sky = torch.zeros_like(ground)
    sky[:6] = True
    distance = torch.where(ground, 1 / down.clamp_min(1e-3), wall)
    lamp = torch.zeros_like(ground)
    lamp[10:34, 20:28] = True
    distance = torch.where(lamp, 2.0, distance)
    batch = Sample(
        torch.zeros(1, 3, 64, 48), rays.permute(2, 0, 1)[None], distance.log()[None],
        (ground & ~lamp)[None], sky[None],
    )  # fmt: skip
    found = footed(batch)[0]
    standing = ~ground & ~lamp & ~sky
    assert standing.sum() > 800 and not found[ground | lamp | sky].any()
    above_lamp = torch.zeros_like(lamp)
    above_lamp[:10, 20:28] = True
    assert torch.equal(found[~above_lamp], standing[~above_lamp])


def test_crops_keep_rays_and_distances_together(views):
    generator = torch.Generator().manual_seed(1)
    for size in ((64, 32), (32, 64), (48, 48)):
        parts = crops(collate([views[0]] * 8), size, generator)
        assert parts.image.shape == (8, 3, size[1], size[0])
        assert torch.allclose(parts.directions.norm(dim=1), torch.tensor(1.0), atol=1e-5)
        assert parts.ground.any()
        assert above_ground(parts)[parts.ground].abs().median() < 0.05
        assert (parts.directions[:, 0, :, 0] < parts.directions[:, 0, :, -1]).all()


def test_crops_show_what_their_rays_meet():
    """A picture that paints its own rays is cropped to rays that it still paints."""
    ramp = torch.stack(torch.meshgrid(torch.linspace(-0.6, 0.6, 60), torch.linspace(-0.8, 0.8, 80),
                                      indexing="ij")[::-1])  # fmt: skip
    rays = torch.nn.functional.normalize(
        torch.cat([ramp[:1], torch.ones(1, 60, 80), -ramp[1:]]), dim=0
    )
    flat = torch.zeros(60, 80)
    view = Sample(0.5 + 0.5 * rays, rays, flat, flat > 0, flat > 0)
    parts = crops(collate([view] * 6), (48, 32), torch.Generator().manual_seed(0))
    painted = parts.image * 2 - 1
    assert torch.allclose(painted[:, 1:], parts.directions[:, 1:], atol=0.02)
    straight = (painted[:, 0] - parts.directions[:, 0]).abs().amax(dim=(1, 2)) < 0.02
    mirrored = (painted[:, 0] + parts.directions[:, 0]).abs().amax(dim=(1, 2)) < 0.02
    assert straight.any() and mirrored.any() and (straight ^ mirrored).all()


def test_views_are_kept_compact_and_come_back(views, tmp_path):
    batch = collate(views)
    back = expanded(compact(batch))
    assert torch.allclose(back.image, batch.image, atol=0.003)
    assert torch.allclose(back.log_distance, batch.log_distance, atol=0.004)
    write_views(tmp_path / "a.safetensors", batch)
    write_views(tmp_path / "b.safetensors", resized(batch, (48, 64)))
    pool = Views(tmp_path, pixels=64 * 48)
    assert len(pool) == 2 * len(views) and len(pool.groups) == 2
    drawn = pool.draw(3, (48, 32), torch.Generator().manual_seed(0))
    assert drawn.image.shape == (3, 3, 32, 48) and not list(tmp_path.glob("*.tmp"))


def test_a_perfect_answer_has_no_loss_and_a_scaled_one_no_shape_error(views):
    batch = collate(views[:2])
    sure = torch.where(batch.ground, 20.0, -20.0), torch.where(batch.sky, 20.0, -20.0)
    perfect = torch.stack([batch.log_distance, *sure], dim=1)
    assert float(sum(depth_loss(perfect, batch).values())) < 1e-5
    perfect[:, 0] += 0.7
    parts = depth_loss(perfect, batch)
    feet = float(footed(batch).sum() / (~batch.sky).sum())
    assert feet > 0.02 and float(parts["feet"]) == pytest.approx(0.35 * feet, rel=1e-3)
    assert float(parts["shape"]) < 1e-5 and float(parts["scale"]) == pytest.approx(0.14, rel=1e-3)


def test_a_view_of_nothing_but_sky_does_not_spoil_the_loss(views):
    batch = collate(views[:2])
    batch.sky[0] = True
    out = torch.zeros(2, 3, *batch.sky.shape[1:], requires_grad=True)
    loss = sum(depth_loss(out, batch).values())
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(out.grad).all()


def test_errors_are_measured_after_the_best_scale():
    truth = np.random.default_rng(0).normal(0, 1, (12, 16))
    everywhere = np.ones(truth.shape, bool)
    assert aligned_error(truth + 3.0, truth, everywhere)[0] == pytest.approx(0, abs=1e-12)
    assert aligned_error(truth * 0, truth, everywhere)[0] == pytest.approx(
        np.abs(truth - np.median(truth)).mean()
    )
    down = np.array([[[0.0, 0.8, -0.6], [0.0, 1.0, 0.0]]])
    assert flat_guess(down, 4.0)[0] == pytest.approx(np.log([1 / 0.6, 4.0]))


def test_the_flat_guess_is_given_its_best_backdrop(views):
    directions = views[0].directions.permute(1, 2, 0).numpy()
    truth = torch.from_numpy(flat_guess(directions, 3.0)).float()
    sample = Sample(views[0].image, views[0].directions, truth, truth > 9, truth > 9)
    table = evaluate(EmbeddedDepth(DepthNet(TINY).eval()), {"interior": [[sample]]})
    for row in (table["interior"], table["all"]):
        assert row["flat_backdrop"] == 3.0 and row["flat_log_error"] < 1e-4
        assert row["log_error"] > 0.01 and row["better_in"] == 0


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(f, 1.0) for f in (0.0, 0.01, 0.5, 1.0)]
    assert rates[0] < 0.05 and rates[1] > 0.99 and rates[2] == pytest.approx(0.5)
    assert rates[3] == pytest.approx(0, abs=1e-9)


def test_training_goes_on_where_it_stopped(views, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PHASES", ((0.0, 3000, ((64, 32),)), (0.5, 3000, ((32, 32),))))
    monkeypatch.setattr(module, "MEASURED_EVERY_S", 0.0)
    monkeypatch.setattr(module, "held_out_samples", lambda *_, **__: {"interior": [views]})
    features = load_features(Path(random_features(tmp_path)))
    monkeypatch.setattr(module, "load_features", lambda: features)
    monkeypatch.setattr(module, "CONFIG", replace(TINY, features=True))
    (tmp_path / "views").mkdir()
    write_views(tmp_path / "views" / "a.safetensors", collate(views))
    module.train(tmp_path, 0.002, 2, 1e-3, 0, 1)
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    module.train(tmp_path, 2 * first["spent"] / 60, 2, 1e-3, 0, 1)
    second = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert second["iteration"] > first["iteration"] > 0 and second["spent"] > first["spent"]
    assert not torch.equal(first["net"]["stem.weight"], second["net"]["stem.weight"])
    seen = "seen.stem.conv.weight"
    assert torch.equal(second["net"][seen], features.state_dict()[seen.removeprefix("seen.")])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum("held_out" in row for row in rows) >= 4
    table = evaluate(EmbeddedDepth(load_depth_net(tmp_path / "model")), {"interior": [views]})
    assert table["interior"]["scenes"] == 1 and 0 < table["interior"]["log_error"] < 2


def test_a_network_begins_as_another_and_sees_more(views, tmp_path, monkeypatch):
    features = load_features(Path(random_features(tmp_path)))
    monkeypatch.setattr(module, "load_features", lambda: features)
    monkeypatch.setattr(module, "CONFIG", replace(TINY, features=True))
    blind = DepthNet(TINY).eval()
    torch.nn.init.normal_(blind.head.weight, std=0.05)
    save_depth_net(blind, tmp_path / "blind", {})
    net = module.begun(tmp_path / "blind").eval()
    image, directions = views[0].image[None] * 2 - 1, views[0].directions[None]
    with torch.inference_mode():
        assert torch.allclose(net(image, directions), blind(image, directions), atol=0.02)
        torch.nn.init.normal_(net.told[2].weight, std=50.0)
        assert not torch.allclose(net(image, directions), blind(image, directions), atol=0.02)


def test_a_capture_with_depth_is_learnt_from(tmp_path):
    """A level camera 2 m above a plane sees each pixel's ground where the ray says."""
    camera = Camera(intrinsics(1.2, 64, 48), np.eye(4), 64, 48)
    camera.c2w[:3, :3], camera.c2w[2, 3] = facing(0.3, -0.2, 0.0), 2.0
    down = -camera.rays()[..., 2]
    depth = np.where(down > 0.05, 2.0 / np.maximum(down, 0.05), np.inf).astype(np.float32)
    picture = np.full((48, 64, 3), 90, np.uint8)
    write_dataset(tmp_path / "yard", [PosedFrame(camera, picture, depth, "images/0")])
    assert list(add_captures(tmp_path / "views", [tmp_path / "yard"])) == [tmp_path / "yard"]
    (file,) = (tmp_path / "views").iterdir()
    sample = expanded(load_file(file))
    assert sample.ground.any() and torch.equal(sample.sky[0], torch.from_numpy(np.isinf(depth)))
    assert above_ground(sample)[sample.ground].abs().max() < 0.05


def test_a_capture_without_depth_is_no_lesson(tmp_path):
    camera = Camera(intrinsics(1.2, 64, 48), np.eye(4), 64, 48)
    picture = np.full((48, 64, 3), 90, np.uint8)
    write_dataset(tmp_path / "yard", [PosedFrame(camera, picture, None, "images/0")])
    with pytest.raises(InputError, match="capture with depth"):
        list(add_captures(tmp_path / "views", [tmp_path / "yard"]))


def test_the_shipped_estimator_beats_a_flat_guess():
    """On scenes it never saw, a few: larger numbers stand in docs/photo.md."""
    table = evaluate(load_depth("embedded"), held_out_samples(40_000, scenes=2, views=1))
    assert table["all"]["scenes"] >= 10
    assert table["all"]["log_error"] < 0.95 * table["all"]["flat_log_error"]


def test_rendering_ends_with_the_scene_that_it_was_at(tmp_path, monkeypatch):
    monkeypatch.setattr(depth_views, "FLIGHTS", 1)
    monkeypatch.setattr(depth_views, "VIEWS_PER_FLIGHT", 1)
    assert len(list(depth_views.render_scenes(tmp_path, 1e-4, 0))) <= 1
