# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the network that colours unseen cells, for real and for a moment."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.conditioning.channels import COLOR_CELLS
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.seen import Seen
from backend.conditioning.unseen.cell_colors import (
    color_cells,
    guess_cells,
)
from backend.conditioning.unseen.surfels import surfels
from backend.conditioning.view import View
from backend.data.nerfstudio import PosedFrame
from backend.learning.samples import to_memory
from backend.models.cell_net import CellNet, load_colors
from backend.shared.camera import Camera
from backend.training import cell_colors as training
from backend.training.cell_nets import Examples, measure, train_cells
from backend.training.sample_cache import Flight
from tests.scenes.world_room import photograph, room_camera


def view(camera: Camera, name: str) -> PosedFrame:
    shot = photograph(camera)
    return PosedFrame(camera, shot.rgb, shot.depth, name)


@pytest.fixture(scope="module")
def examples() -> Examples:
    cameras = [room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (48, 48)) for i in range(4)]
    look = view(room_camera((0.3, -2.5, 0.2), (3, 1, 0), (48, 48)), "aside")
    flight = Flight([view(c, str(i)) for i, c in enumerate(cameras)], [(1, look)])
    return training.flight_examples(flight, 0)


def test_examples_tell_the_truth_of_what_is_unsure(examples):
    cells, truth, mass = (examples[name].float() for name in ("cells", "truth", "mass"))
    assert cells.shape[1:] == (COLOR_CELLS.count, 32, 32)
    assert truth.shape == (len(cells), 3, 32, 32) and mass.shape == (len(cells), 32, 32)
    unsure = mass > 0.99
    assert 0.05 < unsure.float().mean() < 0.9
    assert (COLOR_CELLS.of(cells, "sure")[:, 0][unsure] < 0.01).all()
    guess = COLOR_CELLS.of(cells, "nearest")
    mean = truth.mean((0, 2, 3), keepdim=True)
    error, spread = (
        ((color - truth).abs().mean(1) * unsure).sum() / unsure.sum() for color in (guess, mean)
    )
    assert error < spread, "the guess knows more than the mean colour"


def test_a_moment_of_training_lowers_the_error_and_leaves_a_network_that_loads(examples, tmp_path):
    for seed in (9, 10):  # one to train on, one to measure
        save_file(examples, tmp_path / f"{seed:07d}-0.safetensors")
    task = dataclasses.replace(
        training.CELL_COLORS,
        make=lambda: CellNet(COLOR_CELLS.count, 3, (16, 24), (1, 2)),
    )
    figures = list(
        train_cells(task, tmp_path, tmp_path / "network", minutes=0.1, least_iterations=60)
    )[-1]
    assert figures["color"] < figures["guess"]
    network = load_colors(torch.device("cpu"), tmp_path / "network")
    assert measure(task, network, examples)["color"] == pytest.approx(figures["color"], rel=0.05)


def told(camera: Camera, memory: PosedFrame, mirrored: bool) -> torch.Tensor:
    """What the network is told of a camera; mirrored: of the same in a world whose x is -x."""
    shot = photograph(camera)
    pictures = [shot.rgb, shot.depth, memory.rgb, memory.depth]
    cameras = [camera, memory.camera]
    if mirrored:
        pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
        cameras = [through_the_mirror(c) for c in cameras]
    camera = cameras[0]
    depth = torch.from_numpy(pictures[1])
    color = torch.from_numpy(pictures[0]).permute(2, 0, 1).float() / 127.5 - 1
    sure = torch.zeros(1, *depth.shape)
    sure[..., 24:72] = 1
    view = View(camera)
    cells = surfels(depth, view)
    frame = to_memory(PosedFrame(cameras[1], *pictures[2:], "m"), "m")
    seen = MemoryImages([frame]).cells
    guesses = guess_cells(seen, cells, sure[0] < 1, view, 3.0)
    return color_cells(cells, guesses, view, 3.0, Seen(color * sure, sure, color, sure))


def through_the_mirror(camera: Camera) -> Camera:
    """The camera that sees the picture mirrored in a world whose x is -x; K is symmetric."""
    c2w = np.diag([-1.0, 1, 1, 1]) @ camera.c2w @ np.diag([-1.0, 1, 1, 1])
    return Camera(camera.K, c2w, camera.width, camera.height)


def test_a_mirrored_world_tells_the_same_but_for_the_mirrored_channels():
    camera = room_camera((0.4, -2.8, 0.1), (0.9, 1.0, -0.2), (96, 96))
    memory = view(room_camera((-0.4, -2.9, 0.2), (0.2, 1.0, -0.1), (96, 96)), "memory")
    plain, mirrored = (told(camera, memory, mirrored) for mirrored in (False, True))
    expected = plain.flip(-1)
    turned = COLOR_CELLS.index(["ray_right", "normal_right"])
    expected[turned] *= -1
    apart = (mirrored - expected).abs()
    assert apart.flatten(1).quantile(0.98, dim=1).max() < 0.02
    assert (plain.flip(-1) - mirrored)[turned].abs().mean() > 0.05


def test_a_varied_batch_keeps_truth_and_guesses_alike():
    """Where the guess is the truth it stays the truth, whatever the light; masks stay masks."""
    torch.manual_seed(3)
    cells = torch.rand(4, COLOR_CELLS.count, 8, 8) * 2 - 1
    COLOR_CELLS.of(cells, "sure").copy_((torch.rand(4, 1, 8, 8) < 0.5).float())
    COLOR_CELLS.of(cells, "has_sky").zero_()
    truth = COLOR_CELLS.of(cells, "nearest").clone()
    batch = {"cells": cells, "truth": truth, "mass": torch.rand(4, 8, 8)}
    for _ in range(8):
        varied = training.CELL_COLORS.augment({name: part.clone() for name, part in batch.items()})
        told = varied["cells"]
        same = COLOR_CELLS.of(told, "nearest") - varied["truth"]
        assert same.abs().max() < 1e-5
        unseen = COLOR_CELLS.of(told, "sure") == 0
        assert (COLOR_CELLS.of(told, "seen") * unseen == 0).all()
        assert (COLOR_CELLS.of(told, "sky_guess") == 0).all()
        assert varied["mass"].sum() == pytest.approx(batch["mass"].sum().item(), rel=1e-4)
    assert (varied["truth"] - truth).abs().max() > 0.01
