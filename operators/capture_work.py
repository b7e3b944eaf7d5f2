# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots rendered one after the other: in this Blender, or in another one without a window."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import bpy
import numpy as np

from ..backend.client.child_process import run_child
from ..backend.shared.arrays import read_npz
from ..backend.shared.camera import Camera
from ..backend.shared.errors import BackendError, Cancelled, InputError, WorldFMError
from ..backend.shared.leftovers import temporary_folder
from ..backend.shared.reading import as_sentence, parse_json
from ..scene_sync.capture import Shot, capture, private_scene

PACKAGE = __package__.rpartition(".")[0]
_FAILED = "worldfm-error: "

Picture = tuple[int, Camera, np.ndarray, np.ndarray]
"""Number of the shot, its camera, radiance (H, W, 3) float16, z-depth (H, W) float32 metres."""


@dataclass(frozen=True)
class Order:
    """How shots are rendered. percentage: of the scene's size, where a shot has no camera."""

    engine: str
    samples: int
    percentage: int
    layer: str


def can_capture_outside(engine: str) -> bool:
    """Whether another Blender could: rasterisers may have no graphics without a window."""
    return bool(bpy.app.binary_path) and not bpy.app.background and engine == "CYCLES"


def inside(scene: bpy.types.Scene, order: Order, shots: list[Shot]) -> Iterator[Picture]:
    """In this Blender, which waits for each. Raises WorldFMError."""
    copying = private_scene(scene, order.engine, order.samples, order.percentage, order.layer)
    with copying as copy:
        for number, shot in enumerate(shots):
            yield number, *capture(copy, shot)


def outside(scene: bpy.types.Scene, order: Order, shots: list[Shot]) -> Iterator[Picture | None]:
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
        given = {"scene": scene.name, "order": asdict(order), "shots": listed}
        (folder / "order.json").write_text(json.dumps(given), encoding="utf-8")
        run = _Run(file, folder)
        try:
            for number in range(len(shots)):
                path = folder / f"{number:04d}.npz"
                while not path.exists() and run.running:
                    yield None
                if not path.exists():
                    raise run.error()
                yield number, *_read(path)
        finally:
            run.cancel()


class _Run:
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
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(words,), name="worldfm-capture")
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def cancel(self) -> None:
        self._cancel.set()
        self._thread.join(timeout=10)

    def error(self) -> WorldFMError:
        """Why a picture is missing."""
        for line in reversed(self._said):
            if line.startswith(_FAILED):
                return WorldFMError(line.removeprefix(_FAILED))
        last = self._said[-1] if self._said else "it said nothing"
        return BackendError(
            f"The background Blender ended early ({last}); capture without In a Background Blender."
        )

    def _work(self, words: list[str]) -> None:
        try:
            run_child(
                words,
                env=dict(os.environ),
                cwd=Path(words[2]).parent,
                on_line=self._hear,
                cancel=self._cancel,
            )
        except Cancelled:
            pass
        except WorldFMError as error:
            self._said.append(f"{_FAILED}{error}")

    def _hear(self, line: str) -> None:
        if line.strip():
            self._said = [*self._said[-50:], line.strip()]


def work(folder: str) -> None:
    """What the other Blender does: every shot to a file that appears when it is whole."""
    given = json.loads((Path(folder) / "order.json").read_text(encoding="utf-8"))
    scene = bpy.data.scenes[given["scene"]]
    shots = [
        Shot(s["name"], s["frame"], s["camera"] and Camera.from_json(s["camera"]))
        for s in given["shots"]
    ]
    try:
        for number, camera, radiance, depth in inside(scene, Order(**given["order"]), shots):
            part = Path(folder) / f"{number:04d}.part.npz"
            seen = np.array(json.dumps(camera.to_json()))
            np.savez(part, camera=seen, radiance=radiance, depth=depth)
            os.replace(part, Path(folder) / f"{number:04d}.npz")
    except WorldFMError as error:
        print(f"{_FAILED}{error}", flush=True)


def _read(path: Path) -> tuple[Camera, np.ndarray, np.ndarray]:
    with as_sentence(
        lambda why: InputError(f"A captured picture is damaged ({why}); capture it again.")
    ):
        given = read_npz(path)
        camera = Camera.from_json(parse_json(str(given["camera"])))
        return camera, given["radiance"], given["depth"]
