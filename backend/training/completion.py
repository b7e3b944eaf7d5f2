# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network that completes depth learns from: what references show of procedural scenes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from ..data.synth import fly_path, render_depth
from ..models.cell_net import CellNet
from ..shared.camera import Camera
from ..shared.frame import MemoryFrame
from ..world.conditions import world_scale
from ..world.depth_completion import completion_cells, smooth_guess
from ..world.point_renderer import PointCloud, render_points
from ..world.sampling import MemoryImages, sample_memory
from ..world.surface_fill import cell_centres
from .cell_nets import CellTask, Examples
from .sample_cache import training_scene, turned
from .samples import world_anchors

SIZE = 128
FLIGHTS, VIEWS = 6, 14
WORLDS_PER_FLIGHT, FLOWN, TURNED = 5, 4, 2
REFERENCE_COUNTS = (1, 1, 1, 2, 3)
SKY_WEIGHT = 0.5
DEEPEST = 4.0
"""Log depths in world scales are clipped to +- this."""
LEFT_RIGHT = 4
"""The channel of the cells that changes its sign in a mirror: the ray's image x."""


def scene_examples(seed: int, flight: int) -> Examples:
    """The examples of one flight through a training scene."""
    scene = training_scene(seed)
    cameras = fly_path(scene, flight, VIEWS, (SIZE, SIZE))
    return flight_examples(cameras, partial(render_depth, scene), seed * FLIGHTS + flight)


def flight_examples(
    cameras: list[Camera], see: Callable[[Camera], torch.Tensor], seed: int
) -> Examples:
    """cells (N, 9, h, w): what the network sees, then the log of the guess; truth (N, h, w).

    see: a camera's true z-depth (H, W). Log depths are in world scales, +inf = sky; float16.
    """
    rng = np.random.default_rng(seed)
    cells, truth = [], []
    for _ in range(WORLDS_PER_FLIGHT):
        count = min(int(rng.choice(REFERENCE_COUNTS)), len(cameras) - 1)
        references = rng.choice(len(cameras), count, replace=False)
        memory = [_bare(cameras[i], see, f"{i:04d}") for i in references]
        anchors = world_anchors(memory, [])
        scale = world_scale(memory, anchors)
        cloud, images = PointCloud(anchors), MemoryImages(memory)
        others = [i for i in range(len(cameras)) if i not in references]
        views = [cameras[i] for i in rng.choice(others, min(FLOWN, len(others)), replace=False)]
        views += [turned(cameras[rng.choice(references)], rng) for _ in range(TURNED)]
        for camera in views:
            drawn = render_points(cloud, camera).depth
            sky = sample_memory(images, range(count), camera, drawn).sky
            depth = torch.where(sky, torch.inf, drawn)
            guess = smooth_guess(depth, scale)
            centres = cell_centres(camera, depth.device)
            told = completion_cells(depth, guess, camera, scale)
            cells.append(torch.cat([told, torch.log(guess[centres] / scale)[None]]))
            truth.append(torch.log(see(camera)[centres] / scale))
    return {"cells": torch.stack(cells).half(), "truth": torch.stack(truth).half()}


def _bare(camera: Camera, see: Callable[[Camera], torch.Tensor], identity: str) -> MemoryFrame:
    """A memory frame of which nothing but the depth matters."""
    depth = see(camera).numpy()
    return MemoryFrame(identity, identity, camera, np.zeros((*depth.shape, 3), np.uint8), depth)


def completion_losses(network: CellNet, examples: Examples) -> dict[str, torch.Tensor]:
    """Means over the unknown cells. depth: error of log depth on surfaces; guess: that of the
    smooth guess; sky: cross entropy; sky_wrong: part of the cells called wrongly."""
    told, guess, truth = examples["cells"][:, :-1], examples["cells"][:, -1], examples["truth"]
    correction, logit = network(told).unbind(1)
    unknown = (told[:, 0] + told[:, 1] == 0).float()
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


def _objective(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return losses["depth"] + SKY_WEIGHT * losses["sky"]


def _mirrored(examples: Examples) -> Examples:
    """Half of the batches as in a mirror."""
    if torch.rand(()) < 0.5:
        return examples
    cells, truth = examples["cells"].flip(-1), examples["truth"].flip(-1)
    cells[:, LEFT_RIGHT] *= -1
    return {"cells": cells, "truth": truth}


COMPLETION = CellTask(scene_examples, FLIGHTS, CellNet, completion_losses, _objective, _mirrored)
