# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of training samples that one process fills while another trains from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..data.nerfstudio import PosedFrame, read_dataset
from ..data.synth import KINDS, Scene, fly_path, make_scene, render_view
from ..shared.errors import InputError
from .samples import Sample, choose_references, make_sample

TRAINING_SEEDS = 1_000_000
"""Scenes with seeds below this are for training; validation uses seeds far above it."""
REFERENCE_COUNTS = (1, 1, 1, 2, 3, 3, 4)
FLIGHTS = 2
VIEWS = 14


def training_scene(seed: int) -> Scene:
    """The procedural scene of a training seed; kinds take turns."""
    if seed >= TRAINING_SEEDS:
        raise InputError(f"Training seeds lie below {TRAINING_SEEDS}; {seed} is for validation.")
    return make_scene(KINDS[seed % len(KINDS)], seed)


def render_flight(scene: Scene, flight: int, size: int) -> list[PosedFrame]:
    """The views along one flight through a scene, `size` pixels a side."""
    frames = []
    for i, camera in enumerate(fly_path(scene, flight, VIEWS, (size, size))):
        rgb, depth = render_view(scene, camera)
        picture = (rgb * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        frames.append(PosedFrame(camera, picture, depth.numpy(), f"{scene.kind}-{flight}-{i:02d}"))
    return frames


def scene_samples(frames: list[PosedFrame], seed: int, count: int) -> Iterator[Sample]:
    """`count` samples of one scene; references, target and kind of geometry drawn by `seed`."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        wanted = min(int(rng.choice(REFERENCE_COUNTS)), len(frames) - 1)
        references = choose_references(wanted, len(frames), rng)
        others = [j for j in range(len(frames)) if j not in references]
        target = int(rng.choice(others))
        whole = bool(rng.random() < 0.5)
        yield make_sample(frames, target, references, whole, seed * 64 + i)


def fill_cache(
    folder: Path, first_seed: int, scenes: int, size: int, per_flight: int
) -> Iterator[int]:
    """Write the samples of `scenes` procedural scenes; yields each scene's seed when it is done.

    A flight whose samples are there already is passed over, so that a killed run can go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + scenes):
        scene: Scene | None = None
        for flight in range(FLIGHTS):
            name = f"{seed:07d}-{flight}"
            if any(folder.glob(f"{name}-{per_flight - 1:02d}-*.safetensors")):
                continue
            scene = scene or training_scene(seed)
            frames = render_flight(scene, flight, size)
            _save(folder, name, scene_samples(frames, seed * FLIGHTS + flight, per_flight))
        yield seed


def add_dataset(folder: Path, dataset: Path, name: str, count: int, seed: int) -> None:
    """Write `count` samples of a nerfstudio dataset (a Blender-rendered one, say)."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder, name, scene_samples(read_dataset(dataset), seed, count))


def _save(folder: Path, name: str, samples: Iterator[Sample]) -> None:
    # the number of references stands in the name: a batch is drawn among equals
    for i, sample in enumerate(samples):
        sample.save(folder / f"{name}-{i:02d}-r{len(sample.memory)}.safetensors")
