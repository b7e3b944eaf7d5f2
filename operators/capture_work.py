# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots rendered one after the other: in this Blender, or in another one without a window."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..backend.shared.arrays import read_npz
from ..backend.shared.camera import Camera
from ..backend.shared.errors import BackendError, InputError, WorldFMError
from ..backend.shared.leftovers import temporary_folder
from ..backend.shared.reading import as_sentence, parse_json
from ..scene_sync.capture import Captured, Shot, capture, private_scene
from ..scene_sync.moment_reader import MomentReader
from ..scene_sync.moments import Moments
from .child_run import ChildRun

PACKAGE = __package__.rpartition(".")[0]
_FAILED = "worldfm-error: "

Picture = tuple[int, Captured]
"""Number of the shot, and what it shows."""


@dataclass(frozen=True)
class CaptureSettings:
    """How shots are rendered. percentage: of the scene's size, where a shot has no camera."""

    engine: str
    samples: int
    percentage: int
    layer: str


def can_capture_in_background(engine: str) -> bool:
    """Whether another Blender could: rasterisers may have no graphics without a window."""
    return bool(bpy.app.binary_path) and not bpy.app.background and engine == "CYCLES"


def capture_here(
    scene: bpy.types.Scene, settings: CaptureSettings, shots: list[Shot]
) -> Generator[Picture]:
    """In this Blender, which waits for each. Raises WorldFMError."""
    copying = private_scene(
        scene, settings.engine, settings.samples, settings.percentage, settings.layer
    )
    with copying as copy:
        reader = MomentReader()
        for number, shot in enumerate(shots):
            yield number, capture(copy, shot, reader)


def capture_in_background(
    scene: bpy.types.Scene, settings: CaptureSettings, shots: list[Shot]
) -> Generator[Picture | None]:
    """In a second Blender, which opens a copy of the file; None while nothing new is there.

    It ends when this iterator is closed, and with this Blender. Raises WorldFMError.
    """
    with temporary_folder("capture") as folder:
        file = folder / "scene.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(file), copy=True, compress=False)
        listed = [
            {"name": s.name, "frame": s.frame, "camera": s.camera and s.camera.to_json()}
            for s in shots
        ]
        given = {"scene": scene.name, "settings": asdict(settings), "shots": listed}
        (folder / "capture.json").write_text(json.dumps(given), encoding="utf-8")
        run = _Run(file, folder)
        try:
            for number in range(len(shots)):
                path = folder / f"{number:04d}.npz"
                while not path.exists() and run.running:
                    yield None
                if not path.exists():
                    raise run.error()
                yield number, _read(path)
        finally:
            run.cancel()


class _Run(ChildRun):
    """The other Blender."""

    def __init__(self, file: Path, folder: Path) -> None:
        code = (
            "import addon_utils, importlib\n"
            f"addon_utils.enable({PACKAGE!r})\n"
            f"work = importlib.import_module({PACKAGE + '.operators.capture_work'!r})\n"
            f"work.work({str(folder)!r})\n"
        )
        words = [bpy.app.binary_path, "--background", str(file), "--python-exit-code", "1"]
        words += ["--python-expr", code]
        self._said: list[str] = []
        super().__init__(words, os.environ, folder, "worldfm-capture")

    def error(self) -> WorldFMError:
        """Why a picture is missing."""
        if self.failure is not None:
            return self.failure
        for line in reversed(self._said):
            if line.startswith(_FAILED):
                return WorldFMError(line.removeprefix(_FAILED))
        last = self._said[-1] if self._said else "it said nothing"
        return BackendError(
            f"The background Blender ended early ({last}); capture without In a Background Blender."
        )

    def hear(self, line: str) -> None:
        """Kept for `error`."""
        if line.strip():
            self._said = [*self._said[-50:], line.strip()]


def work(folder: str) -> None:
    """What the other Blender does: every shot to a file that appears when it is whole."""
    given = json.loads((Path(folder) / "capture.json").read_text(encoding="utf-8"))
    scene = bpy.data.scenes[given["scene"]]
    shots = [
        Shot(s["name"], s["frame"], s["camera"] and Camera.from_json(s["camera"]))
        for s in given["shots"]
    ]
    try:
        for number, made in capture_here(scene, CaptureSettings(**given["settings"]), shots):
            part = Path(folder) / f"{number:04d}.part.npz"
            arrays: dict[str, Any] = {"radiance": made.radiance, "depth": made.depth}
            for name in ("render", "view"):
                data = getattr(made.moments, name)
                if data is not None:
                    arrays[name] = np.frombuffer(data, np.uint8)
            told = json.dumps({"camera": made.camera.to_json(), "problems": made.moments.problems})
            np.savez(part, told=np.array(told), **arrays)
            os.replace(part, Path(folder) / f"{number:04d}.npz")
    except WorldFMError as error:
        print(f"{_FAILED}{error}", flush=True)


def _read(path: Path) -> Captured:
    with as_sentence(
        lambda why: InputError(f"A captured picture is damaged ({why}); capture it again.")
    ):
        given = read_npz(path)
        told = parse_json(str(given["told"]))
        render, view = (given[n].tobytes() if n in given else None for n in ("render", "view"))
        moments = Moments(render, view, tuple(told["problems"]))
        camera = Camera.from_json(told["camera"])
        return Captured(camera, given["radiance"], given["depth"], moments)
