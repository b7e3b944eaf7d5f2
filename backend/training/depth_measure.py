# SPDX-License-Identifier: GPL-3.0-or-later
"""How far off the embedded depth estimator is on scenes it never saw, beside a flat guess."""

from __future__ import annotations

import random

import cv2
import numpy as np

from ..data.synth import KINDS
from ..models.depth import EmbeddedDepth, network_size
from ..models.depth_maps import held_to_room
from .depth_views import HELD_OUT_SEED, Sample, collate, resized, scene_samples

BACKDROPS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0)
LEAST_SOLID = 0.15
"""Share of a view that must show a surface for its depth to be measured."""


def flat_guess(directions: np.ndarray, backdrop: float) -> np.ndarray:
    """(H, W) log distance of the plain guess: a flat ground, and a backdrop at one distance."""
    down = np.maximum(-directions[..., 2], 1e-6)
    return np.log(np.minimum(1.0 / down, backdrop))


def aligned_error(guess: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Mean |log error| and mean relative error after the best single scale (the median).

    guess, truth: (H, W) logarithms of distance. valid: (H, W) bool.
    """
    difference = guess[valid] - truth[valid]
    difference = difference - np.median(difference)
    return float(np.abs(difference).mean()), float(np.abs(np.exp(difference) - 1).mean())


def held_out_samples(first: int, scenes: int, views: int) -> dict[str, list[list[Sample]]]:
    """Views of `scenes` scenes of every kind that are never trained on, the same at every call.

    They are the scenes from HELD_OUT_SEED + first on.
    """
    rng = random.Random(first)
    found: dict[str, list[list[Sample]]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for seed in range(HELD_OUT_SEED + first, HELD_OUT_SEED + first + scenes):
            samples = scene_samples(kind, seed, (128, 96), views, 1, rng)
            samples = [s for s in samples if (~s.sky).float().mean() > LEAST_SOLID]
            if samples:
                found[kind].append(samples)
    return found


def sample_errors(estimator: EmbeddedDepth, sample: Sample) -> np.ndarray:
    """(4 + 2 * len(BACKDROPS),) figures of the estimator and of the flat guesses.

    Aligned errors, error without alignment and share of right sky; then the flat guesses' errors.
    """
    height, width = sample.sky.shape
    small = resized(collate([sample]), network_size(width, height))
    rays = small.directions[0].permute(1, 2, 0).numpy()
    maps = estimator.predict(small.image, small.directions)
    maps, box = held_to_room(maps, rays, axis=0.0)
    maps = cv2.resize(maps, (width, height), interpolation=cv2.INTER_LINEAR)
    directions = sample.directions.permute(1, 2, 0).numpy()
    if box is not None:
        maps[..., 0] += box.log_distance(directions)
    distance, sky, truth = maps[..., 0], sample.sky.numpy(), sample.log_distance.numpy()
    unaligned = np.abs(distance - truth)[~sky].mean()
    flat = [aligned_error(flat_guess(directions, b), truth, ~sky) for b in BACKDROPS]
    own = (*aligned_error(distance, truth, ~sky), unaligned, ((maps[..., 2] > 0.5) == sky).mean())
    return np.array([*own, *np.array(flat).T.ravel()])


def evaluate(
    estimator: EmbeddedDepth, held_out: dict[str, list[list[Sample]]]
) -> dict[str, dict[str, float]]:
    """Means over scenes, for every kind and for all: the estimator, and the best flat guess.

    The flat guess is given the one backdrop distance that suits the scenes of the row best.
    """
    rows = {
        kind: [np.mean([sample_errors(estimator, s) for s in scene], axis=0) for scene in scenes]
        for kind, scenes in held_out.items()
        if scenes
    }
    rows["all"] = [row for of_kind in list(rows.values()) for row in of_kind]
    table = {}
    for kind, of_kind in rows.items():
        errors = np.array(of_kind)
        flat = errors[:, 4:].reshape(len(errors), 2, len(BACKDROPS))
        best = int(flat[:, 0].mean(axis=0).argmin())
        table[kind] = {
            "scenes": len(errors),
            "log_error": float(errors[:, 0].mean()),
            "relative_error": float(errors[:, 1].mean()),
            "log_error_unaligned": float(errors[:, 2].mean()),
            "sky_accuracy": float(errors[:, 3].mean()),
            "flat_log_error": float(flat[:, 0, best].mean()),
            "flat_relative_error": float(flat[:, 1, best].mean()),
            "flat_backdrop": BACKDROPS[best],
            "better_in": int((errors[:, 0] < flat[:, 0, best]).sum()),
        }
    return {kind: {k: round(v, 4) for k, v in row.items()} for kind, row in table.items()}
