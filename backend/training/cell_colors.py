# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network that colours unseen cells learns from: the truth behind the holes of a view."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from ..conditioning.channels import COLOR_CELLS
from ..conditioning.conditions import build_conditions
from ..conditioning.memory.sampling import usable
from ..conditioning.memory.seen import Seen
from ..conditioning.unseen.cell_colors import color_cells, guess_cells
from ..conditioning.unseen.surfels import surfels
from ..data.nerfstudio import PosedFrame
from ..models.cell_net import CellNet
from .cell_nets import CellTask, Examples
from .cell_worlds import SIZE, DrawnWorld, Tint, draw_worlds
from .sample_cache import FLIGHTS, Flight, render_flight, training_scene

WHOLE = 0.35
"""Part of the worlds whose geometry comes from every view."""
SMALLEST_ERROR = 2.5e-5
"""Mean square, 1 = the square of the whole range, below which a smaller error gains little."""
FEWEST_CELLS = 6
"""Unsure cells of an example that says something."""


def scene_examples(seed: int, flight: int) -> Examples:
    """The examples of one flight through a training scene."""
    drawn = render_flight(training_scene(seed), flight, SIZE)
    return flight_examples(drawn, seed * FLIGHTS + flight)


def flight_examples(flight: Flight, seed: int) -> Examples:
    """cells (N, C, h, w); truth (N, 3, h, w), the mean colour of what is unsure in a
    cell, and mass (N, h, w), which part of the cell that is; float16."""
    drawn = [
        _example(world, target)
        for world in draw_worlds(flight, seed, WHOLE)
        for target in world.targets
    ]
    names = ("cells", "truth", "mass")
    return {
        n: torch.stack(each).half() for n, each in zip(names, zip(*drawn, strict=True), strict=True)
    }


def _example(world: DrawnWorld, target: PosedFrame) -> tuple[torch.Tensor, ...]:
    camera, images, scale = target.camera, world.images, world.scale
    count = len(images.frames)
    seen = build_conditions(world.cloud, images, camera, references=count, scale=scale)
    sure, view = usable(seen.weight), seen.view
    cells = surfels(seen.depth, view)
    guesses = guess_cells(images.cells, cells, sure[0] < 1, view, scale)
    inputs = color_cells(cells, guesses, view, scale, Seen(seen.color, sure, seen.base, seen.known))
    truth = torch.from_numpy(target.rgb).permute(2, 0, 1).float() / 127.5 - 1
    unsure = torch.cat([truth * (1 - sure), 1 - sure])
    color, mass = F.adaptive_avg_pool2d(unsure[None], view.grid)[0].split((3, 1))
    return inputs, color / mass.clamp(min=1e-3), mass[0]


def color_losses(network: CellNet, examples: Examples) -> dict[str, torch.Tensor]:
    """Peak signal to noise ratio in unsure cells, negative, mean over examples with enough of them.
    color: with the network's correction; guess: of the first guess alone. Figures are () each."""
    cells, mass = examples["cells"], examples["mass"][:, None]
    guess, unsure = COLOR_CELLS.of(cells, "nearest"), mass.sum((1, 2, 3))
    counts = (unsure > FEWEST_CELLS).float()
    counts = counts / counts.sum().clamp(min=1)

    def error(color: torch.Tensor) -> torch.Tensor:
        square = ((color - examples["truth"]).square() * mass).sum((1, 2, 3))
        decibels = 10 * torch.log10(square / (3 * unsure).clamp(min=1) / 4 + SMALLEST_ERROR)
        return (decibels * counts).sum()

    return {"color": error(guess + network(cells)), "guess": error(guess)}


def _varied(examples: Examples) -> Examples:
    """The batch mirrored, lit and tinted in another way, all of its colours alike."""
    cells, truth, mass = (examples[name] for name in ("cells", "truth", "mass"))
    if torch.rand(()) < 0.5:
        cells, truth, mass = cells.flip(-1), truth.flip(-1), mass.flip(-1)
        cells[:, COLOR_CELLS.mirrored()] *= -1
    tint, cells = Tint.draw(len(cells), cells.device), cells.clone()
    tint.lay_over(cells, COLOR_CELLS)
    COLOR_CELLS.of(cells, "seen").mul_(COLOR_CELLS.of(cells, "sure") > 0)
    COLOR_CELLS.of(cells, "sky_guess").mul_(COLOR_CELLS.of(cells, "has_sky"))
    return {"cells": cells, "truth": tint.of(truth), "mass": mass}


CELL_COLORS = CellTask(
    scene_examples,
    FLIGHTS,
    partial(CellNet, in_channels=COLOR_CELLS.count, out_channels=3),
    color_losses,
    {"color": 1.0},
    _varied,
)
