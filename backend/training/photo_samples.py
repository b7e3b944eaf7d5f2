# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of photos without poses: seen from aside by their estimated depth, and asked back.

What the way there and back loses is the hole, the photo itself is the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from ..conditioning.anchors.lifting import lift
from ..conditioning.anchors.point_renderer import PointCloud, render_points
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.sampling import sample_memory, usable
from ..data.nerfstudio import PosedFrame
from ..learning.samples import Sample, SampleWorld, to_memory
from ..models.depth import DepthEstimator, load_depth
from ..shared.camera import Camera, facing, intrinsics
from .processes import for_each_seed
from .sample_cache import is_saved, save_samples

PLACES = 3
"""Places aside of a photo that may remember it."""
FINER = 1.5
"""Sides of what is seen from aside, in the photo's: what is fetched twice is blurred twice."""
NEAREST, FARTHEST = 0.03, 0.3
"""Metres aside for a metre to the photo's middle."""
SMALLEST_PART = 0.6
"""Least part of a photo's shorter side that a crop of it has."""


def fill_with_photos(
    folder: Path, photos: Sequence[np.ndarray], size: int, count: int, processes: int = 1
) -> Iterator[int]:
    """Write `count` samples of each photo, (H, W, 3) uint8; yields its number when it is done.
    Those that are there already are passed over."""
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_fill, folder, photos, size, count)
    yield from for_each_seed(work, range(len(photos)), processes)


def _fill(folder: Path, photos: Sequence[np.ndarray], size: int, count: int, number: int) -> None:
    name = f"photo-{number:05d}"
    if is_saved(folder, name, count):
        return
    samples = photo_samples(photos[number], load_depth("embedded"), size, count, number)
    for _ in save_samples(folder, name, samples):
        pass


def photo_samples(
    photo: np.ndarray, estimator: DepthEstimator, size: int, count: int, seed: int
) -> Iterator[Sample]:
    """`count` samples whose truth is a square crop, `size` pixels a side, of (H, W, 3) uint8."""
    rng = np.random.default_rng([seed, 7])
    for number in range(count):
        taken = _taken(photo, estimator, size, rng)
        asides = [_from_aside(taken, rng, f"{number:02d}-{i}") for i in range(PLACES)]
        used = int(rng.integers(1, PLACES + 1))
        frames = [taken, *asides]
        world = SampleWorld.draw(frames, list(range(1, used + 1)), False, seed * 64 + number)
        yield world.sample(taken, seed * 64 + number)


def _taken(
    photo: np.ndarray, estimator: DepthEstimator, size: int, rng: np.random.Generator
) -> PosedFrame:
    """A crop of a photo as if taken so, with its estimated depth."""
    height, width = photo.shape[:2]
    side = int(rng.uniform(SMALLEST_PART, 1) * min(height, width))
    x, y = (int(rng.integers(0, room - side + 1)) for room in (width, height))
    crop = photo[y : y + side, x : x + side]
    rgb = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    c2w = np.eye(4)
    c2w[:3, :3], c2w[2, 3] = facing(0, rng.normal(-0.08, 0.1)), 1.6
    camera = Camera(intrinsics(math.radians(rng.uniform(40, 75)), size, size), c2w, size, size)
    return PosedFrame(camera, rgb, estimator.estimate(rgb, camera).depth, "photo")


def _from_aside(taken: PosedFrame, rng: np.random.Generator, name: str) -> PosedFrame:
    """What is seen of a photo from another place: colour and depth, 0 = nothing."""
    assert taken.depth is not None
    memory = to_memory(taken, name)
    camera = _aside(taken.camera, taken.depth, rng)
    images = MemoryImages([memory])
    drawn = render_points(PointCloud(lift(memory)), camera).depth
    sampled = sample_memory(images, [0], camera, drawn)
    seen = usable(sampled.weight) > 0.5
    depth = torch.where(seen, torch.where(sampled.sky, torch.inf, drawn), 0.0)
    rgb = (sampled.rgb * seen[..., None] * 255).round().clamp(0, 255).to(torch.uint8)
    return PosedFrame(camera, rgb.numpy(), depth.numpy().astype(np.float32), name)


def _aside(camera: Camera, depth: np.ndarray, rng: np.random.Generator) -> Camera:
    """Another camera that looks about where this one does."""
    surface = depth[np.isfinite(depth) & (depth > 0)]
    away = float(np.median(surface)) if len(surface) else 10.0
    angle, part = rng.uniform(0, 2 * math.pi), rng.uniform(NEAREST, FARTHEST)
    # to a side rather than up, and some of it forward or back
    moved = np.array([math.cos(angle), 0.3 * math.sin(angle), rng.normal(0, 0.4)]) * part * away
    turn = -0.8 * math.atan2(moved[0], away) + rng.normal(0, 0.03)
    cos, sin = math.cos(turn), math.sin(turn)
    c2w = camera.c2w.copy()
    c2w[:3, 3] += c2w[:3, :3] @ moved
    c2w[:3, :3] = c2w[:3, :3] @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    side = round(FINER * camera.width)
    return replace(camera.resized(side, side), c2w=c2w)
