# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stage for real: tiny models, two iterations on a CPU, kill, resume, bad configs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.conditioning.channels import HINTS
from backend.data.nerfstudio import PosedFrame
from backend.learning.batches import SampleBatches, mirror_sample, recolor_sample
from backend.learning.losses import (
    FeatureDiscriminator,
    charbonnier,
    comparable,
    gradient_penalty,
    relativistic,
)
from backend.learning.samples import Sample, SampleWorld
from backend.models.feature_net import LEVEL_CHANNELS
from backend.models.feature_weights import load_features
from backend.models.load_frame_model import load_frame_model
from backend.shared.errors import InputError
from backend.training import checkpoints, loop
from backend.training.checkpoints import find_checkpoint, read_state
from backend.training.config import LossConfig, ModelConfig, TrainConfig, read_config
from backend.training.loop import Trainer
from backend.training.masking import hide_anchors
from backend.training.sample_cache import TRAINING_SEEDS, fill_cache
from tests.scenes.world_room import photograph, room_camera
from tests.training.feature_file import random_features

SIZE = 32


@pytest.fixture(scope="module")
def frames() -> list[PosedFrame]:
    made = []
    for i in range(4):
        shot = photograph(room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (SIZE, SIZE)))
        made.append(PosedFrame(shot.camera, shot.rgb, shot.depth, f"{i}"))
    return made


@pytest.fixture(scope="module")
def samples(frames, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for i, whole in enumerate((True, False)):
        sample = SampleWorld.draw(frames, [0, 3], whole, i).sample(frames[2], i)
        sample.save(folder / f"room-{i:02d}-r2.safetensors")
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> str:
    return random_features(tmp_path_factory.mktemp("features"))


def tiny(samples: Path, output: Path, **settings) -> TrainConfig:
    values = {
        "output": str(output),
        "samples": (str(samples),),
        "iterations": 2,
        "batch": 2,
        "crop": SIZE,
        "warmup": 1,
        "workers": 0,
        "picture_every": 1,
        "precision": "no",
        "model": ModelConfig(8, (8, 8, 16, 16), 32, 2, 2),
    }
    return TrainConfig(**(values | settings))


def test_three_stages_follow_each_other(samples, features, tmp_path):
    start = ""
    for number, stage in enumerate(("stage1", "stage2", "stage3"), 1):
        against = {"gan": 0.1, "dmd": 0.1} if number == 3 else {}
        config = tiny(
            samples,
            tmp_path / stage,
            start=start,
            features=features,
            mask_anchors=0.5,
            drop_ramp=4,
            loss=LossConfig(perceptual=0.3, **against),
        )
        trainer = Trainer(stage, config, resume=False)
        before = {k: v.clone() for k, v in trainer.stage.model.state_dict().items()}
        trainer.run()
        after = trainer.stage.model.state_dict()
        assert any(not torch.equal(before[k], after[k]) for k in before)
        assert all(torch.isfinite(v).all() for v in after.values())
        load_frame_model(tmp_path / stage / "model")
        start = str(tmp_path / stage)


def test_killed_run_goes_on_where_its_checkpoint_was(samples, tmp_path):
    config = tiny(samples, tmp_path, iterations=3)
    first = Trainer("stage1", config, resume=False)
    batch = next(iter(first._loader()))
    first._iterate(batch.to(torch.device("cpu")))
    first.iteration = 1
    first.save()
    # parameter 0 is memory's modulation, which stage 1 does not use
    moment = first.optimizers["generator"].optimizer.state_dict()["state"][1]["exp_avg"]

    second = Trainer("stage1", config, resume=True)
    assert second.iteration == 1
    again = second.optimizers["generator"].optimizer.state_dict()["state"][1]["exp_avg"]
    assert torch.equal(moment, again)
    second.run()
    assert read_state(find_checkpoint(tmp_path))["iteration"] == 3


def test_a_run_is_begun_anew_only_when_that_was_asked_for(samples, tmp_path):
    config = tiny(samples, tmp_path)
    Trainer("stage1", config, resume=False).run()
    with pytest.raises(InputError, match="begin anew with --overwrite"):
        Trainer("stage1", config, resume=False)
    assert read_state(find_checkpoint(tmp_path))["iteration"] == 2
    # a kill before the first new checkpoint must not leave the old run to be resumed
    assert Trainer("stage1", config, resume=False, overwrite=True).iteration == 0
    assert find_checkpoint(tmp_path) is None
    with pytest.raises(InputError, match="no checkpoint"):
        Trainer("stage1", config, resume=True)


def test_checkpoints_come_in_small_files(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 90_000)
    trainer = Trainer("stage1", tiny(samples, tmp_path), resume=False)
    trainer.run()
    files = list((tmp_path / "checkpoint").glob("*.safetensors"))
    assert len(files) > 6 and all(path.stat().st_size < 100_000 for path in files)
    again = Trainer("stage1", tiny(samples, tmp_path), resume=True)
    for mine, theirs in zip(again.stage.parameters(), trainer.stage.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    moments = [t.optimizers["generator"].optimizer.state_dict()["state"] for t in (again, trainer)]
    assert all(torch.equal(moments[0][i]["exp_avg"], moments[1][i]["exp_avg"]) for i in moments[0])


def test_run_that_diverges_stops_and_leaves_its_last_checkpoint(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "HEALTH_EVERY", 2)
    config = tiny(samples, tmp_path, iterations=40, learning_rate=1e4, checkpoint_minutes=60)
    trainer = Trainer("stage2", config, resume=False)
    trainer.save()
    with pytest.raises(InputError, match=r"diverged .* lower learning_rate"):
        trainer.run()
    assert read_state(find_checkpoint(tmp_path))["iteration"] == 0


def test_kill_between_the_renames_leaves_the_previous_checkpoint(samples, tmp_path):
    trainer = Trainer("stage1", tiny(samples, tmp_path), resume=False)
    trainer.save()
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    (tmp_path / "checkpoint.tmp").mkdir()
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoint.old"
    assert Trainer("stage1", tiny(samples, tmp_path), resume=True).iteration == 0


def test_sample_survives_disk(frames, tmp_path):
    sample = SampleWorld.draw(frames, [0, 3], True, 5).sample(frames[1], 5)
    sample.save(tmp_path / "s.safetensors")
    loaded = Sample.load(tmp_path / "s.safetensors")
    assert torch.allclose(loaded.hints, sample.hints, atol=5e-3)
    assert torch.equal(loaded.target, sample.target)
    assert np.allclose(loaded.camera().c2w, frames[1].camera.c2w)


def test_whole_geometry_knows_more_depth_and_no_more_colour(frames):
    part, whole = (
        SampleWorld.draw(frames, [0], geometry, 3).sample(frames[2], 3)
        for geometry in (False, True)
    )
    depth, color = (
        [float(HINTS.of(sample.hints, name).mean()) for sample in (part, whole)]
        for name in ("known", "anchors_colored")
    )
    assert depth[1] > depth[0]
    assert color[1] <= color[0] + 0.05


def test_mirrored_sample_shows_the_mirrored_world(frames):
    sample = SampleWorld.draw(frames, [0, 3], True, 5).sample(frames[1], 5)
    points = np.array([[0.2, 1.0, 0.1], [-0.4, 2.0, -0.3]])
    before, depth = sample.camera().project(points)
    after, mirrored_depth = mirror_sample(sample).camera().project(points * [-1, 1, 1])
    assert np.allclose(after[:, 0], SIZE - before[:, 0])
    assert np.allclose(after[:, 1], before[:, 1])
    assert np.allclose(depth, mirrored_depth)


def test_recolouring_changes_all_pictures_alike(frames):
    sample = SampleWorld.draw(frames, [0, 2, 3], True, 1).sample(frames[1], 1)
    seen = HINTS.of(sample.hints, "memory_weight")[0] > 0.99
    before = (HINTS.of(sample.hints, "memory") - sample.target)[:, seen].abs().mean()
    changed = recolor_sample(sample, np.random.default_rng(0))
    after = (HINTS.of(changed.hints, "memory") - changed.target)[:, seen].abs().mean()
    assert after < 1.2 * before


def test_batches_are_reproducible(samples):
    first, second = (next(iter(SampleBatches([samples], 2, SIZE, 16, seed=3))) for _ in range(2))
    assert torch.equal(first.hints, second.hints)
    assert first.memory.shape == (2, 2, 5, 128, 128)


def test_a_model_alone_is_trained_on_without_what_needs_its_encoder(samples, features, tmp_path):
    made = tmp_path / "made"
    trainer = Trainer("stage2", tiny(samples, made, loss=LossConfig(diffusion=0)), resume=False)
    trainer.save()
    alone = made / "model"
    losses = LossConfig(diffusion=0, perceptual=0.5, gan=0.1)
    config = tiny(samples, tmp_path / "on", start=str(alone), features=features, loss=losses)
    on = Trainer("stage3", config, resume=False)
    for mine, theirs in zip(
        on.stage.model.parameters(), load_frame_model(alone).parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
    on.run()
    for wrong in (LossConfig(diffusion=0.1), LossConfig(diffusion=0, dmd=0.1)):
        with pytest.raises(InputError, match="without its latent encoder"):
            config = tiny(samples, tmp_path / "x", start=str(alone), loss=wrong)
            Trainer("stage3", config, resume=False)
    with pytest.raises(InputError, match="neither a checkpoint nor a model"):
        Trainer("stage3", tiny(samples, tmp_path / "y", start=str(tmp_path)), resume=False)


def test_the_feature_network_is_no_part_of_checkpoints(samples, features, tmp_path):
    losses = LossConfig(diffusion=0, perceptual=0.5, gan=0.1)
    config = tiny(samples, tmp_path, features=features, loss=losses)
    trainer = Trainer("stage3", config, resume=False)
    network = trainer.stage._frozen[0]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trainer.run()
    assert not any("stem" in name for name in trainer.stage.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_pixel_loss_vanishes_on_equal_pictures_only():
    picture = torch.rand(1, 3, 32, 32)
    weight = torch.ones(1, 1, 32, 32)
    assert charbonnier(picture, picture, weight) == pytest.approx(0.01)
    assert charbonnier(picture, picture.flip(-1), weight) > 0.1


def test_the_relativistic_loss_and_its_penalty_are_those_written_out():
    torch.manual_seed(0)
    condition = torch.randn(1, 2, 64, 64)
    judge = FeatureDiscriminator(2)
    levels = [
        torch.randn(1, c, 64 // s, 64 // s)
        for c, s in zip(LEVEL_CHANNELS, (2, 4, 8, 16), strict=True)
    ]
    shown = [level.requires_grad_() for level in comparable(levels)]
    assert all(level.square().mean().item() == pytest.approx(1, rel=1e-4) for level in shown)
    logits, weight = judge(shown, condition), torch.ones(1, 1, 64, 64)
    other = [logit + 1 for logit in logits]
    assert relativistic(other, logits, weight).item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert relativistic(logits, logits, weight).item() == pytest.approx(math.log(2), rel=1e-5)

    # by finite differences, in double precision, along one direction of one level
    exact, told = judge.double(), condition.double()
    shown = [level.detach().double().requires_grad_() for level in shown]
    slopes = torch.autograd.grad(sum(x.sum() for x in exact(shown, told)), shown)
    direction, step = torch.randn_like(shown[3]), 1e-5
    ends = []
    for sign in (1, -1):
        moved = [*shown[:3], shown[3] + sign * step * direction]
        ends.append(sum(x.sum() for x in exact(moved, told)).item())
    assert (slopes[3] * direction).sum().item() == pytest.approx(
        (ends[0] - ends[1]) / (2 * step), rel=1e-5
    )
    lengths = [slope.square().sum(1).mean().item() for slope in slopes]
    penalty = gradient_penalty(exact(shown, told), shown, weight)
    assert penalty.item() == pytest.approx(sum(lengths) / 4, rel=1e-5)
    penalty.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in exact.parameters())


def test_the_discriminator_learns_to_tell_blur_from_pictures(features):
    torch.manual_seed(0)
    network, judge = load_features(Path(features)), FeatureDiscriminator(1)
    optimizer = torch.optim.Adam(judge.parameters(), 3e-3)
    weight, told = torch.ones(4, 1, 32, 32), torch.zeros(4, 1, 32, 32)
    losses = []
    for _ in range(30):
        true = torch.rand(4, 3, 32, 32) * 2 - 1
        blurred = torch.nn.functional.avg_pool2d(true, 5, 1, 2)
        of_true, of_blurred = (judge(comparable(network(x)), told) for x in (true, blurred))
        loss = relativistic(of_true, of_blurred, weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.05)
    assert losses[-1] < 0.5 * losses[0]


def test_hidden_anchors_look_as_holes_do_and_the_rest_stays(frames):
    hints = SampleWorld.draw(frames, [0, 3], True, 5).sample(frames[1], 5).hints[None].float()
    torch.manual_seed(0)
    hidden = hide_anchors(hints, 0.5)
    gone = HINTS.of(hidden, "known") != HINTS.of(hints, "known")
    gone |= HINTS.of(hidden, "memory_weight") != HINTS.of(hints, "memory_weight")
    blocks = torch.nn.functional.max_pool2d(gone.float(), 16)
    assert 0 < blocks.mean() < 1
    there = torch.nn.functional.interpolate(blocks, scale_factor=16)[0, 0] == 0
    assert torch.equal(hidden[0][:, there], hints[0][:, there])
    for name in ("memory", "memory_weight", "anchors", "coverage", "known", "sky"):
        assert not HINTS.of(hidden, name)[0][:, ~there].any()
    assert torch.equal(HINTS.of(hidden, "log_depth"), HINTS.of(hints, "log_depth"))
    assert torch.equal(hide_anchors(hints, 0.0), hints)
    # no hidden colour is left in the guesses: another picture below gives the same ones
    torch.manual_seed(0)
    other = hints.clone()
    for name in ("base", "fill", "memory"):
        HINTS.of(other, name)[0][:, ~there] = 0.7
    for name in ("base", "fill"):
        torch.testing.assert_close(
            HINTS.of(hide_anchors(other, 0.5), name)[0][:, ~there],
            HINTS.of(hidden, name)[0][:, ~there],
        )
        torch.manual_seed(0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("output = 'x'\nsamples = ['y']\niterations = 1\nlerning_rate = 1.0", "lerning_rate"),
        ("output = 'x'\nsamples = ['y']\niterations = 'many'", "iterations"),
        ("output = 'x'\niterations = 1", "samples"),
        ("output = 'x'\nsamples = ['y']\niterations = 1\n[loss]\npixels = 1.0", "pixels"),
        ("output = ", "TOML"),
    ],
)
def test_faulty_config_is_named(tmp_path, text, named):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=named):
        read_config(path)


def test_shipped_configs_are_valid():
    configs = sorted(Path("backend/training/configs").glob("*.toml"))
    assert configs
    for path in configs:
        read_config(path)


def test_missing_samples_resume_and_small_pictures_are_named(samples, tmp_path):
    with pytest.raises(InputError, match="no training samples"):
        SampleBatches([tmp_path], 2, SIZE, 16, 0)
    with pytest.raises(InputError, match="no checkpoint"):
        Trainer("stage1", tiny(samples, tmp_path / "none"), resume=True)
    with pytest.raises(InputError, match="smaller than the crop"):
        next(iter(SampleBatches([samples], 2, 64, 16, 0)))


def test_frame_without_depth_and_damaged_sample_are_named(frames, tmp_path):
    bare = [PosedFrame(f.camera, f.rgb, None, f.name) for f in frames]
    with pytest.raises(InputError, match="no depth"):
        SampleWorld.draw(bare, [1], False, 0).sample(bare[0], 0)
    (tmp_path / "bad-r1.safetensors").write_bytes(b"not a sample")
    with pytest.raises(InputError, match="damaged"):
        Sample.load(tmp_path / "bad-r1.safetensors")


def test_processes_make_the_samples_that_one_makes(tmp_path):
    made = {}
    for processes in (1, 2):
        folder = tmp_path / f"{processes}"
        done = list(fill_cache(folder, range(3, 5), 32, 1, processes))
        assert sorted(done) == [3, 4]
        made[processes] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert made[1] == made[2] and len(made[1]) == 4


def test_a_scene_that_fails_ends_all_processes(tmp_path):
    seeds = range(TRAINING_SEEDS, TRAINING_SEEDS + 4)
    with pytest.raises(InputError, match="is for validation"):
        list(fill_cache(tmp_path, seeds, SIZE, 1, 2))
