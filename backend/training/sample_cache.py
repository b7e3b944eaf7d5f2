# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of training samples that one process fills while another trains from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..data.nerfstudio import PosedFrame, read_dataset
from ..data.synth import KINDS, Scene, fly_path, make_scene, render_view
from ..learning.samples import Sample, SampleWorld, choose_references
from ..shared.camera import Camera, about_vertical
from ..shared.errors import InputError
from .processes import for_each_seed

TRAINING_SEEDS = 1_000_000
"""Scenes with seeds below this are for training; validation uses seeds far above it."""
REFERENCE_COUNTS = (1, 1, 1, 2, 3, 3, 4)
FLIGHTS = 2
VIEWS = 14
LOOKS = 6
"""Looks aside from a flight's cameras: what imagined views see (`unseen.imagined`)."""
LOOK_SHARE = 0.35
"""Part of the samples that show a look aside, about."""
LOOKS_AT_ONCE = 2
"""Looks aside of one world."""
TARGETS = 4
"""Samples of one world."""


def training_scene(seed: int, pictures: Sequence[np.ndarray] = ()) -> Scene:
    """The procedural scene of a training seed; kinds take turns.

    pictures: (H, W, 3) uint8 sRGB each, some of its textures.
    """
    if seed >= TRAINING_SEEDS:
        raise InputError(f"Training seeds lie below {TRAINING_SEEDS}; {seed} is for validation.")
    return make_scene(KINDS[seed % len(KINDS)], seed, pictures)


@dataclass(eq=False)
class Flight:
    """views: along the way. looks: aside from it, each with the index of the view it turns from."""

    views: list[PosedFrame]
    looks: list[tuple[int, PosedFrame]]


def render_flight(
    scene: Scene, flight: int, size: int, device: torch.device | str = "cpu"
) -> Flight:
    """The views along one flight through a scene, and looks aside, `size` pixels a side."""
    cameras = fly_path(scene, flight, VIEWS, (size, size))
    name = f"{scene.kind}-{flight}"
    rng = np.random.default_rng([scene.seed, flight, 5])
    sources = rng.choice(len(cameras), min(LOOKS, len(cameras)), replace=False)
    return Flight(
        [_photograph(scene, camera, f"{name}-{i:02d}", device) for i, camera in enumerate(cameras)],
        [
            (int(i), _photograph(scene, turned(cameras[i], rng), f"{name}-{i:02d}-aside", device))
            for i in sources
        ],
    )


def _photograph(scene: Scene, camera: Camera, name: str, device: torch.device | str) -> PosedFrame:
    rgb, depth = (part.cpu() for part in render_view(scene, camera, device))
    picture = (rgb * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return PosedFrame(camera, picture, depth.numpy(), name)


def turned(camera: Camera, rng: np.random.Generator) -> Camera:
    """A look aside from where `camera` stands, wider or narrower."""
    yaw, pitch = rng.choice([-1, 1]) * rng.uniform(0.0, 1.3), rng.normal(0, 0.15)
    about_right = np.array(
        [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    )
    c2w = camera.c2w.copy()
    c2w[:3, :3] = about_vertical(yaw) @ c2w[:3, :3] @ about_right
    K = camera.K.copy()
    K[[0, 1], [0, 1]] *= rng.uniform(0.55, 1.1)
    return Camera(K, c2w, camera.width, camera.height)


def scene_samples(
    flight: Flight, seed: int, count: int, device: torch.device | str = "cpu"
) -> Iterator[Sample]:
    """`count` samples of one flight; references, targets and kind of geometry drawn by `seed`.

    `TARGETS` of them show the same world: most of a sample's cost is what is found in its world.
    """
    rng = np.random.default_rng(seed)
    views = flight.views
    for first in range(0, count, TARGETS):
        wanted = min(int(rng.choice(REFERENCE_COUNTS)), len(views) - 1)
        references = choose_references(wanted, len(views), rng)
        whole = bool(rng.random() < 0.5)
        targets = _targets(flight, references, min(TARGETS, count - first), rng)
        world = SampleWorld.draw(views, references, whole, seed * 64 + first, device)
        for i, target in enumerate(targets):
            yield world.sample(target, seed * 64 + first + i)


def _targets(
    flight: Flight, references: list[int], count: int, rng: np.random.Generator
) -> list[PosedFrame]:
    """`count` views to ask for, none twice while there are others. One reference is replaced by a
    look's source where looks are asked for."""
    views, asides = flight.views, []
    if flight.looks and rng.random() < LOOK_SHARE * count / LOOKS_AT_ONCE:
        source = flight.looks[rng.integers(len(flight.looks))][0]
        nearest = min(range(len(references)), key=lambda k: abs(references[k] - source))
        references[nearest] = source
        asides = [look for i, look in flight.looks if i in references][:LOOKS_AT_ONCE]
    others = [j for j in range(len(views)) if j not in references]
    chosen = rng.choice(others, max(0, count - len(asides)), replace=len(others) < count)
    return [*asides, *(views[j] for j in chosen)][:count]


def fill_cache(
    folder: Path,
    seeds: range,
    size: int,
    per_flight: int,
    processes: int = 1,
    pictures: Sequence[np.ndarray] = (),
    device: str = "cpu",
) -> Iterator[int]:
    """Write the samples of the procedural scenes of `seeds`; yields each seed when it is done.
    pictures: (H, W, 3) uint8, see `training_scene`. device: where they are rendered and looked at.

    A flight whose samples are there already is passed over, so that a killed run can go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_fill_scene, folder, size, per_flight, pictures, device)
    yield from for_each_seed(work, seeds, processes)


def _fill_scene(
    folder: Path,
    size: int,
    per_flight: int,
    pictures: Sequence[np.ndarray],
    device: str,
    seed: int,
) -> None:
    scene: Scene | None = None
    for flight in range(FLIGHTS):
        name = f"{seed:07d}-{flight}"
        if is_saved(folder, name, per_flight):
            continue
        scene = scene or training_scene(seed, pictures)
        drawn = render_flight(scene, flight, size, device)
        samples = scene_samples(drawn, seed * FLIGHTS + flight, per_flight, device)
        for _ in save_samples(folder, name, samples):
            pass


def add_dataset(folder: Path, dataset: Path, name: str, count: int, seed: int) -> Iterator[Path]:
    """Write `count` samples of a nerfstudio dataset (a Blender-rendered one, say), yielding each
    file when it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    flight = Flight(read_dataset(dataset), [])
    yield from save_samples(folder, name, scene_samples(flight, seed, count))


def is_saved(folder: Path, name: str, count: int) -> bool:
    """Whether `save_samples` has written all `count` of them."""
    return any(folder.glob(f"{name}-{count - 1:02d}-*.safetensors"))


def save_samples(folder: Path, name: str, samples: Iterator[Sample]) -> Iterator[Path]:
    """Write samples into `folder`, yielding each file when it is written."""
    # number and size of the references stand in the name: a batch is drawn among equals
    for i, sample in enumerate(samples):
        references, _, height, width = sample.memory.shape
        path = folder / f"{name}-{i:02d}-r{references}x{height}x{width}.safetensors"
        sample.save(path)
        yield path
