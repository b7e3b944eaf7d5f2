# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame model trained on for one world: its own memory frames, each left out in turn.

Some frames are never trained on, neither as targets nor as memory; how well they are foretold from
the others, before and after, decides whether what was learnt is kept.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from ..data.nerfstudio import PosedFrame
from ..models.feature_net import SMALLEST, FeatureNet, feature_distance
from ..models.frame_model import TOKEN_STRIDE, FrameModel
from ..pipelines.embedded import FramePipeline
from ..pipelines.schedulers import alphas_cumprod
from ..shared.errors import InputError
from ..shared.frame import FrameRequest, MemoryFrame
from ..shared.world import World
from .batches import collate, crop_sample, mirror_sample
from .generation import generate, memory_tokens
from .losses import picture_distance
from .samples import Sample, SampleWorld, to_memory, world_anchors

LONGEST = 320
"""Pixels of a frame's longer side; larger ones are scaled down to learn from and to measure."""
FEWEST_FRAMES = 4
MEASURED = 5
"""Of so many frames one is for measuring."""
MOST_MEASURED = 8
REFERENCES = 4
"""Memory frames of a sample."""
NEIGHBOURS = 8
"""Nearest frames that they are drawn from."""
CROP, BATCH = 128, 4
LEARNING_RATE, WARM_UP, KEPT_AVERAGE = 5e-5, 20, 0.98
MAKING = 0.3
"""Part of the time in which samples may be made."""
HOLE_GAIN, FEATURE_WEIGHT = 2.0, 0.3
ENOUGH_PSNR, WORSE_FEATURES = 0.05, 1.01
"""Decibels that a kept adaptation has to gain, and by how much features may be farther off."""

Tell = Callable[[str, float], None]
"""(what is done, part of all that is done)"""


@dataclass(frozen=True)
class Closeness:
    """How well measured frames are foretold, means. psnr: dB. features: see `feature_distance`;
    None where the network is not here or frames are too small."""

    psnr: float
    features: float | None


@dataclass(frozen=True)
class Adaptation:
    """What came of it. trained, measured: names of the frames."""

    before: Closeness
    after: Closeness
    iterations: int
    trained: tuple[str, ...]
    measured: tuple[str, ...]

    @property
    def better(self) -> bool:
        """Whether frames that were not trained on are foretold better."""
        gained = self.after.psnr - self.before.psnr >= ENOUGH_PSNR
        if self.before.features is None or self.after.features is None:
            return gained
        return gained and self.after.features <= WORSE_FEATURES * self.before.features

    def report(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"better": self.better}


def adapt(
    world: World,
    model: FrameModel,
    device: torch.device,
    minutes: float,
    *,
    features: FeatureNet | None = None,
    least_iterations: int = 1,
    seed: int = 0,
    tell: Tell = lambda what, share: None,
) -> tuple[FrameModel, Adaptation]:
    """The model as it is after `minutes` of training on the world, and what that was worth.

    model stays as it is. Raises InputError for a world that has nothing to learn from.
    """
    frames = _frames(world)
    trained, measured = _divided(frames)
    if features is not None:
        features = features.to(device)
    tell("Measuring", 0.0)
    before = _closeness(model, device, trained, measured, features)
    learner = copy.deepcopy(model).train().requires_grad_(True)
    nn.Module.to(learner, device, torch.float32)  # ModelMixin.to() warns of casts
    began = time.monotonic()
    until = began + 60 * minutes
    samples = []
    for sample in _samples(trained, seed):
        samples.append(sample)
        spent = (time.monotonic() - began) / (60 * minutes)
        tell("Looking at the frames", 0.05 + 0.9 * min(spent, MAKING))
        if spent > MAKING and len(samples) >= BATCH:
            break
    iterations = _train(learner, samples, features, until, minutes, least_iterations, seed, tell)
    tell("Measuring again", 0.95)
    after = _closeness(learner, device, trained, measured, features)
    names = (tuple(frame.name for frame in part) for part in (trained, measured))
    return learner.eval(), Adaptation(before, after, iterations, *names)


def _frames(world: World) -> list[PosedFrame]:
    if world.scene is not None:
        raise InputError(
            "This world's surfaces are lit without the model, so there is nothing to adapt; "
            "capture more memory frames instead."
        )
    usable = [f for f in world.memory if f.enabled and f.depth is not None and (f.depth > 0).any()]
    if len(usable) < FEWEST_FRAMES:
        raise InputError(
            f"Adapting needs at least {FEWEST_FRAMES} memory frames with depth, and this world has "
            f"{len(usable)}; add more."
        )
    return [_scaled(frame) for frame in usable]


def _scaled(frame: MemoryFrame) -> PosedFrame:
    camera, rgb, depth = frame.camera, frame.rgb, frame.depth
    assert depth is not None
    scale = LONGEST / max(camera.width, camera.height)
    if scale < 1:
        sides = (camera.width, camera.height)
        width, height = (max(TOKEN_STRIDE, round(side * scale)) for side in sides)
        camera = camera.resized(width, height)
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        depth = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST)
    return PosedFrame(camera, rgb, depth, frame.name)


def _divided(frames: list[PosedFrame]) -> tuple[list[PosedFrame], list[PosedFrame]]:
    """Those to train on and those to measure by, which are spread evenly."""
    count = min(MOST_MEASURED, max(1, len(frames) // MEASURED))
    chosen = {int((i + 0.5) * len(frames) / count) for i in range(count)}
    return (
        [frame for i, frame in enumerate(frames) if i not in chosen],
        [frame for i, frame in enumerate(frames) if i in chosen],
    )


def _samples(frames: list[PosedFrame], seed: int) -> Iterator[Sample]:
    """Each frame as the target in turn, foretold from some of those about it; then once more."""
    rng = np.random.default_rng(seed)
    count = min(REFERENCES, len(frames) - 1)
    for turn in range(2):
        for target in rng.permutation(len(frames)):
            near = _nearest(frames, int(target))[:NEIGHBOURS]
            chosen = sorted(int(i) for i in rng.choice(near, count, replace=False))
            drawn = seed + turn * len(frames) + int(target)
            world = SampleWorld.draw(frames, chosen, False, drawn)
            yield world.sample(_whole_tokens(frames[target]), drawn)


def _nearest(frames: list[PosedFrame], target: int) -> list[int]:
    """The others, those that stand and look alike first."""
    here = frames[target].camera
    spread = max(
        float(np.median([np.linalg.norm(f.camera.position - here.position) for f in frames])), 1e-6
    )

    def apart(i: int) -> float:
        there = frames[i].camera
        step = np.linalg.norm(there.position - here.position) / spread
        turn = 1 - float(there.c2w[:3, 2] @ here.c2w[:3, 2])
        return float(step + 2 * turn)

    return sorted((i for i in range(len(frames)) if i != target), key=apart)


def _whole_tokens(frame: PosedFrame) -> PosedFrame:
    """The frame without what its right and lower edge have beyond whole tokens."""
    camera = frame.camera
    width, height = (s // TOKEN_STRIDE * TOKEN_STRIDE for s in (camera.width, camera.height))
    assert frame.depth is not None
    if min(width, height) < TOKEN_STRIDE:
        raise InputError(f"The memory frame '{frame.name}' is too small to learn from; remove it.")
    return PosedFrame(
        camera.cropped(0, 0, width, height),
        np.ascontiguousarray(frame.rgb[:height, :width]),
        np.ascontiguousarray(frame.depth[:height, :width]),
        frame.name,
    )


def _train(
    model: FrameModel,
    samples: list[Sample],
    features: FeatureNet | None,
    until: float,
    minutes: float,
    least: int,
    seed: int,
    tell: Tell,
) -> int:
    """Trains until the clock says so, at least `least` iterations; leaves the averaged weights."""
    device = next(model.parameters()).device
    nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = min(CROP, *(size for sample in samples for size in sample.target.shape[-2:]))
    features = features if side >= SMALLEST else None
    rng = np.random.default_rng([seed, 1])
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    average = EMAModel(model.parameters(), decay=KEPT_AVERAGE, foreach=True)
    average.to(device)
    signal = alphas_cumprod().float().to(device)
    began, iteration = time.monotonic(), 0
    while time.monotonic() < until or iteration < least:
        left = max(0.0, (until - time.monotonic()) / max(until - began, 1e-6))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (iteration + 1) / WARM_UP) * max(0.1, left)
        chosen = [samples[i] for i in rng.integers(len(samples), size=BATCH)]
        loss = _loss(model, [_cut(sample, side, rng) for sample in chosen], features, signal)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(model.parameters())
        iteration += 1
        if not math.isfinite(loss.item()):
            raise InputError("The adaptation diverged; nothing was changed.")
        share = 1 - max(0.0, until - time.monotonic()) / (60 * minutes)
        tell(f"Learning, {iteration} iterations", min(0.95, 0.05 + 0.9 * share))
    average.copy_to(model.parameters())
    return iteration


def _cut(sample: Sample, side: int, rng: np.random.Generator) -> Sample:
    cut = crop_sample(replace(sample), side, rng)
    return mirror_sample(cut) if rng.random() < 0.5 else cut


def _loss(
    model: FrameModel, samples: list[Sample], features: FeatureNet | None, signal: torch.Tensor
) -> torch.Tensor:
    batch = collate(samples, model.head_dim).to(signal.device)
    hints = model.encode_hints(batch.hints)
    latent = generate(model, batch, hints, memory_tokens(model, batch), 1, signal)
    picture = model.decode(latent, hints, batch.base, batch.fill, batch.weight)
    weight = 1 + HOLE_GAIN * (1 - batch.weight)
    loss = picture_distance(picture, batch.target, batch.weight, weight)
    if features is not None:
        with torch.no_grad():
            true = features(batch.target)
        loss = loss + FEATURE_WEIGHT * feature_distance(features(picture), true, weight)
    return loss


@torch.no_grad()
def _closeness(
    model: FrameModel,
    device: torch.device,
    memory: list[PosedFrame],
    measured: list[PosedFrame],
    features: FeatureNet | None,
) -> Closeness:
    """How the pipeline foretells `measured` from `memory`, as a user would see it."""
    pipeline = FramePipeline(copy.deepcopy(model), "adapted", "0" * 12, device, torch.float32)
    remembered = [to_memory(frame, f"{i:04d}") for i, frame in enumerate(memory)]
    world = World(world_anchors(remembered, []), remembered, 1, {})
    prepared = pipeline.prepare(world)
    errors, distances = [], []
    for frame in measured:
        made = pipeline.render(prepared, FrameRequest(frame.camera)).rgb
        square = np.mean((made.astype(np.float64) - frame.rgb) ** 2)
        errors.append(10 * math.log10(255**2 / max(square, 1e-6)))
        if features is not None and min(frame.rgb.shape[:2]) >= SMALLEST:
            ours, true = (features.of_picture(rgb) for rgb in (made, frame.rgb))
            distances.append(feature_distance(ours, true).item())
    return Closeness(float(np.mean(errors)), float(np.mean(distances)) if distances else None)
