# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the network that completes depth, on what references show of procedural scenes.

One process may render examples into a folder while another trains from it: `render_examples` and
`train_completion`. Both end and go on as they please; nothing of a file is read half-written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

from ..data.synth import fly_path, render_depth
from ..models.completion_net import CompletionNet
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.frame import MemoryFrame
from ..world.conditions import world_scale
from ..world.depth_completion import completion_cells, smooth_guess
from ..world.point_renderer import PointCloud, render_points
from ..world.sampling import MemoryImages, sample_memory
from ..world.surface_fill import cell_centres
from .processes import for_each_seed
from .sample_cache import training_scene, turned
from .samples import world_anchors

SIZE = 128
FLIGHTS, VIEWS = 6, 14
WORLDS_PER_FLIGHT, FLOWN, TURNED = 5, 4, 2
REFERENCE_COUNTS = (1, 1, 1, 2, 3)
LEARNING_RATE = 1e-3
SKY_WEIGHT = 0.5
DEEPEST = 4.0
"""Log depths in world scales are clipped to +- this."""
LEFT_RIGHT = 4
"""The channel of the cells that changes its sign in a mirror: the ray's image x."""
HELD_OUT = 11
"""One scene in so many is for measuring; kinds of scenes take turns, so that it shares no divisor
with their number."""
LOOK_AGAIN_S = 90.0


def render_examples(folder: Path, seeds: range, processes: int = 1) -> Iterator[int]:
    """Write the examples of the scenes of `seeds` into `folder`; yields each seed when it is done.

    Flights that are there already are passed over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    yield from for_each_seed(partial(_render_scene, folder), seeds, processes)


def _render_scene(folder: Path, seed: int) -> None:
    scene = training_scene(seed)
    for flight in range(FLIGHTS):
        path = folder / f"{seed:07d}-{flight}.safetensors"
        if path.exists():
            continue
        cameras = fly_path(scene, flight, VIEWS, (SIZE, SIZE))
        see = partial(render_depth, scene)
        cells, truth = flight_examples(cameras, see, seed * FLIGHTS + flight)
        beside = path.with_suffix(".tmp")
        save_file({"cells": cells, "truth": truth}, beside)
        beside.replace(path)


def flight_examples(
    cameras: list[Camera], see: Callable[[Camera], torch.Tensor], seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
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
    return torch.stack(cells).half(), torch.stack(truth).half()


def _bare(camera: Camera, see: Callable[[Camera], torch.Tensor], identity: str) -> MemoryFrame:
    """A memory frame of which nothing but the depth matters."""
    depth = see(camera).numpy()
    return MemoryFrame(identity, identity, camera, np.zeros((*depth.shape, 3), np.uint8), depth)


def completion_losses(
    network: CompletionNet, cells: torch.Tensor, truth: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Means over the unknown cells. depth: error of log depth on surfaces; guess: that of the
    smooth guess; sky: cross entropy; sky_wrong: part of the cells called wrongly."""
    told, guess = cells[:, :-1], cells[:, -1]
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


def train_completion(
    examples: Path,
    output: Path,
    minutes: float,
    batch: int = 32,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> Iterator[dict[str, float]]:
    """Train and write `output` (as `load_completion` reads it); yields measurements as it goes.

    Raises InputError when there are too few examples.
    """
    torch.manual_seed(seed)
    network = CompletionNet().to(device)
    average = EMAModel(network.parameters(), decay=0.998, foreach=True)
    average.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    began = looked = time.monotonic()
    training, held_out = _read(examples, device)
    iteration = 0
    while (spent := (time.monotonic() - began) / (60 * minutes)) < 1:
        if time.monotonic() - looked > LOOK_AGAIN_S:
            (training, held_out), looked = _read(examples, device), time.monotonic()
            yield _save(network, average, output, held_out)
        _set_rate(optimizer, iteration, spent)
        losses = completion_losses(network, *_batch(*training, batch))
        (losses["depth"] + SKY_WEIGHT * losses["sky"]).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(network.parameters())
        iteration += 1
    yield _save(network, average, output, held_out)


def _set_rate(optimizer: torch.optim.Optimizer, iteration: int, spent: float) -> None:
    rate = LEARNING_RATE * min(1.0, (iteration + 1) / 100) * min(1.0, max(0.03, 2 * (1 - spent)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _batch(
    cells: torch.Tensor, truth: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = torch.randint(0, len(cells), (size,), device=cells.device)
    cells, truth = cells[chosen].float(), truth[chosen].float()
    if torch.rand(()) < 0.5:
        cells, truth = cells.flip(-1), truth.flip(-1)
        cells[:, LEFT_RIGHT] *= -1
    return cells, truth


def _read(
    folder: Path, device: torch.device | str
) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """All examples as (cells, truth): those to train on, those held out."""
    parts: tuple[list[dict[str, torch.Tensor]], ...] = ([], [])
    for path in sorted(folder.glob("*-*.safetensors")):
        parts[int(path.stem.split("-")[0]) % HELD_OUT == HELD_OUT - 1].append(load_file(path))
    if not all(parts):
        raise InputError(
            f"'{folder}' holds too few examples to train and to measure; render "
            f"at least {HELD_OUT} scenes into it first."
        )
    return tuple(
        tuple(torch.cat([p[name] for p in part]).to(device) for name in ("cells", "truth"))
        for part in parts
    )


@torch.no_grad()
def _save(
    network: CompletionNet,
    average: EMAModel,
    output: Path,
    held_out: tuple[torch.Tensor, torch.Tensor],
) -> dict[str, float]:
    average.store(network.parameters())
    average.copy_to(network.parameters())
    partial = output.with_name(output.name + ".part")
    network.half().save_pretrained(partial)
    network.float()
    losses = completion_losses(network, held_out[0].float(), held_out[1].float())
    output.mkdir(parents=True, exist_ok=True)
    for path in partial.iterdir():
        path.replace(output / path.name)
    partial.rmdir()
    average.restore(network.parameters())
    figures = {name: value.item() for name, value in losses.items()}
    if not math.isfinite(figures["depth"]):
        raise InputError("The training diverged; start again with another seed.")
    return figures
