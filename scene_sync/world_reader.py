# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds that the backend has built, read with numpy alone; the reverse of `world_files`."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from .textures import image_bytes
from .world_files import ANCHORS, VERSION, inside, read_anchor_file

BLOCKOUT = "blockout.npz"


@dataclass(frozen=True, eq=False)
class BlockoutMesh:
    """verts: (V, 3) float32, metres. faces: (F, 3) int32. uvs: (V, 2) float32, the photo's."""

    name: str
    verts: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray


@dataclass(frozen=True, eq=False)
class BuiltWorld:
    """A world's folder as arrays. blockout is empty for worlds without one."""

    anchors: Anchors
    memory: list[MemoryFrame]
    blockout: list[BlockoutMesh]


def read_world(folder: Path) -> BuiltWorld:
    """Raises WorldError when the folder is not a world, damaged, or of a newer version."""
    try:
        manifest = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        if manifest["version"] > VERSION:
            raise WorldError(
                f"The world in '{folder.name}' was made by a newer WorldFM; update the extension."
            )
        anchors = read_anchor_file(inside(folder, manifest.get("anchors", ANCHORS)))
        blockout = manifest.get("more", {}).get(BLOCKOUT, BLOCKOUT)
        memory = [_frame(folder, entry) for entry in manifest["memory"]]
        return BuiltWorld(anchors, memory, _blockout(inside(folder, blockout)))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise WorldError(
            f"'{folder.name}' is not a world or is damaged ({error}); build it again."
        ) from error


def _frame(folder: Path, entry: dict[str, object]) -> MemoryFrame:
    depth = None
    if entry["depth"]:
        depth = np.load(inside(folder, entry["depth"]), allow_pickle=False)
    return MemoryFrame(
        id=str(entry["id"]),
        name=str(entry["name"]),
        camera=Camera.from_json(entry["camera"]),
        rgb=_picture(inside(folder, entry["image"])),
        depth=depth,
        enabled=bool(entry["enabled"]),
    )


def _picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 exactly as in the PNG."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise WorldFMError(f"The picture {path.name} of the world cannot be read.") from error
    try:
        return np.ascontiguousarray(image_bytes(image)[::-1, :, :3])
    finally:
        bpy.data.images.remove(image)


def _blockout(path: Path) -> list[BlockoutMesh]:
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as data:
        return [
            BlockoutMesh(str(name), data[f"verts{i}"], data[f"faces{i}"], data[f"uvs{i}"])
            for i, name in enumerate(data["names"])
        ]
