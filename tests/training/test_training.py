# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stage for real: tiny models, two iterations on a CPU, kill, resume, bad configs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.conditioning.channels import HINTS
from backend.data.nerfstudio import PosedFrame
from backend.models.load_frame_model import load_frame_model
from backend.shared.errors import InputError
from backend.training import loop
from backend.training.batches import SampleBatches, _mirror, _recolor
from backend.training.checkpoints import find_checkpoint, read_state
from backend.training.config import LossConfig, ModelConfig, TrainConfig, read_config
from backend.training.loop import Trainer
from backend.training.losses import charbonnier, energy_distance
from backend.training.sample_cache import TRAINING_SEEDS, fill_cache
from backend.training.samples import Sample, make_sample
from tests.scenes.world_room import photograph, room_camera

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
        sample = make_sample(frames, frames[2], [0, 3], whole, i)
        sample.save(folder / f"room-{i:02d}-r2.safetensors")
    return folder


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
        "model": ModelConfig(8, (8, 8, 16, 16), 32, 2, 2),
    }
    return TrainConfig(**(values | settings))


def test_three_stages_follow_each_other(samples, tmp_path):
    start = ""
    for number, stage in enumerate(("stage1", "stage2", "stage3"), 1):
        losses = LossConfig(energy=0.1, gan=0.1, dmd=0.1) if number == 3 else LossConfig()
        config = tiny(samples, tmp_path / stage, start=start, loss=losses)
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
    sample = make_sample(frames, frames[1], [0, 3], True, 5)
    sample.save(tmp_path / "s.safetensors")
    loaded = Sample.load(tmp_path / "s.safetensors")
    assert torch.allclose(loaded.hints, sample.hints, atol=5e-3)
    assert torch.equal(loaded.target, sample.target)
    assert np.allclose(loaded.camera().c2w, frames[1].camera.c2w)


def test_whole_geometry_knows_more_depth_and_no_more_colour(frames):
    part, whole = (make_sample(frames, frames[2], [0], geometry, 3) for geometry in (False, True))
    depth, color = (
        [float(HINTS.of(sample.hints, name).mean()) for sample in (part, whole)]
        for name in ("known", "anchors_colored")
    )
    assert depth[1] > depth[0]
    assert color[1] <= color[0] + 0.05


def test_mirrored_sample_shows_the_mirrored_world(frames):
    sample = make_sample(frames, frames[1], [0, 3], True, 5)
    points = np.array([[0.2, 1.0, 0.1], [-0.4, 2.0, -0.3]])
    before, depth = sample.camera().project(points)
    after, mirrored_depth = _mirror(sample).camera().project(points * [-1, 1, 1])
    assert np.allclose(after[:, 0], SIZE - before[:, 0])
    assert np.allclose(after[:, 1], before[:, 1])
    assert np.allclose(depth, mirrored_depth)


def test_recolouring_changes_all_pictures_alike(frames):
    sample = make_sample(frames, frames[1], [0, 2, 3], True, 1)
    seen = HINTS.of(sample.hints, "memory_weight")[0] > 0.99
    before = (HINTS.of(sample.hints, "memory") - sample.target)[:, seen].abs().mean()
    changed = _recolor(sample, np.random.default_rng(0))
    after = (HINTS.of(changed.hints, "memory") - changed.target)[:, seen].abs().mean()
    assert after < 1.2 * before


def test_batches_are_reproducible(samples):
    first, second = (next(iter(SampleBatches([samples], 2, SIZE, 16, seed=3))) for _ in range(2))
    assert torch.equal(first.hints, second.hints)
    assert first.memory.shape == (2, 2, 5, 128, 128)


def test_losses_vanish_on_equal_pictures_only():
    picture = torch.rand(1, 3, 32, 32)
    weight = torch.ones(1, 1, 32, 32)
    assert charbonnier(picture, picture, weight) == pytest.approx(0.01)
    assert energy_distance(picture, picture, weight) == 0
    blurred = torch.nn.functional.avg_pool2d(picture, 5, 1, 2)
    assert energy_distance(blurred, picture, weight) > 0.5


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
        make_sample(bare, bare[0], [1], False, 0)
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
