# SPDX-License-Identifier: GPL-3.0-or-later
"""What render.py left of a scene, read without Blender; and pictures shown as a scene does."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR

from backend.shared.camera import Camera
from backend.shared.world import World
from backend.shared.world_content import ContentReader

ROOT = Path(__file__).resolve().parents[2]
FAR = 1e9
"""Cycles writes 1e10 where a ray meets nothing."""


@dataclass(frozen=True, eq=False)
class Picture:
    """color: (H, W, 3) float32 scene-linear, times alpha. depth: metres, +inf = background."""

    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True, eq=False)
class View:
    """One camera of a scene. truth: name of its EXR, "" where none was rendered.

    curve: samples -> name of an EXR, and the seconds that Cycles took.
    """

    folder: Path
    name: str
    role: str
    camera: Camera
    world: str
    truth: str
    curve: dict[str, tuple[str, float]]

    def file(self, name: str) -> Path:
        """One of its files."""
        return self.folder / name

    def truth_picture(self) -> Picture:
        """What Cycles rendered."""
        return read_exr(self.file(self.truth))

    def truth_files(self) -> list[tuple[Path, Picture]]:
        """All that Cycles rendered of it."""
        names = ([self.truth] if self.truth else []) + [name for name, _ in self.curve.values()]
        return [(self.file(name), read_exr(self.file(name))) for name in names]


class SceneFolder:
    """A folder with a scene.json."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        data = json.loads((self.path / "scene.json").read_text(encoding="utf-8"))
        self.name: str = data["name"]
        self.display: dict[str, Any] = data["display"]
        self.problems: list[str] = data["problems"]
        self.all_views = [self._view(entry) for entry in data["views"]]
        self._reader = ContentReader()
        self._arrays = _Arrays(self.path / "worlds" / "arrays")

    @classmethod
    def all_of(cls, folder: Path, names: list[str]) -> list[SceneFolder]:
        """Scenes in a folder, those that are named or all of them."""
        found = sorted(folder.glob("*/scene.json"))
        return [cls(one.parent) for one in found if not names or one.parent.name in names]

    def _view(self, entry: dict[str, Any]) -> View:
        return View(
            self.path,
            entry["name"],
            entry["role"],
            Camera.from_json(entry["camera"]),
            entry["world"],
            entry.get("truth", ""),
            {samples: tuple(made) for samples, made in entry.get("curve", {}).items()},
        )

    def views(self, role: str) -> list[View]:
        """Those of a role: memory, target or film."""
        return [view for view in self.all_views if view.role == role]

    def world(self, name: str) -> World:
        """The world that a view was written with."""
        text = (self.path / "worlds" / name).read_bytes()
        return self._reader.read(np.frombuffer(text, np.uint8), self._arrays)

    def shown_truth(self, file: Path) -> Path:
        """Where what Cycles rendered stands as displayed."""
        return self.path / "made" / "truth" / f"{file.stem}.png"

    @cached_property
    def seconds(self) -> float:
        """Mean time that Cycles took for a truth."""
        data = json.loads((self.path / "scene.json").read_text(encoding="utf-8"))
        return float(np.mean([v["seconds"] for v in data["views"] if "seconds" in v]))


class _Arrays(Mapping[str, np.ndarray]):
    """Arrays of worlds by the hash of what is in them, read when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> np.ndarray:
        if not name.isalnum() or not (self.folder / f"{name}.npy").is_file():
            raise KeyError(name)
        return np.load(self.folder / f"{name}.npy", allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in self.folder.glob("*.npy"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def read_exr(file: Path) -> Picture:
    """Combined and Depth of a multilayer file of Blender's."""
    channels = OpenEXR.File(str(file), separate_channels=True).channels()
    named = {name.split(".", 1)[-1]: channel.pixels for name, channel in channels.items()}
    color = np.stack([named[f"Combined.{c}"] for c in "RGB"], -1).astype(np.float32)
    depth = next(values for name, values in named.items() if name.startswith("Depth."))
    depth = np.where(depth < FAR, depth, np.inf).astype(np.float32)
    return Picture(np.nan_to_num(color), named["Combined.A"].astype(np.float32), depth)


def read_png(file: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"'{file}' is no picture; run the comparison again.")
    return np.ascontiguousarray(picture[..., ::-1])


class DisplayOrders:
    """Scene-linear pictures to be shown through a scene's view transform, all in one go."""

    def __init__(self, python: Path) -> None:
        """python: one that has bpy."""
        self.python = python
        self._orders: list[dict[str, Any]] = []
        self._pictures: list[np.ndarray] = []

    def add(self, file: Path, color: np.ndarray, settings: dict[str, Any]) -> None:
        """Ask for the PNG `file` of (H, W, 3) scene-linear colours."""
        self._orders.append({"settings": settings, "file": str(file.resolve())})
        self._pictures.append(np.ascontiguousarray(color, np.float32))

    def fulfil(self) -> None:
        """Write all of them. Raises RuntimeError when Blender's Python fails."""
        with tempfile.TemporaryDirectory(prefix="worldfm-shown-") as scratch:
            orders = []
            for i, (order, pixels) in enumerate(zip(self._orders, self._pictures, strict=True)):
                source = Path(scratch) / f"{i}.npy"
                np.save(source, pixels)
                Path(order["file"]).parent.mkdir(parents=True, exist_ok=True)
                pictures = {order["file"]: str(source)}
                orders.append({"settings": order["settings"], "pictures": pictures})
            listed = Path(scratch) / "orders.json"
            listed.write_text(json.dumps(orders), encoding="utf-8")
            done = subprocess.run(
                [str(self.python.absolute()), "-m", "demo.scenes.display", str(listed)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"Blender could not show the pictures: {done.stderr[-2000:]}")
