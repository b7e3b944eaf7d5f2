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
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from backend.pipelines.lit_seam import LitPipeline, load_lit_pipeline
from backend.shared.camera import Camera
from backend.shared.frame import FrameReply, FrameRequest, MemoryFrame
from backend.shared.moment import Moment
from backend.shared.world import World

from .figures import Made, measure, order_pictures, race, table, write_sheet
from .folder import DisplayOrders, SceneFolder, View

MODES = ("none", "1", "2", "3")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what render.py wrote")
    parser.add_argument("--blender-python", type=Path, default=Path(".venv-blender/bin/python"))
    parser.add_argument("--only", default="", help="names of scenes, with commas")
    parser.add_argument("--modes", default=",".join(MODES), help="of: none, 1, 2, 3, network")
    parser.add_argument("--film", action="store_true", help="and how steady films are")
    parser.add_argument("--race", action="store_true", help="a table of time against quality")
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
    results = _known(options.folder / "metrics.json")
    for scene in folders:
        try:
            made = _render(pipeline, scene, modes, options.film)
            orders = DisplayOrders(options.blender_python)
            order_pictures(scene, made, orders)
            orders.fulfil()
            results[scene.name] = measure(scene, made)
            write_sheet(scene, made, results[scene.name])
        except Exception as error:  # one scene's fault must not hide the others' figures
            results[scene.name] = {"error": f"{type(error).__name__}: {error}"}
            print(f"{scene.name}: {results[scene.name]['error']}", file=sys.stderr)
        _keep(options.folder / "metrics.json", results)
    done = {scene.name: results[scene.name] for scene in folders}
    if options.json:
        print(json.dumps(done, indent=1))
    else:
        print(race(done) if options.race else table(done, modes))
    return 1 if any("error" in result for result in done.values()) else 0


def _known(file: Path) -> dict[str, Any]:
    """Figures of scenes that were compared before."""
    return json.loads(file.read_text(encoding="utf-8"))["scenes"] if file.is_file() else {}


def _keep(file: Path, results: dict[str, Any]) -> None:
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps({"scenes": results}, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, file)


def _render(
    pipeline: LitPipeline, scene: SceneFolder, modes: list[str], film: bool
) -> dict[tuple[str, str], Made]:
    """(mode, view) -> what was made; modes that want more memory than there is are left out."""
    memory = [_memory_frame(scene, view) for view in scene.views("memory") if view.truth]
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


def _memory_frame(scene: SceneFolder, view: View) -> MemoryFrame:
    truth, then = view.truth_picture(), scene.world(view.world).scene
    deforming = set() if then is None else {one.key for one in then.instances}
    moment = None if then is None else Moment.of(then, deforming)
    radiance = np.clip(truth.color, -65504, 65504).astype(np.float16)
    return MemoryFrame(
        view.name, view.name, view.camera, depth=truth.depth, radiance=radiance, moment=moment
    )


def _frame(
    pipeline: LitPipeline, prepared: tuple[str, Any, float], camera: Camera, mode: str
) -> Made:
    kind = {"none": "anchors", "network": "full"}.get(mode, "lit")
    began, busy = time.perf_counter(), time.process_time()
    reply: FrameReply = pipeline.render(prepared[1], FrameRequest(camera, mode=kind))
    spent, worked = time.perf_counter() - began, time.process_time() - busy
    ms = {"prepare": round(prepared[2], 1), "frame": round(1e3 * spent, 1)}
    ms["processors"] = round(1e3 * worked, 1)
    ms |= {stage: round(value, 1) for stage, value in reply.timings.items()}
    alpha = None if reply.alpha is None else reply.alpha.astype(np.float32)
    return Made(reply.color.astype(np.float32), alpha, reply.depth, ms)


if __name__ == "__main__":
    sys.exit(main())
