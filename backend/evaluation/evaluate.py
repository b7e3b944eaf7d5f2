# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures anything that makes frames against posed pictures of a scene.

Some frames of a data set are the references: the world's memory, and the only source of colour.
Every other frame is a target. Geometry comes from the references' depth alone, or ("all") from
every frame's, as with an artist's proxy scene.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..conditioning.anchors.lifting import lift
from ..data.nerfstudio import PosedFrame
from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.frame import FrameReply, MemoryFrame
from ..shared.world import World
from . import metrics
from .baselines import BASELINES, BaselineRenderer, Made
from .features import FeatureMeter

GEOMETRIES = ("references", "all")
OURS = "model"
FIGURES = (
    "psnr",
    "ssim",
    "psnr_holes",
    "feature_distance",
    "feature_distance_holes",
    "grain",
    "grain_truth",
    "gradient_holes",
    "gradient_holes_truth",
    "gradient_ratio_holes",
    "coverage",
    "warp_error",
    "warp_error_truth",
)
"""What is measured of every target; None where a target cannot say. Grain is that of patches that
are flat in the truth."""
Predict = Callable[[World, Camera, int], "np.ndarray | FrameReply"]
"""(world, camera, seed) -> (H, W, 3) uint8, or a FrameReply whose timings are kept."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """`metrics`: what metrics.json holds. `pictures`: per target, name -> (H, W, 3) uint8, with
    "truth" first, then the baselines, the ablations by their names, "model" (what `predict` gave)
    and "coverage"."""

    metrics: dict[str, Any]
    pictures: list[dict[str, np.ndarray]]


def spread(count: int, total: int) -> list[int]:
    """`count` indices spread evenly over `total` frames, the middle one when it is 1."""
    if not 1 <= count < total:
        raise InputError(
            f"{count} references cannot be chosen from {total} frames; "
            "at least one is needed, and one frame must be left to compare with."
        )
    return [int((i + 0.5) * total / count) for i in range(count)]


def evaluation_world(
    frames: Sequence[PosedFrame], references: Sequence[int], geometry: str
) -> World:
    """The world that the references (and with "all" everybody's depth) make.

    The points of other frames are geometry alone, without colours.
    """
    _check_references(frames, references, geometry)
    memory = [_memory_frame(frames[i], i) for i in references]
    parts = [lift(frame) for frame in memory if frame.depth is not None]
    if geometry == "all":
        for i, frame in enumerate(frames):
            if i not in references and frame.depth is not None:
                parts.append(lift(_memory_frame(frame, i)).uncoloured())
    return World(Anchors.concatenate(parts), memory, 1, {"source": "evaluation"})


def evaluate(
    frames: Sequence[PosedFrame],
    references: Sequence[int],
    geometry: str,
    predict: Predict | None,
    baselines: Sequence[str] = BASELINES,
    *,
    ablations: Mapping[str, Predict] | None = None,
    features: FeatureMeter | None = None,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Predicts every frame of `frames` that is not a reference and measures it.

    references: indices into `frames`. geometry: one of GEOMETRIES. predict: None measures the
    baselines alone. ablations: the same with less of memory, measured beside it; no baselines,
    since they are models of ours. features: measures feature distance, if any. progress is called
    once a target. Raises InputError for references that do not exist or have no depth.
    """
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown or geometry not in GEOMETRIES:
        raise InputError(
            f"'{(unknown or [geometry])[0]}' is not known; baselines are {', '.join(BASELINES)} "
            f"and geometry is {' or '.join(GEOMETRIES)}."
        )
    world = evaluation_world(frames, references, geometry)
    targets = [frame for i, frame in enumerate(frames) if i not in references]
    holes = [_holes(target, world.memory) for target in targets]
    ours = dict(ablations or {})
    if predict is not None:
        ours[OURS] = predict
    made = _render_all(targets, world, baselines, ours, seed, progress)
    scores = _score_all(made, targets, holes, features)
    results: dict[str, Any] = {
        "references": list(references),
        "geometry": geometry,
        "seed": seed,
        "size": [targets[0].camera.width, targets[0].camera.height],
    }
    results |= scores.pop(OURS, {})
    if ablations:
        results["ablations"] = {name: scores.pop(name) for name in ablations}
    results["baselines"] = scores
    return Evaluation(results, _pictures(targets, holes, made))


def _render_all(
    targets: Sequence[PosedFrame],
    world: World,
    baselines: Sequence[str],
    ours: Mapping[str, Predict],
    seed: int,
    progress: Callable[[], None],
) -> dict[str, list[Made]]:
    """Every method's picture of every target."""
    classical = BaselineRenderer(world) if baselines else None
    made: dict[str, list[Made]] = {name: [] for name in (*baselines, *ours)}
    for target in targets:
        if classical is not None:
            pictures = classical.render(target.camera)
            for name in baselines:
                made[name].append(pictures[name])
        for name, method in ours.items():
            made[name].append(_predicted(method, world, target.camera, seed))
        progress()
    return made


def _score_all(
    made: Mapping[str, list[Made]],
    targets: list[PosedFrame],
    holes: list[np.ndarray | None],
    features: FeatureMeter | None,
) -> dict[str, dict[str, Any]]:
    """Of each method: what is measured of each target, and the mean."""
    true = [features.levels(target.rgb) for target in targets] if features is not None else []
    scores = {}
    for name, pictures in made.items():
        entries = _score(pictures, targets, holes)
        if features is not None:
            _score_features(entries, features, pictures, true, holes)
        scores[name] = {"targets": entries, "mean": _mean(entries)}
    return scores


def _check_references(
    frames: Sequence[PosedFrame], references: Sequence[int], geometry: str
) -> None:
    wrong = [i for i in references if not 0 <= i < len(frames)]
    if wrong or not references:
        raise InputError(
            f"Reference {wrong[0] if wrong else '(none)'} does not exist; "
            f"choose from 0 to {len(frames) - 1}, the order of transforms.json."
        )
    if len(set(references)) != len(references) or len(references) >= len(frames):
        raise InputError("Name each reference once, and leave at least one frame to compare with.")
    if geometry == "references":
        bare = [frames[i].name for i in references if frames[i].depth is None]
        if bare:
            raise InputError(
                f"Frame '{bare[0]}' has no depth, so it cannot be a reference; give it a "
                "depth_file_path in transforms.json or choose other references."
            )
    elif all(frame.depth is None for frame in frames):
        raise InputError(
            "No frame of the data set has depth; add depth_file_path to its transforms.json."
        )


def _memory_frame(frame: PosedFrame, number: int) -> MemoryFrame:
    return MemoryFrame(f"{number:04d}", frame.name, frame.camera, frame.rgb, frame.depth)


def _holes(target: PosedFrame, memory: list[MemoryFrame]) -> np.ndarray | None:
    """(H, W) bool: surfaces that no reference saw, by everybody's true depth."""
    if target.depth is None:
        return None
    hole = target.depth > 0
    for reference in memory:
        if reference.depth is not None:
            hole &= ~metrics.seen(target.camera, target.depth, reference.camera, reference.depth)
    return hole


def _predicted(predict: Predict, world: World, camera: Camera, seed: int) -> Made:
    start = time.perf_counter()
    answer = predict(world, camera, seed)
    total = (time.perf_counter() - start) * 1000
    if isinstance(answer, FrameReply):
        return Made(answer.rgb, {**answer.timings, "total": total})
    return Made(answer, {"total": total})


def _score(
    made: list[Made], targets: list[PosedFrame], holes: list[np.ndarray | None]
) -> list[dict[str, Any]]:
    """Each target's figures of one method."""
    entries = []
    for i, (picture, target, hole) in enumerate(zip(made, targets, holes, strict=True)):
        entry: dict[str, Any] = {"name": target.name, **dict.fromkeys(FIGURES)}
        entry["psnr"] = metrics.psnr(picture.rgb, target.rgb)
        entry["ssim"] = metrics.ssim(picture.rgb, target.rgb)
        flat = metrics.flat_patches(target.rgb)
        entry["grain"] = metrics.grain(picture.rgb, flat)
        entry["grain_truth"] = metrics.grain(target.rgb, flat)
        if hole is not None and target.depth is not None:
            entry |= _score_holes(picture.rgb, target.rgb, target.depth > 0, hole)
        if i + 1 < len(targets):
            pair = (picture.rgb, made[i + 1].rgb)
            entry |= _score_motion(pair, (target, targets[i + 1]))
        entries.append(entry | {"ms": picture.ms})
    return entries


def _score_features(
    entries: list[dict[str, Any]],
    features: FeatureMeter,
    made: list[Made],
    true: list[list[torch.Tensor]],
    holes: list[np.ndarray | None],
) -> None:
    """Adds feature distances to one method's figures."""
    for entry, picture, levels, hole in zip(entries, made, true, holes, strict=True):
        ours = features.levels(picture.rgb)
        entry["feature_distance"] = features.distance(ours, levels)
        if hole is not None:
            entry["feature_distance_holes"] = features.distance(ours, levels, hole)


def _score_holes(
    picture: np.ndarray, truth: np.ndarray, known: np.ndarray, hole: np.ndarray
) -> dict[str, float | None]:
    mine = metrics.mean_gradient(picture, hole)
    true = metrics.mean_gradient(truth, hole)
    return {
        "psnr_holes": metrics.psnr(picture, truth, hole),
        "gradient_holes": mine,
        "gradient_holes_truth": true,
        "gradient_ratio_holes": mine / true if mine is not None and true else None,
        "coverage": float(1 - hole[known].mean()) if known.any() else None,
    }


def _score_motion(
    pictures: tuple[np.ndarray, np.ndarray], targets: tuple[PosedFrame, PosedFrame]
) -> dict[str, float | None]:
    before, after = (target.depth for target in targets)
    if before is None or after is None:
        return {}
    depths = (before, after)
    cameras = (targets[0].camera, targets[1].camera)
    return {
        "warp_error": metrics.warp_error(*pictures, cameras, depths),
        "warp_error_truth": metrics.warp_error(targets[0].rgb, targets[1].rgb, cameras, depths),
    }


def _mean(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean of each figure over the targets that have it; the gradients' ratio is that of means."""
    mean: dict[str, Any] = {}
    for key in FIGURES:
        values = [entry[key] for entry in entries if entry[key] is not None]
        mean[key] = float(np.mean(values)) if values else None
    if mean["gradient_holes_truth"]:
        mean["gradient_ratio_holes"] = mean["gradient_holes"] / mean["gradient_holes_truth"]
    mean["ms"] = {
        stage: float(np.mean([entry["ms"][stage] for entry in entries if stage in entry["ms"]]))
        for stage in dict.fromkeys(stage for entry in entries for stage in entry["ms"])
    }
    return mean


def _pictures(
    targets: list[PosedFrame], holes: list[np.ndarray | None], made: dict[str, list[Made]]
) -> list[dict[str, np.ndarray]]:
    rows = []
    for i, (target, hole) in enumerate(zip(targets, holes, strict=True)):
        row = {"truth": target.rgb} | {name: pictures[i].rgb for name, pictures in made.items()}
        if hole is not None:
            seen = np.where(hole, 0, 255).astype(np.uint8)
            row["coverage"] = np.repeat(seen[..., None], 3, axis=2)
        rows.append(row)
    return rows
