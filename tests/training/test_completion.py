# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the depth completion, for real and for a moment."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.data.synth import KINDS
from backend.models.cell_net import load_completion
from backend.shared.errors import InputError
from backend.training.cell_nets import HELD_OUT, Examples, measure, train_cells
from backend.training.completion import COMPLETION, flight_examples
from tests.backend.world_room import photograph, room_camera


@pytest.fixture(scope="module")
def examples() -> Examples:
    cameras = [room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (48, 48)) for i in range(4)]
    return flight_examples(cameras, lambda c: torch.from_numpy(photograph(c).depth), 0)


def test_examples_hold_the_truth_where_something_is_known(examples):
    cells, truth = examples["cells"], examples["truth"]
    assert cells.shape[1:] == (9, 32, 32)
    assert truth.shape == (len(cells), 32, 32)
    known = cells[:, 0] > 0
    assert known.any() and not known.all()
    wrong = (cells[:, -1] - truth).abs()[known].float()
    assert np.percentile(wrong.numpy(), 90) < 0.05


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


def test_every_kind_of_scene_is_measured():
    assert math.gcd(HELD_OUT, len(KINDS)) == 1


def test_too_few_examples_are_named(tmp_path):
    with pytest.raises(InputError, match="too few examples"):
        next(train_cells(COMPLETION, tmp_path, tmp_path / "network", minutes=1))
