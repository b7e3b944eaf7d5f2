# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures of the analytic room in the words of several programs, written for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backend.data.lenses import Lens
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera
from backend.world.exporters import export_ply
from tests.scenes.grounded_room import FLOOR, capture, grounded
from tests.scenes.world_room import trace


class _Bent:
    """What `trace` asks of a camera, with the rays of any of COLMAP's lenses."""

    def __init__(self, lens: Lens, c2w: np.ndarray) -> None:
        self.position = c2w[:3, 3] - [0, 0, FLOOR]
        x, y = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
        local = lens.colmap().cam_from_img(np.stack([x.ravel(), y.ravel()], 1))
        local = np.concatenate([local, np.ones((len(local), 1))], 1) @ c2w[:3, :3].T
        self._rays = local.reshape(lens.height, lens.width, 3)

    def rays(self) -> np.ndarray:
        return self._rays


def through(lens: Lens, c2w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The room's picture and z-depth as `lens` sees it, standing at `c2w`."""
    return trace(_Bent(lens, c2w))


def room_cameras(count: int = 3) -> list[Camera]:
    return [frame.camera for frame in capture(count)]


def cloud(cameras: list[Camera], count: int = 3000) -> Anchors:
    """Points of the room's surfaces that the cameras see."""
    from backend.conditioning.anchors.lifting import lift
    from backend.shared.frame import MemoryFrame

    parts = [lift(MemoryFrame("a", "a", c, *grounded(c))) for c in cameras]
    points = Anchors.concatenate(parts)
    some = np.random.default_rng(0).permutation(len(points))[:count]
    return Anchors(points.xyz[some], points.rgb[some], points.radius[some])


def write_transforms(
    folder: Path,
    header: dict[str, Any],
    lens: Lens | None = None,
    name: str = "images/{}.png",
    listed: str | None = None,
    file: str = "transforms.json",
    **save: Any,
) -> list[Camera]:
    """Pictures, point cloud and transforms.json; `header` is laid over what it says."""
    cameras = room_cameras()
    frames = []
    for number, camera in enumerate(cameras):
        picture = through(lens, camera.c2w)[0] if lens else grounded(camera)[0]
        path = folder / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, **save)
        frames.append(
            {
                "file_path": (listed or name).format(number),
                "transform_matrix": camera.c2w_opengl().tolist(),
            }
        )
    export_ply(cloud(cameras), folder / "points.ply")
    K = cameras[0].K
    about = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "w": 96, "h": 72}
    about |= {"ply_file_path": "points.ply", **header, "frames": frames}
    about = {key: value for key, value in about.items() if value is not None}
    (folder / file).write_text(json.dumps(about), encoding="utf-8")
    return cameras


def edit(folder: Path, change: Any, file: str = "transforms.json") -> None:
    about = json.loads((folder / file).read_text())
    change(about)
    (folder / file).write_text(json.dumps(about))


def off(frame: Any) -> float:
    """Mean difference (of 255) to the room at the frame's own camera, where it shows something."""
    truth = grounded(frame.camera)[0]
    shown = np.ones(truth.shape[:2], bool) if frame.depth is None else frame.depth > 0
    return float(np.abs(truth.astype(float) - frame.rgb)[shown].mean())
