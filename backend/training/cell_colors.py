# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network that colours unseen cells learns from: the truth behind the holes of a view.

Scenes, flights, references and their flaws are those of the frame model's samples.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from ..data.nerfstudio import PosedFrame
from ..models.cell_net import CellNet
from ..world.cell_colors import COLOR_CHANNELS, MIRRORED, Seen, color_cells, guess_cells
from ..world.conditions import build_conditions, world_scale
from ..world.point_renderer import PointCloud
from ..world.sampling import MemoryImages, usable
from ..world.surface_fill import cell_grid, memory_cells, surfels
from .cell_nets import CellTask, Examples
from .sample_cache import FLIGHTS, Flight, render_flight, training_scene
from .samples import choose_references, flaw_depth, to_memory, world_anchors

SIZE = 128
WORLDS_PER_FLIGHT, FLOWN, TURNED = 8, 4, 2
REFERENCE_COUNTS = (1, 1, 1, 2, 3)
WHOLE = 0.35
"""Part of the worlds whose geometry comes from every view."""
COLORS = ((0, 3), (4, 7), (17, 20), (21, 24), (24, 27), (27, 30))
"""Channels that carry colours: seen, base, three habits, sky."""
SEEN, FIRST_GUESS, SKY_GUESS, HAS_SKY = slice(0, 3), slice(17, 20), slice(27, 30), 30
SURE = 3
PERMUTED = 0.2
"""Part of the batches whose red, green and blue change places."""
SMALLEST_ERROR = 2.5e-5
"""Mean square, 1 = the square of the whole range, below which a smaller error gains little."""
FEWEST_CELLS = 6
"""Unsure cells of an example that says something."""


def scene_examples(seed: int, flight: int) -> Examples:
    """The examples of one flight through a training scene."""
    drawn = render_flight(training_scene(seed), flight, SIZE)
    return flight_examples(drawn, seed * FLIGHTS + flight)


def flight_examples(flight: Flight, seed: int) -> Examples:
    """cells (N, COLOR_CHANNELS, h, w); truth (N, 3, h, w), the mean colour of what is unsure in a
    cell, and mass (N, h, w), which part of the cell that is; float16."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(WORLDS_PER_FLIGHT):
        count = min(int(rng.choice(REFERENCE_COUNTS)), len(flight.views) - 1)
        references = choose_references(count, len(flight.views), rng)
        targets = []
        if flight.looks:
            source, look = flight.looks[rng.integers(len(flight.looks))]
            references[min(range(count), key=lambda k: abs(references[k] - source))] = source
            aside = [view for i, view in flight.looks if i in references and view is not look]
            targets = [look, *aside][:TURNED]
        others = [i for i in range(len(flight.views)) if i not in references]
        chosen = rng.choice(others, min(FLOWN, len(others)), replace=False)
        targets += [flight.views[i] for i in chosen]
        parts += _world_examples(flight.views, references, others, targets, rng)
    names = ("cells", "truth", "mass")
    return {
        n: torch.stack(each).half() for n, each in zip(names, zip(*parts, strict=True), strict=True)
    }


def _world_examples(
    views: list[PosedFrame],
    references: list[int],
    others: list[int],
    targets: list[PosedFrame],
    rng: np.random.Generator,
) -> list[tuple[torch.Tensor, ...]]:
    memory = [flaw_depth(to_memory(views[i], f"{i:04d}"), rng) for i in references]
    whole = rng.random() < WHOLE
    rest = [to_memory(views[i], f"{i:04d}") for i in others] if whole else []
    anchors = world_anchors(memory, rest)
    scale = world_scale(memory, anchors)
    cloud, images = PointCloud(anchors), MemoryImages(memory)
    return [_example(cloud, images, target, scale) for target in targets]


def _example(
    cloud: PointCloud, images: MemoryImages, target: PosedFrame, scale: float
) -> tuple[torch.Tensor, ...]:
    camera, count = target.camera, len(images.frames)
    seen = build_conditions(cloud, images, camera, references=count, scale=scale)
    sure = usable(seen.weight)
    cells = surfels(seen.depth, camera)
    memory = memory_cells(images.frames, images.device)
    guesses = guess_cells(memory, cells, sure[0] < 1, camera, scale)
    told = color_cells(cells, guesses, camera, scale, Seen(seen.color, sure, seen.base, seen.known))
    truth = torch.from_numpy(target.rgb).permute(2, 0, 1).float() / 127.5 - 1
    grid = cell_grid(camera.width, camera.height)
    unsure = torch.cat([truth * (1 - sure), 1 - sure])
    color, mass = F.adaptive_avg_pool2d(unsure[None], grid)[0].split((3, 1))
    return told, color / mass.clamp(min=1e-3), mass[0]


def color_losses(network: CellNet, examples: Examples) -> dict[str, torch.Tensor]:
    """Peak signal to noise ratio in unsure cells, negative, mean over examples with enough of them.
    color: with the network's correction; guess: of the first guess alone."""
    cells, mass = examples["cells"], examples["mass"][:, None]
    guess, unsure = cells[:, FIRST_GUESS], mass.sum((1, 2, 3))
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
        cells[:, MIRRORED] *= -1
    one, three = (torch.randn(len(cells), n, 1, 1, device=cells.device) for n in (1, 3))
    gain = (1 + 0.25 * one.clamp(-1.5, 1.5)) * (1 + 0.08 * three)
    one, three = (torch.randn(len(cells), n, 1, 1, device=cells.device) for n in (1, 3))
    shift = 0.12 * one + 0.05 * three
    order = torch.randperm(3) if torch.rand(()) < PERMUTED else torch.arange(3)
    cells = cells.clone()
    for first, end in COLORS:
        cells[:, first:end] = (cells[:, first:end] * gain + shift)[:, order]
    cells[:, SEEN] *= cells[:, SURE, None] > 0
    cells[:, SKY_GUESS] *= cells[:, HAS_SKY, None]
    return {"cells": cells, "truth": (truth * gain + shift)[:, order], "mass": mass}


CELL_COLORS = CellTask(
    scene_examples,
    FLIGHTS,
    partial(CellNet, in_channels=COLOR_CHANNELS, out_channels=3),
    color_losses,
    lambda losses: losses["color"],
    _varied,
)
