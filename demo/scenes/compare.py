# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the product with Cycles on the scenes that render.py made: as displayed.

    python -m demo.scenes.compare outputs/scenes --blender-python .venv-blender/bin/python

Runs with the backend's Python. Leaves in the folder metrics.json, and in that of each scene
sheet.png (truth, what was made, differences times 4) and made/MODE/NAME.png; prints a table.
Modes: "none" (light alone), "1", "2", "3" (so many memory views), "network" (all of them, and the
frame model).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluation import metrics
from backend.evaluation.contact_sheet import contact_sheet, png_bytes
from backend.pipelines.lit_seam import LitPipeline, load_lit_pipeline
from backend.shared.camera import Camera
from backend.shared.frame import FrameReply, FrameRequest, MemoryFrame
from backend.shared.world import World

from .folder import DisplayOrders, SceneFolder, View

MODES = ("none", "1", "2", "3")
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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what render.py wrote")
    parser.add_argument("--blender-python", type=Path, default=Path(".venv-blender/bin/python"))
    parser.add_argument("--only", default="", help="names of scenes, with commas")
    parser.add_argument("--modes", default=",".join(MODES), help="of: none, 1, 2, 3, network")
    parser.add_argument("--no-film", action="store_true", help="leave out steadiness")
    parser.add_argument("--json", action="store_true", help="print metrics.json, no table")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    folders = SceneFolder.all_of(options.folder, options.only.split(",") if options.only else [])
    if not folders:
        print(
            f"Error: there are no scenes in '{options.folder}'; run demo.scenes.render first.",
            file=sys.stderr,
        )
        return 2
    pipeline = load_lit_pipeline()
    if pipeline is None:
        print("Error: surfaces cannot be lit on this system: Embree has no build.", file=sys.stderr)
        return 1
    modes = options.modes.split(",")
    results, made = {}, {}
    for scene in folders:
        try:
            made[scene.name] = _render(pipeline, scene, modes, not options.no_film)
        except Exception as error:  # one scene's fault must not hide the others' figures
            results[scene.name] = {"error": f"{type(error).__name__}: {error}"}
            print(f"{scene.name}: {results[scene.name]['error']}", file=sys.stderr)
    orders = DisplayOrders(options.blender_python)
    for scene in folders:
        if scene.name in made:
            _order(scene, made[scene.name], orders)
    orders.fulfil()
    for scene in folders:
        if scene.name in made:
            results[scene.name] = _measure(scene, made[scene.name])
            _sheet(scene, made[scene.name], results[scene.name])
    metrics_file = options.folder / "metrics.json"
    beside = metrics_file.with_suffix(".part")
    text = json.dumps({"modes": modes, "scenes": results}, indent=1)
    beside.write_text(text + "\n", encoding="utf-8")
    os.replace(beside, metrics_file)
    print(text if options.json else table(results, modes))
    return 0


# ------------------------------------------------------------------------------- frames


def _render(
    pipeline: LitPipeline, scene: SceneFolder, modes: list[str], film: bool
) -> dict[tuple[str, str], Made]:
    """(mode, view) -> what was made; modes that want more memory than there is are left out."""
    memory = [_memory_frame(view) for view in scene.views("memory") if view.truth]
    targets = [view for view in scene.views("target") if view.truth]
    shots = scene.views("film") if film else []
    made: dict[tuple[str, str], Made] = {}
    for mode in modes:
        count = len(memory) if mode == "network" else 0 if mode == "none" else int(mode)
        if count > len(memory):
            continue
        prepared: tuple[str, Any, float] = ("", None, 0.0)
        for view in [*targets, *(shots if mode in ("none", "2") else [])]:
            if (mode, view.name) in made:
                continue
            if prepared[0] != view.world:
                began = time.perf_counter()
                given = scene.world(view.world)
                world = World(given.anchors, memory[:count], 1, given.provenance, given.scene)
                ready = pipeline.prepare(world)
                prepared = view.world, ready, 1e3 * (time.perf_counter() - began)
            made[mode, view.name] = _frame(pipeline, prepared, view.camera, mode)
            print(f"{scene.name} {mode} {view.name} {made[mode, view.name].ms}", file=sys.stderr)
    return made


def _memory_frame(view: View) -> MemoryFrame:
    truth = view.truth_picture()
    radiance = np.clip(truth.color, -65504, 65504).astype(np.float16)
    return MemoryFrame(view.name, view.name, view.camera, depth=truth.depth, radiance=radiance)


def _frame(
    pipeline: LitPipeline, prepared: tuple[str, Any, float], camera: Camera, mode: str
) -> Made:
    kind = {"none": "anchors", "network": "full"}.get(mode, "lit")
    began = time.perf_counter()
    reply: FrameReply = pipeline.render(prepared[1], FrameRequest(camera, mode=kind))
    spent = 1e3 * (time.perf_counter() - began)
    ms = {"prepare": round(prepared[2], 1), "frame": round(spent, 1)}
    ms |= {stage: round(value, 1) for stage, value in reply.timings.items()}
    alpha = None if reply.alpha is None else reply.alpha.astype(np.float32)
    return Made(reply.color.astype(np.float32), alpha, reply.depth, ms)


def _order(scene: SceneFolder, made: dict[tuple[str, str], Made], orders: DisplayOrders) -> None:
    for (mode, name), one in made.items():
        one.file = scene.path / "made" / mode / f"{name}.png"
        orders.add(one.file, one.color, scene.display)
    for view in scene.all_views:
        for file, picture in view.truth_files():
            shown = scene.shown_truth(file)
            orders.add(shown, picture.color, scene.display)


# ------------------------------------------------------------------------------- figures


def _measure(scene: SceneFolder, made: dict[tuple[str, str], Made]) -> dict[str, Any]:
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
            stage: _mean([entry["ms"].get(stage) for entry in entries])
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


def _sheet(scene: SceneFolder, made: dict[tuple[str, str], Made], figures: dict[str, Any]) -> None:
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


def _mean_of(results: list[dict[str, Any]], mode: str) -> float | None:
    return _mean([r["modes"].get(mode, {}).get("mean", {}).get("psnr") for r in results])


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


def read_png(file: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"'{file}' is no picture; run the comparison again.")
    return np.ascontiguousarray(picture[..., ::-1])


if __name__ == "__main__":
    sys.exit(main())
