# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network that completes depth learns from: what references show of procedural scenes."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from ..conditioning.anchors.point_renderer import render_points
from ..conditioning.channels import COMPLETION_CELLS
from ..conditioning.memory.sampling import sample_memory, usable
from ..conditioning.memory.seen import Seen
from ..conditioning.unseen.depth_completion import (
    completion_cells,
    smooth_guess,
)
from ..conditioning.unseen.fill import push_pull
from ..conditioning.view import View
from ..data.nerfstudio import PosedFrame
from ..models.cell_net import CellNet
from .cell_nets import CellTask, Examples
from .cell_worlds import SIZE, DrawnWorld, Tint, draw_worlds
from .sample_cache import FLIGHTS, Flight, render_flight, training_scene

SKY_WEIGHT = 0.5
DEEPEST = 4.0
"""Log depths in world scales are clipped to +- this."""


def scene_examples(seed: int, flight: int) -> Examples:
    """The examples of one flight through a training scene."""
    drawn = render_flight(training_scene(seed), flight, SIZE)
    return flight_examples(drawn, seed * FLIGHTS + flight)


def flight_examples(flight: Flight, seed: int) -> Examples:
    """cells (N, C + 1, h, w): what the network sees, then the log of the guess;
    truth (N, h, w). Log depths are in world scales, +inf = sky; float16."""
    drawn = [
        _example(world, target)
        for world in draw_worlds(flight, seed, whole=0)
        for target in world.targets
    ]
    cells, truth = zip(*drawn, strict=True)
    return {"cells": torch.stack(cells).half(), "truth": torch.stack(truth).half()}


def _example(world: DrawnWorld, target: PosedFrame) -> tuple[torch.Tensor, torch.Tensor]:
    camera, images, scale = target.camera, world.images, world.scale
    drawn = render_points(world.cloud, camera).depth
    sampled = sample_memory(images, range(len(images.frames)), camera, drawn)
    depth = torch.where(sampled.sky, torch.inf, drawn)
    color, sure = sampled.rgb.permute(2, 0, 1) * 2 - 1, usable(sampled.weight[None].clamp(0, 1))
    seen = Seen(color, sure, push_pull(color, sure)[0], (depth > 0).float()[None])
    guess, view = smooth_guess(depth, scale), View(camera, depth.device)
    inputs = completion_cells(depth, guess, view, scale, seen)
    truth = torch.from_numpy(target.depth)[view.centres]
    return torch.cat([inputs, torch.log(guess[view.centres] / scale)[None]]), torch.log(
        truth / scale
    )


def completion_losses(network: CellNet, examples: Examples) -> dict[str, torch.Tensor]:
    """Means over the unknown cells, () each.

    depth: error of log depth on surfaces; guess: that of the smooth guess; sky: cross entropy;
    sky_wrong: part of the cells called wrongly.
    """
    inputs, guess, truth = examples["cells"][:, :-1], examples["cells"][:, -1], examples["truth"]
    correction, logit = network(inputs).unbind(1)
    solid, sky = COMPLETION_CELLS.of(inputs, "solid"), COMPLETION_CELLS.of(inputs, "sky")
    unknown = (solid + sky == 0)[:, 0].float()
    sky = torch.isinf(truth).float()
    surface = unknown * (1 - sky)
    wanted = torch.where(sky > 0, 0.0, truth).clamp(-DEEPEST, DEEPEST)
    count = unknown.sum().clamp(min=1)
    entropy = F.binary_cross_entropy_with_logits(logit, sky, reduction="none")
    return {
        "depth": ((guess + correction - wanted).abs() * surface).sum() / count,
        "guess": ((guess - wanted).abs() * surface).sum() / count,
        "sky": (entropy * unknown).sum() / count,
        "sky_wrong": (((logit > 0).float() != sky).float() * unknown).sum() / count,
    }


def _varied(examples: Examples) -> Examples:
    """The batch mirrored half of the time, and in another light."""
    cells, truth = examples["cells"].clone(), examples["truth"]
    if torch.rand(()) < 0.5:
        cells, truth = cells.flip(-1), truth.flip(-1)
        cells[:, COMPLETION_CELLS.mirrored()] *= -1
    Tint.draw(len(cells), cells.device).lay_over(cells, COMPLETION_CELLS)
    COMPLETION_CELLS.of(cells, "seen").mul_(COMPLETION_CELLS.of(cells, "sure") > 0)
    return {"cells": cells, "truth": truth}


COMPLETION = CellTask(
    scene_examples,
    FLIGHTS,
    partial(CellNet, in_channels=COMPLETION_CELLS.count, out_channels=2),
    completion_losses,
    {"depth": 1.0, "sky": SKY_WEIGHT},
    _varied,
)
