# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds that the backend has built, with the blockout that may come with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.shared.arrays import checked, read_npz
from ..backend.shared.errors import WorldError
from ..backend.shared.reading import as_sentence
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
    meshes = []
    with as_sentence(
        lambda why: WorldError(f"'{path}' is damaged ({why}); build the world again.")
    ):
        data = read_npz(path)
        for i, name in enumerate(data["names"].tolist()):
            verts = checked(data[f"verts{i}"], "verts", np.float32, (None, 3))
            faces = checked(data[f"faces{i}"], "faces", np.int32, (None, 3), least=0)
            uvs = checked(data[f"uvs{i}"], "uvs", np.float32, (len(verts), 2))
            if faces.size and faces.max() >= len(verts):
                raise ValueError("a face names a vertex that is not there")
            meshes.append(BlockoutMesh(str(name), verts, faces, uvs))
    return meshes
