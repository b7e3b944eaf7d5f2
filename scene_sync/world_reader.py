# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds that the backend has built, with the blockout that may come with them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.shared.errors import WorldError
from ..backend.shared.world import World
from ..backend.shared.world_folder import file_of, load_world


@dataclass(frozen=True, eq=False)
class BlockoutMesh:
    """verts: (V, 3) float32, metres. faces: (F, 3) int32. uvs: (V, 2) float32, the photo's."""

    name: str
    verts: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray


@dataclass(frozen=True, eq=False)
class BuiltWorld:
    """A world and its blockout, which most have none of."""

    world: World
    blockout: list[BlockoutMesh]


def read_world(folder: Path) -> BuiltWorld:
    """Raises WorldError when the folder is not a world, damaged, or of a newer version."""
    world, path = load_world(folder), file_of(folder, "blockout.npz")
    return BuiltWorld(world, [] if path is None else _blockout(path))


def _blockout(path: Path) -> list[BlockoutMesh]:
    try:
        with np.load(path, allow_pickle=False) as data:
            return [
                BlockoutMesh(str(name), data[f"verts{i}"], data[f"faces{i}"], data[f"uvs{i}"])
                for i, name in enumerate(data["names"])
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WorldError(f"'{path}' is damaged ({error}); build the world again.") from error
