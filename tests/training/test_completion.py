# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the depth completion, for real and for a moment."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.conditioning.channels import COMPLETION_CELLS
from backend.data.nerfstudio import PosedFrame
from backend.data.synth import KINDS
from backend.models.cell_net import load_completion
from backend.shared.camera import Camera
from backend.shared.errors import InputError
from backend.training import cell_nets
from backend.training.cell_nets import HELD_OUT, Examples, measure, train_cells
from backend.training.completion import COMPLETION, flight_examples
from backend.training.sample_cache import Flight
from tests.scenes.world_room import photograph, room_camera


def view(camera: Camera, name: str) -> PosedFrame:
    shot = photograph(camera)
    return PosedFrame(camera, shot.rgb, shot.depth, name)


@pytest.fixture(scope="module")
def examples() -> Examples:
    cameras = [room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (48, 48)) for i in range(4)]
    return flight_examples(Flight([view(c, str(i)) for i, c in enumerate(cameras)], []), 0)


def test_examples_hold_the_truth_where_something_is_known(examples):
    cells, truth = examples["cells"], examples["truth"]
    assert cells.shape[1:] == (COMPLETION_CELLS.count + 1, 32, 32)
    assert truth.shape == (len(cells), 32, 32)
    known = COMPLETION_CELLS.of(cells, "solid")[:, 0] > 0
    assert known.any() and not known.all()
    wrong = (cells[:, -1] - truth).abs()[known].float()
    assert np.percentile(wrong.numpy(), 90) < 0.05


def test_normals_are_told_where_all_around_is_known_and_colours_where_they_are_sure(examples):
    cells = examples["cells"].float()
    length = COMPLETION_CELLS.of(cells, "normal_right", "normal_up", "normal_forward").norm(dim=1)
    told = length > 0
    assert told.any() and (COMPLETION_CELLS.of(cells, "solid")[:, 0][told] > 0).all()
    assert length[told].min() > 0.5 and length[told].max() < 1.42
    unsure = COMPLETION_CELLS.of(cells, "sure") == 0
    assert unsure.any() and (COMPLETION_CELLS.of(cells, "seen") * unsure == 0).all()


def test_a_varied_batch_tells_the_same_shapes_in_another_light(examples):
    torch.manual_seed(1)
    batch = {name: part.float() for name, part in examples.items()}
    before = batch["cells"].clone()
    after = COMPLETION.augment(batch)["cells"]
    names = [c.name for c in COMPLETION_CELLS.channels if not c.color]
    shapes, drawn = COMPLETION_CELLS.of(after, *names), COMPLETION_CELLS.of(before, *names)
    mirrored = before.flip(-1)
    for name in ("image_x", "normal_right"):
        COMPLETION_CELLS.of(mirrored, name).mul_(-1)
    assert torch.equal(shapes, drawn) or torch.equal(shapes, COMPLETION_CELLS.of(mirrored, *names))
    seen = COMPLETION_CELLS.of(after, "seen")
    assert not torch.equal(seen.abs().sum(), COMPLETION_CELLS.of(before, "seen").abs().sum())
    assert (seen * (COMPLETION_CELLS.of(after, "sure") == 0) == 0).all()


def test_a_moment_of_training_lowers_the_loss_and_leaves_a_network_that_loads(examples, tmp_path):
    for seed in (9, 10):  # one to train on, one to measure
        save_file(examples, tmp_path / f"{seed:07d}-0.safetensors")
    figures = list(
        train_cells(COMPLETION, tmp_path, tmp_path / "network", minutes=0.1, least_iterations=60)
    )[-1]
    assert figures["depth"] < figures["guess"]
    network = load_completion(torch.device("cpu"), tmp_path / "network")
    assert measure(COMPLETION, network, examples)["depth"] == pytest.approx(
        figures["depth"], rel=0.05
    )


def test_what_did_best_on_the_examples_held_out_is_what_is_left(examples, tmp_path, monkeypatch):
    for seed in (9, 10):
        save_file(examples, tmp_path / f"{seed:07d}-0.safetensors")
    measured = iter([3.0, 1.0, *[2.0] * 1000])
    monkeypatch.setattr(cell_nets, "LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(
        cell_nets, "measure", lambda *_: dict.fromkeys(COMPLETION.weights, next(measured))
    )
    output = tmp_path / "network"
    left = [
        next(output.glob("*.safetensors")).read_bytes()
        for _ in train_cells(COMPLETION, tmp_path, output, minutes=1e-9, least_iterations=3)
    ]
    assert len(left) == 4
    assert left[0] != left[1]
    assert left[1] == left[2] == left[3]


def test_every_kind_of_scene_is_measured():
    assert math.gcd(HELD_OUT, len(KINDS)) == 1


def test_too_few_examples_are_named(tmp_path):
    with pytest.raises(InputError, match="too few examples"):
        next(train_cells(COMPLETION, tmp_path, tmp_path / "network", minutes=1))
