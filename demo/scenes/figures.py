# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison finds of a scene: figures, a table, a sheet."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.evaluation import metrics
from backend.evaluation.contact_sheet import contact_sheet, png_bytes

from .folder import DisplayOrders, SceneFolder, View, read_png

LOUDER = 4
"""What a sheet multiplies differences by."""


@dataclass(eq=False)
class Made:
    """One mode's frame of one view. ms: stage -> milliseconds."""

    color: np.ndarray
    alpha: np.ndarray | None
    depth: np.ndarray
    ms: dict[str, float]
    file: Path = field(default_factory=Path)

    @property
    def shown(self) -> np.ndarray:
        """(H, W, 3) uint8 as displayed."""
        return read_png(self.file)


def order_pictures(
    scene: SceneFolder, made: dict[tuple[str, str], Made], orders: DisplayOrders
) -> None:
    """Ask for all pictures of a scene as displayed."""
    for (mode, name), one in made.items():
        one.file = scene.path / "made" / mode / f"{name}.png"
        orders.add(one.file, one.color, scene.display)
    for view in scene.all_views:
        for file, picture in view.truth_files():
            shown = scene.shown_truth(file)
            orders.add(shown, picture.color, scene.display)


def measure(scene: SceneFolder, made: dict[tuple[str, str], Made]) -> dict[str, Any]:
    """All figures of a scene whose pictures are displayed."""
    transparent = scene.display["transparent"]
    found: dict[str, Any] = {"modes": {}, "problems": scene.problems}
    targets = [view for view in scene.views("target") if view.truth]
    for mode in dict.fromkeys(mode for mode, _ in made):
        entries = [
            _score(scene, view, made[mode, view.name], transparent)
            for view in targets
            if (mode, view.name) in made
        ]
        mean = {
            key: _mean([entry[key] for entry in entries])
            for key in entries[0]
            if key not in ("name", "ms")
        }
        mean["ms"] = {
            stage: _median([entry["ms"].get(stage) for entry in entries])
            for stage in entries[0]["ms"]
        }
        mean |= _steadiness(scene, made, mode)
        found["modes"][mode] = {"targets": entries, "mean": mean}
    found["cycles"] = _curve(scene, targets)
    return found


def _score(scene: SceneFolder, view: View, one: Made, transparent: bool) -> dict[str, Any]:
    truth_file = view.file(view.truth)
    truth, shown = read_png(scene.shown_truth(truth_file)), one.shown
    flat = metrics.flat_patches(truth)
    entry: dict[str, Any] = {
        "name": view.name,
        "psnr": metrics.psnr(shown, truth),
        "ssim": metrics.ssim(shown, truth),
        "psnr_alpha": None,
        "brightness": _brightness(one.color, view.truth_picture().color),
        "grain": metrics.grain(shown, flat),
        "grain_truth": metrics.grain(truth, flat),
        "ms": one.ms,
    }
    if transparent and one.alpha is not None:
        alpha = [np.rint(255 * np.clip(a, 0, 1)) for a in (one.alpha, view.truth_picture().alpha)]
        entry["psnr_alpha"] = metrics.psnr(*alpha)
    return entry


def _brightness(color: np.ndarray, truth: np.ndarray) -> float:
    """Mean light of a picture over that of its truth."""
    return float(color.mean(dtype=np.float64) / max(truth.mean(dtype=np.float64), 1e-9))


def _steadiness(
    scene: SceneFolder, made: dict[tuple[str, str], Made], mode: str
) -> dict[str, float | None]:
    """Warp error over the film, of what stands still; the truth's where it was rendered."""
    shots = [view for view in scene.views("film") if (mode, view.name) in made]
    if len(shots) < 2 or len({view.world for view in shots}) > 1:
        return {"warp_error": None, "warp_error_truth": None}
    errors: list[float | None] = []
    true: list[float | None] = []
    for a, b in itertools.pairwise(shots):
        one, other = made[mode, a.name], made[mode, b.name]
        where = (a.camera, b.camera), (one.depth, other.depth)
        errors.append(metrics.warp_error(one.shown, other.shown, *where))
        if a.truth and b.truth:
            files = [scene.shown_truth(view.file(view.truth)) for view in (a, b)]
            true.append(metrics.warp_error(*map(read_png, files), *where))
    return {"warp_error": _mean(errors), "warp_error_truth": _mean(true)}


def _curve(scene: SceneFolder, targets: list[View]) -> dict[str, dict[str, float | None]]:
    """Samples -> PSNR and seconds a frame of Cycles with its denoiser."""
    found: dict[str, dict[str, float | None]] = {}
    for samples in dict.fromkeys(s for view in targets for s in view.curve):
        scores, seconds = [], []
        for view in targets:
            if samples in view.curve:
                name, spent = view.curve[samples]
                truth = read_png(scene.shown_truth(view.file(view.truth)))
                few = read_png(scene.shown_truth(view.file(name)))
                scores.append(metrics.psnr(few, truth))
                seconds.append(spent)
        found[samples] = {"psnr": _mean(scores), "seconds": _mean(seconds)}
    return found


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 5) if known else None


def _median(values: list[float | None]) -> float | None:
    """Not the mean: the first frame of a process compiles what the others use."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def write_sheet(
    scene: SceneFolder, made: dict[tuple[str, str], Made], figures: dict[str, Any]
) -> None:
    """sheet.png of a scene: a row a target, and each mode's difference from the truth."""
    rows, captions = [], []
    for view in scene.views("target"):
        if not view.truth:
            continue
        truth = read_png(scene.shown_truth(view.file(view.truth)))
        row, caption = {f"{view.name} truth": truth}, {}
        last = None
        for mode, results in figures["modes"].items():
            entry = next((e for e in results["targets"] if e["name"] == view.name), None)
            if entry is not None and mode in ("none", "2", "3", "network"):
                row[mode] = last = made[mode, view.name].shown
                caption[mode] = f"{entry['psnr']:.1f} dB, light x{entry['brightness']:.2f}"
                far = np.abs(last.astype(np.int16) - truth) * LOUDER
                row[f"{mode} difference x{LOUDER}"] = np.clip(far, 0, 255).astype(np.uint8)
        rows.append(row)
        captions.append(caption)
    target = scene.path / "sheet.png"
    beside = target.with_suffix(".part")
    beside.write_bytes(png_bytes(contact_sheet(rows, captions)))
    os.replace(beside, target)


def table(results: dict[str, Any], modes: list[str]) -> str:
    """Figures of all scenes as text: dB of each mode, then the rest of light alone."""
    head = f"{'dB as displayed':<18}" + "".join(f"{mode:>9}" for mode in modes)
    head += f"{'light x':>9}{'grain':>7}{'truth':>7}{'alpha':>7}{'warp':>8}{'ms':>7}{'prepare':>9}"
    curves = sorted({int(s) for r in results.values() for s in r.get("cycles", ())})
    head += "".join(f"{f'Cycles {s}':>10}" for s in curves)
    lines = [head]
    for name, result in results.items():
        if "error" in result:
            lines.append(f"{name:<18} {result['error']}")
            continue
        means = {mode: entry["mean"] for mode, entry in result["modes"].items()}
        line = f"{name:<18}"
        line += "".join(_cell(means.get(mode, {}).get("psnr"), 9, 1) for mode in modes)
        first = next(iter(means.values()))
        for key, width, digits in (
            ("brightness", 9, 2), ("grain", 7, 2), ("grain_truth", 7, 2), ("psnr_alpha", 7, 1),
            ("warp_error", 8, 4),
        ):  # fmt: skip
            line += _cell(first[key], width, digits)
        line += _cell(first["ms"]["frame"], 7, 0) + _cell(first["ms"]["prepare"], 9, 0)
        line += "".join(_cell(result["cycles"].get(str(s), {}).get("psnr"), 10, 1) for s in curves)
        lines.append(line)
    good = [r for r in results.values() if "error" not in r]
    if good:
        lines.append(f"{'mean':<18}" + "".join(_cell(_mean_of(good, m), 9, 1) for m in modes))
    return "\n".join(lines)


def race(results: dict[str, Any]) -> str:
    """What takes how long for which quality, one line each, and how much longer Cycles would take
    for the same quality; after how many frames that has paid for capturing memory, with as many
    samples as the slowest line."""
    lines = [f"{'':<30}{'dB':>7}{'s a frame':>11}{'Cycles for that':>17}{'pays after':>12}"]
    for name, result in results.items():
        curve = [(e["psnr"], e["seconds"], s) for s, e in result.get("cycles", {}).items()]
        known = sorted(one for one in curve if None not in one[:2])
        if len(known) < 2:
            continue
        for level, seconds, samples in known:
            lines.append(f"{f'{name}: Cycles, {samples} samples':<30}{level:>7.1f}{seconds:>11.2f}")
        for mode, entry in result["modes"].items():
            level, spent = entry["mean"]["psnr"], entry["mean"]["ms"]["frame"] / 1e3
            wanted = _seconds_for(level, known)
            line = f"{f'{name}: memory of {mode}':<30}{level:>7.1f}{spent:>11.2f}"
            line += f"{f'x {wanted / spent:.1f}':>17}"
            if mode != "network" and wanted > spent:  # that one has all there are, however many
                captured = max(one[1] for one in known) * (0 if mode == "none" else int(mode))
                line += f"{f'{captured / (wanted - spent):.0f} frames':>12}"
            lines.append(line)
    return "\n".join(lines)


def _seconds_for(level: float, curve: list[tuple[float, float, str]]) -> float:
    """Seconds that Cycles needs for a PSNR: between two counts of samples by the logarithm, beyond
    them those of the nearest. curve: (dB, seconds, samples), rising."""
    levels, seconds, _ = zip(*curve, strict=True)
    return float(np.exp(np.interp(level, levels, np.log(seconds))))


def _mean_of(results: list[dict[str, Any]], mode: str) -> float | None:
    return _mean([r["modes"].get(mode, {}).get("mean", {}).get("psnr") for r in results])


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"
