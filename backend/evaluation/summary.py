# SPDX-License-Identifier: GPL-3.0-or-later
"""Several evaluations in one table, and which of the project's aims they reach.

The aims are those of the model card: with one reference the frame model is 1.5 dB above the best
baseline, with several 0.5 dB and in no scene below it; successive frames differ by at most a tenth
more than the truth's in the mean and three tenths in every scene; the gradients of what is invented
are within a third of the truth's in every scene, and flat patches have no more grain than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

GAIN_ONE = 1.5
GAIN_SEVERAL = 0.5
WARP_LIMIT = 1.1
WARP_LIMIT_SCENE = 1.3
GRAIN_LIMIT = 4 / 3
GRADIENT_LIMITS = (2 / 3, 4 / 3)


def summarise(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each geometry and number of references among `runs` (metrics.json contents
    with a "dataset"): means over scenes, the best baseline of each figure, and the aims."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["geometry"], len(run["references"])), []).append(run)
    return [_group(key, members) for key, members in sorted(groups.items())]


def _group(key: tuple[str, int], runs: list[dict[str, Any]]) -> dict[str, Any]:
    geometry, references = key
    baselines, ablations = (
        {name: _mean([run[kind][name]["mean"] for run in runs]) for name in runs[0].get(kind, ())}
        for kind in ("baselines", "ablations")
    )
    entry: dict[str, Any] = {
        "geometry": geometry,
        "references": references,
        "scenes": [run["dataset"] for run in runs],
        "baselines": baselines,
        "ablations": ablations,
    }
    if "mean" in runs[0]:
        entry["model"] = _mean([run["mean"] for run in runs])
        entry["aims"] = _aims(entry, runs)
    return entry


def _mean(means: list[dict[str, Any]]) -> dict[str, float | None]:
    result: dict[str, float | None] = {}
    for figure in means[0]:
        if figure == "ms":
            continue
        values = [mean[figure] for mean in means if mean[figure] is not None]
        result[figure] = float(np.mean(values)) if values else None
    ours, truth = result["gradient_holes"], result["gradient_holes_truth"]
    if ours is not None and truth:
        result["gradient_ratio_holes"] = ours / truth
    return result


def _aims(entry: dict[str, Any], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours, aims = entry["model"], []
    gain = GAIN_ONE if entry["references"] == 1 else GAIN_SEVERAL
    figures = ("psnr", "psnr_holes") if entry["references"] == 1 else ("psnr",)
    for figure in figures if entry["baselines"] else ():
        best = best_baseline(entry["baselines"], figure)
        if best is not None and ours[figure] is not None:
            aims.append(_aim(f"{figure} above {best[0]}", ours[figure] - best[1], (gain, None)))
    if entry["references"] > 1 and entry["baselines"]:
        margins = [margin for run in runs if (margin := _margin(run)) is not None]
        if margins:
            aims.append(_aim("psnr above the best baseline, worst scene", min(margins), (0, None)))
    if (ratio := _ratio(ours, "warp_error")) is not None:
        aims.append(_aim("warp error over the truth's", ratio, (None, WARP_LIMIT)))
    if (ratio := ours["gradient_ratio_holes"]) is not None:
        aims.append(_aim("gradient in holes over the truth's", ratio, GRADIENT_LIMITS))
    return aims + _aims_in_every_scene([run["mean"] for run in runs])


def _aims_in_every_scene(means: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the scene that is worst at each, where a figure may not only be good in the mean."""
    aims = []
    for name, figure, limits in (
        ("warp error", "warp_error", (None, WARP_LIMIT_SCENE)),
        ("gradient in holes", "gradient_holes", GRADIENT_LIMITS),
        ("grain of flat patches", "grain", (None, GRAIN_LIMIT)),
    ):
        of_scenes = (_ratio(mean, figure) for mean in means)
        ratios = [ratio for ratio in of_scenes if ratio is not None]
        for word, bound, pick in (("lowest", limits[0], min), ("highest", limits[1], max)):
            if ratios and bound is not None:
                only = (bound, None) if pick is min else (None, bound)
                aims.append(_aim(f"{name} over the truth's, {word} scene", pick(ratios), only))
    return aims


def _ratio(mean: dict[str, Any], figure: str) -> float | None:
    ours, truth = mean[figure], mean[f"{figure}_truth"]
    return ours / truth if ours is not None and truth else None


def best_baseline(
    baselines: dict[str, dict[str, float | None]], figure: str
) -> tuple[str, float] | None:
    """Name and value of the baseline whose mean `figure` is highest."""
    means = ((mean[figure], name) for name, mean in baselines.items())
    values = [(value, name) for value, name in means if value is not None]
    return (max(values)[1], max(values)[0]) if values else None


def _margin(run: dict[str, Any]) -> float | None:
    best = best_baseline({n: b["mean"] for n, b in run["baselines"].items()}, "psnr")
    return None if best is None else run["mean"]["psnr"] - best[1]


def _aim(name: str, value: float, limits: tuple[float | None, float | None]) -> dict[str, Any]:
    low, high = limits
    reached = (low is None or value >= low) and (high is None or value <= high)
    return {"aim": name, "value": value, "limits": list(limits), "reached": reached}
