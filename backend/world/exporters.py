# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds and camera paths for other programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from plyfile import PlyData, PlyElement

from ..data.nerfstudio import PosedFrame, write_dataset
from ..shared.anchors import Anchors
from ..shared.camera import Camera, about_vertical
from ..shared.errors import InputError
from ..shared.files import new_folder, replacing
from ..shared.frame import MemoryFrame

REFERENCE_FROM_WORLD = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
"""World axes (z up) to the reference's (y down, the picture looks along x)."""


def export_ply(anchors: Anchors, path: Path, origin: np.ndarray | None = None) -> None:
    """Binary PLY: x, y, z, red, green, blue, radius; z up, metres.

    origin: (3,) float64 where the world's origin lies; positions are then doubles.
    """
    far = origin is not None and bool(np.any(origin))
    real = "<f8" if far else "<f4"
    rows = np.empty(
        len(anchors),
        dtype=[("x", real), ("y", real), ("z", real), ("red", "u1"), ("green", "u1"),
               ("blue", "u1"), ("radius", "<f4")],
    )  # fmt: skip
    for i, axis in enumerate("xyz"):
        rows[axis] = anchors.xyz[:, i]
        if far and origin is not None:
            rows[axis] += origin[i]
    for i, channel in enumerate(("red", "green", "blue")):
        rows[channel] = anchors.rgb[:, i]
    rows["radius"] = anchors.radius
    with replacing(Path(path)) as beside:
        PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(beside))


def export_transforms(
    frames: Sequence[MemoryFrame], folder: Path, origin: np.ndarray | None = None
) -> None:
    """transforms.json, pictures and depth of the memory frames (nerfstudio's layout).

    origin: (3,) float64 added to the cameras' places.
    """
    if not frames:
        raise InputError("The world has no memory frames to export.")
    write_dataset(
        Path(folder),
        (
            PosedFrame(camera=_moved(f.camera, origin), rgb=f.rgb, depth=f.depth, name=f"{i:04d}")
            for i, f in enumerate(frames)
        ),
    )


def _moved(camera: Camera, origin: np.ndarray | None) -> Camera:
    if origin is None or not np.any(origin):
        return camera
    c2w = camera.c2w.copy()
    c2w[:3, 3] += origin
    return dataclasses.replace(camera, c2w=c2w)


def export_meta(photo: MemoryFrame, cameras: Sequence[Camera], folder: Path, name: str) -> None:
    """The reference's input: the photo, one K and the camera path relative to the photo.

    Its axes have y down with the photo looking along x, and whole numbers as pixel centres.
    """
    if not cameras:
        raise InputError("The camera path is empty; add key frames first.")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"The folder '{folder}' is not empty; choose another or delete it first.")
    first = cameras[0]
    K = first.K.copy()
    K[:2, 2] -= 0.5
    path = []
    for camera in cameras:
        c2w = np.eye(4)
        c2w[:3, :3] = _to_reference(photo.camera) @ camera.c2w[:3, :3]
        c2w[:3, 3] = _to_reference(photo.camera) @ (camera.position - photo.camera.position)
        path.append(c2w.tolist())
    meta = {"name": name, "image": f"{name}.png", "K": K.tolist(), "c2w": path}
    with new_folder(folder) as part:
        Image.fromarray(photo.rgb).save(part / f"{name}.png", format="PNG")
        (part / "meta.json").write_bytes(json.dumps(meta).encode())


def _to_reference(camera: Camera) -> np.ndarray:
    """(3, 3) from world axes to the reference's, the camera's heading turned to +x."""
    forward = camera.c2w[:3, 2]
    return REFERENCE_FROM_WORLD @ about_vertical(-np.arctan2(forward[1], forward[0]))
