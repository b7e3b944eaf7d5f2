# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as a COLMAP model with its pictures, as trainers of splats read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..shared.anchors import Anchors, quaternion_of
from ..shared.errors import InputError
from ..shared.files import new_folder
from ..shared.frame import MemoryFrame
from .importers.ply import UP_AXES

MOST_POINTS = 200_000
FROM_Z_UP = UP_AXES["-y"].T
"""World axes (z up) to COLMAP's habit (y down)."""


def export_colmap(anchors: Anchors, memory: Sequence[MemoryFrame], folder: Path) -> None:
    """images/ and sparse/0/{cameras,images,points3D}.txt in a new folder, which appears whole.

    Raises InputError where there is no memory, an orthographic camera, or something in the folder.
    """
    if not memory:
        raise InputError("The world has no memory frames to export; capture some first.")
    if any(frame.camera.is_orthographic for frame in memory):
        raise InputError("COLMAP knows no orthographic cameras; leave those memory frames out.")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"The folder '{folder}' is not empty; choose another or delete it first.")
    with new_folder(folder) as part:
        _write(anchors, memory, part)


def _write(anchors: Anchors, memory: Sequence[MemoryFrame], folder: Path) -> None:
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (folder / "images").mkdir()
    cameras, images = ["# id model width height fx fy cx cy"], ["# id q(wxyz) t camera name"]
    for number, frame in enumerate(memory, start=1):
        K, name = frame.camera.K, f"{number:04d}.png"
        lens = " ".join(repr(float(v)) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
        cameras.append(f"{number} PINHOLE {frame.camera.width} {frame.camera.height} {lens}")
        turn = frame.camera.w2c[:3, :3] @ FROM_Z_UP.T
        move = -turn @ FROM_Z_UP @ frame.camera.position
        place = " ".join(repr(float(v)) for v in (*quaternion_of(turn), *move))
        images.append(f"{number} {place} {number} {name}\n")
        Image.fromarray(frame.rgb).save(folder / "images" / name)
    some = np.linspace(0, len(anchors) - 1, min(len(anchors), MOST_POINTS)).astype(int)
    xyz = anchors.xyz[some].astype(np.float64) @ FROM_Z_UP.T
    points = ["# id x y z r g b error"]
    for number, (place, shade) in enumerate(zip(xyz, anchors.rgb[some], strict=True), start=1):
        points.append(f"{number} {place[0]} {place[1]} {place[2]} {shade[0]} {shade[1]} "
                      f"{shade[2]} 0.5")  # fmt: skip
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", points)):
        (model / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
