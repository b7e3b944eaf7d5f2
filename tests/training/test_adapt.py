# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapting to a world: real training of a tiny model, and never silently worse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli import main
from backend.learning import adapt as adapting
from backend.learning.adapt import Adaptation, Closeness, adapt
from backend.learning.adapted_files import check_place, keep
from backend.models.feature_weights import load_features
from backend.models.frame_model import FrameModel
from backend.models.load_frame_model import load_frame_model, save_frame_model
from backend.serving import priority
from backend.shared.adapted import ADAPTED, REPORT, adapted_model
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.reading import read_json
from backend.shared.world import World
from backend.shared.world_folder import save_world
from tests.scenes.world_room import photograph, room_camera
from tests.training.feature_file import random_features

CPU = torch.device("cpu")


def room(count: int = 5, size: int = 48) -> World:
    memory = []
    for i in range(count):
        shot = photograph(room_camera((0.25 * i - 0.5, -2.5, 0.2), (0, 1, -0.2), (size, size)))
        memory.append(replace(shot, id=f"{i}", name=f"view {i}"))
    return World(Anchors.empty(), memory, 1, {})


def tiny() -> FrameModel:
    """One whose residual is wrong, so that there is something to learn."""
    torch.manual_seed(0)
    model = FrameModel(widths=(8, 8, 16, 16), token_width=32, heads=2, layers=2)
    torch.nn.init.constant_(model.decoder.conv_out.bias, 0.3)
    return model


def closeness(psnr: float, features: float | None = None) -> Closeness:
    return Closeness(psnr, features)


def test_frames_that_were_not_trained_on_come_out_better(tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "LEARNING_RATE", 5e-3)
    monkeypatch.setattr(adapting, "KEPT_AVERAGE", 0.8)
    model, told = tiny(), []
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learnt, found = adapt(
        room(),
        model,
        CPU,
        1e-4,
        features=load_features(Path(random_features(tmp_path))),
        least_iterations=25,
        tell=lambda what, share: told.append((what, share)),
    )
    assert found.after.psnr > found.before.psnr + 1
    assert found.better == (found.after.features <= 1.01 * found.before.features)
    assert found.iterations == 25
    assert set(found.trained).isdisjoint(found.measured)
    assert len(found.trained) + len(found.measured) == 5
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] <= 1
    save_frame_model(learnt, tmp_path / "m", {})
    assert (tmp_path / "m" / "model.safetensors").stat().st_size < 20e6


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        (closeness(20), closeness(20.5), True),
        (closeness(20), closeness(20.01), False),
        (closeness(20), closeness(19), False),
        (closeness(20, 0.5), closeness(20.5, 0.4), True),
        (closeness(20, 0.5), closeness(20.5, 0.6), False),
    ],
)
def test_what_counts_as_better(before, after, better):
    assert Adaptation(before, after, 1, ("a",), ("b",)).better is better


def test_worlds_with_nothing_to_learn_from_are_named():
    with pytest.raises(InputError, match="at least 4 memory frames"):
        adapt(room(3), tiny(), CPU, 1e-4)
    bare = room()
    bare.memory = [replace(frame, depth=None) for frame in bare.memory]
    with pytest.raises(InputError, match="this world has 0"):
        adapt(bare, tiny(), CPU, 1e-4)


def test_each_frame_is_left_out_in_turn_and_its_neighbours_foretell_it():
    frames = adapting._frames(room(7))
    order = adapting._nearest(frames, 0)
    assert order == [1, 2, 3, 4, 5, 6]
    samples = list(adapting._samples(frames, 3))
    assert len(samples) == 14
    for target in frames:
        matching = [s for s in samples if np.allclose(s.camera().c2w, target.camera.c2w)]
        assert len(matching) == 2
        for sample in matching:
            assert len(sample.memory) == adapting.REFERENCES
            assert not any(np.allclose(c, target.camera.c2w) for c in sample.memory_c2w.numpy())


def test_large_frames_are_scaled_down_with_their_cameras():
    world = room(4, 48)
    wide = photograph(room_camera((0, -2.5, 0.2), (0, 1, -0.2), (640, 480)))
    world.memory[0] = replace(wide, id="w", name="wide")
    first = adapting._frames(world)[0]
    assert first.rgb.shape == (240, 320, 3) and first.depth.shape == (240, 320)
    points = np.array([[0.2, 1.0, 0.1]])
    (here, _), (there, _) = (c.project(points) for c in (wide.camera, first.camera))
    assert np.allclose(here, 2 * there)


def test_an_adapted_model_replaces_its_kind_alone(tmp_path):
    found = Adaptation(closeness(20), closeness(21), 7, ("a",), ("b",))
    keep(tiny(), found, "embedded", check_place(tmp_path, False))
    assert adapted_model(tmp_path) == tmp_path / ADAPTED
    assert read_json(tmp_path / ADAPTED / REPORT)["after"]["psnr"] == 21
    with pytest.raises(InputError, match="--overwrite"):
        check_place(tmp_path, False)
    again = replace(found, iterations=9)
    keep(tiny(), again, "embedded", check_place(tmp_path, True))
    assert read_json(tmp_path / ADAPTED / REPORT)["iterations"] == 9
    assert [path.name for path in tmp_path.iterdir()] == [ADAPTED]
    (tmp_path / "other" / ADAPTED).mkdir(parents=True)
    (tmp_path / "other" / ADAPTED / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no adapted model"):
        check_place(tmp_path / "other", True)


def test_the_command_keeps_what_is_better_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(priority, "give_way", lambda: None)  # of all the tests that follow
    save_world(room(), tmp_path / "w")
    save_frame_model(tiny(), tmp_path / "tiny", {})
    arguments = ["train", "adapt", str(tmp_path / "w"), "--model", str(tmp_path / "tiny")]
    arguments += ["--minutes", "0.01", "--device", "cpu", "--json"]

    def run() -> dict:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        assert all(json.loads(line).keys() == {"progress", "text"} for line in err.splitlines())
        return json.loads(out)

    monkeypatch.setattr(adapting, "ENOUGH_PSNR", 99)
    assert run()["model"] is None and adapted_model(tmp_path / "w") is None
    monkeypatch.setattr(adapting, "ENOUGH_PSNR", -99)
    monkeypatch.setattr(adapting, "WORSE_FEATURES", 99)
    kept = run()
    assert kept["better"] and Path(kept["model"]) == adapted_model(tmp_path / "w")
    load_frame_model(Path(kept["model"]))
