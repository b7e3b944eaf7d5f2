# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the scenes, renders their truth with Cycles and writes what the backend is told of them.

    python -m demo.scenes.render --output outputs/scenes [--only cube,room] [--samples 64]

Runs with the bpy module. Leaves in OUTPUT/SCENE:

    scene.json          views (role, camera, frame, files, seconds), display settings, problems
    truth/NAME.exr      multilayer, scene-linear: Combined with alpha, Depth; by Cycles
    truth/NAME.png      the same as displayed
    worlds/STATE.json   the scene as the backend gets it, arrays in worlds/arrays/HASH.npy
    scene.blend         to look at

What Cycles rendered is kept while the scripts it came from stay the same.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
import shutil
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..leaving import leave_with
from . import checkout, pictures, stage
from .registry import SCENES, VALIDATION
from .stage import Shot, Stage

SAMPLES = 64
CURVE = (1, 2, 4, 8, 16, 32)
"""Samples of the table of quality against time."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("outputs/scenes"))
    parser.add_argument("--only", default="", help="names, with commas; all artist scenes without")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--size", default="", help="WxH in place of the scene's own")
    parser.add_argument("--curve", action="store_true", help="Cycles with few samples too")
    roles = "memory,target"
    parser.add_argument("--roles", default=roles, help="views to render: memory, target, film")
    parser.add_argument("--worlds-only", action="store_true", help="render nothing")
    parser.add_argument("--list", action="store_true", help="name all scenes")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    builders = SCENES | VALIDATION
    if options.list:
        print("\n".join(builders))
        return 0
    names = options.only.split(",") if options.only else list(SCENES)
    unknown = [name for name in names if name not in builders]
    if unknown:
        print(f"Error: there is no scene '{unknown[0]}'; --list names them.", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        try:
            _Scene(name, options).make()
        except Exception:
            traceback.print_exc()
            failed += 1
    return 1 if failed else 0


class _Scene:
    """One scene on its way into its folder."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.folder = options.output.resolve() / name
        builder = (SCENES | VALIDATION)[name]
        checkout.forget()
        self.stage: Stage = builder()
        self.scene = bpy.context.scene
        width, height = self.stage.size
        if options.size:
            width, height = map(int, options.size.split("x"))
        render = self.scene.render
        render.resolution_x, render.resolution_y = width, height
        render.resolution_percentage = 100
        self.digest = _digest(builder, options.samples, (width, height))

    def make(self) -> None:
        began = time.monotonic()
        truth = self.folder / "truth"
        kept = truth / "digest"
        if not kept.is_file() or kept.read_text() != self.digest:
            shutil.rmtree(truth, ignore_errors=True)
            truth.mkdir(parents=True)
            kept.write_text(self.digest)
        shutil.rmtree(self.folder / "worlds", ignore_errors=True)
        pictures.configure(self.scene)
        views, problems = [], []
        memory = [(shot, "memory") for shot in self.stage.memory]
        self._views(memory, "before" if self.stage.edit else "", views, problems)
        if self.stage.edit:
            self.stage.edit()
            bpy.context.view_layer.update()
        rest = [(shot, "target") for shot in self.stage.targets]
        rest += [(shot, "film") for shot in self.stage.film]
        self._views(rest, "", views, problems)
        bpy.ops.wm.save_as_mainfile(filepath=str(self.folder / "scene.blend"), copy=True)
        about = {
            "name": self.name,
            "size": [self.scene.render.resolution_x, self.scene.render.resolution_y],
            "display": pictures.display_settings(self.scene),
            "problems": sorted(set(problems)),
            "views": views,
        }
        _write_json(self.folder / "scene.json", about)
        print(f"{self.name}: {len(views)} views, {time.monotonic() - began:.1f} s", flush=True)
        for problem in about["problems"]:
            print(f"  {problem}", flush=True)

    def _views(
        self, shots: list[tuple[Shot, str]], state: str, views: list[dict], problems: list[str]
    ) -> None:
        cameras = []
        for shot, _ in shots:
            self._stand(shot)
            cameras.append(checkout.camera_of(self.scene))
        for (shot, role), camera in zip(shots, cameras, strict=True):
            self._stand(shot)
            made, said = checkout.read(bpy.context.evaluated_depsgraph_get())
            made = replace(made, viewpoints=tuple(cameras))
            problems += said
            view: dict[str, Any] = {
                "name": shot.name,
                "role": role,
                "frame": shot.frame,
                "camera": camera.to_json(),
                "clip": [self.scene.camera.data.clip_start, self.scene.camera.data.clip_end],
                "world": checkout.write(made, self.folder / "worlds"),
            }
            wanted = role in self.options.roles.split(",") and not self.options.worlds_only
            if wanted or self._truth_file(shot, state).is_file():
                view |= self._truth(shot, state)
            views.append(view)

    def _stand(self, shot: Shot) -> None:
        self.scene.camera = bpy.data.objects[shot.camera]
        self.scene.frame_set(shot.frame)

    def _truth_file(self, shot: Shot, state: str, samples: int = 0) -> Path:
        tail = f"-{state}" if state else ""
        tail += f"-{samples}" if samples else ""
        return self.folder / "truth" / f"{shot.name}{tail}.exr"

    def _truth(self, shot: Shot, state: str) -> dict[str, Any]:
        file = self._truth_file(shot, state)
        seconds = pictures.cycles(self.scene, file, self.options.samples)
        found: dict[str, Any] = {"truth": f"truth/{file.name}", "seconds": seconds}
        if self.options.curve and shot in self.stage.targets:
            found["curve"] = {}
            for samples in CURVE:
                file = self._truth_file(shot, state, samples)
                seconds = pictures.cycles(self.scene, file, samples)
                found["curve"][str(samples)] = [f"truth/{file.name}", seconds]
        return found


def _digest(builder: Any, samples: int, size: tuple[int, int]) -> str:
    """Of all that decides what Cycles renders."""
    made = hashlib.blake2b(digest_size=16)
    module = inspect.getmodule(getattr(builder, "func", builder))
    root = Path(__file__).resolve().parents[2]
    sources = [Path(module.__file__), Path(stage.__file__), Path(pictures.__file__)]
    sources += [root / "demo" / name for name in ("shapes.py", "textures.py")]
    if module.__name__.endswith("validation"):
        sources += sorted((root / "backend" / "data").glob("blender_*.py"))
    for source in sources:
        made.update(source.read_bytes())
    made.update(repr((samples, size, bpy.app.version, getattr(builder, "args", ()))).encode())
    return made.hexdigest()


def _write_json(target: Path, data: Any) -> None:
    beside = target.with_suffix(".part")
    beside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, target)


if __name__ == "__main__":
    leave_with(main)
