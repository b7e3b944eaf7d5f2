# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the model's frames are on procedural scenes that are made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.nerfstudio import PosedFrame
from ..data.synth import fly_path, make_scene, render_view
from ..serving.loading import ModelChoice, open_pipeline
from .bench import Figure
from .evaluate import evaluate, spread
from .predictor import PipelinePredictor
from .summary import best_baseline, summarise

SEED = 2_000_000_000
"""Far above the seeds that training uses."""
SCENES = ("interior", "street", "still_life")
FRAMES = 8
SIZE = 256


def bench_quality(model: str, device: str, scenes: Sequence[str] = SCENES) -> list[Figure]:
    """PSNR over the best baseline with one and three references, on one scene of each kind."""
    predict = PipelinePredictor(open_pipeline(ModelChoice(model, device)))
    runs: list[dict[str, Any]] = []
    for kind in scenes:
        frames = procedural_frames(kind, SEED, FRAMES, SIZE)
        for count in (1, 3):
            result = evaluate(frames, spread(count, FRAMES), "references", predict).metrics
            runs.append(result | {"dataset": kind})
    figures = []
    for group in summarise(runs):
        label = f"{group['references']} reference{'s' * (group['references'] > 1)}"
        figures.append(Figure(f"{label}, PSNR", group["model"]["psnr"], "dB"))
        for figure in ("psnr", "psnr_holes"):
            best = best_baseline(group["baselines"], figure)
            if best is not None and group["model"][figure] is not None:
                gain = group["model"][figure] - best[1]
                figures.append(Figure(f"{label}, {figure} above {best[0]}", gain, "dB"))
    return figures


def procedural_frames(kind: str, seed: int, count: int, size: int) -> list[PosedFrame]:
    """A flight through the procedural scene (kind, seed) as posed pictures with depth."""
    scene = make_scene(kind, seed)
    frames = []
    for i, camera in enumerate(fly_path(scene, 0, count, (size, size))):
        rgb, depth = render_view(scene, camera)
        picture = (rgb * 255).round().byte().numpy()
        frames.append(PosedFrame(camera, picture, depth.numpy().astype(np.float32), f"{i:04d}"))
    return frames
