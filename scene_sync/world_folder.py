# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds in a folder beside the .blend: the file holds the folder's place and a thin preview.

The folder is the one that `worldfm render` reads. It is named by its content and never written
twice, so that undo and older copies of the file find what they were saved with.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.shared.anchors import Anchors
from ..backend.shared.errors import WorldError
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.reading import is_elsewhere
from ..backend.shared.world_folder import MANIFEST, load_anchors, load_frame

FOLDER = "worldfm_folder"
"""Custom property of a points object: its world's folder, relative to the .blend."""
METRES = "worldfm_metres"
"""Custom property of a points object with a folder: metres per unit of its coordinates."""


_chosen: set[str] = set()
"""Folders that the user pointed to, in this session."""


@dataclass(frozen=True)
class KeptWorld:
    """Where an object's points are. scale_length: metres per unit of the object's space."""

    path: Path
    scale_length: float


def folder_of(ob: bpy.types.Object) -> KeptWorld | None:
    """The folder that holds the points of an (evaluated) object; None when its mesh does.

    Raises WorldError when it would be on a computer that only the file names.
    """
    ob = ob.original
    listed = ob.get(FOLDER)
    if not listed:
        return None
    path = _place(str(listed), ob.library)
    return KeptWorld(path, float(ob.get(METRES, 1.0)))


def folder_anchors(path: Path) -> Anchors:
    """The points of a world's folder, in metres. Raises WorldError when it is gone or damaged."""
    _check_there(path)
    files = [path / MANIFEST, *sorted(path.glob("anchors*.safetensors"))]
    return _read_points(path, tuple(_state(file) for file in files))


def _state(file: Path) -> tuple[str, int, int]:
    state = file.stat()
    return file.name, state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=2)
def _read_points(path: Path, _states: tuple[tuple[str, int, int], ...]) -> Anchors:
    return load_anchors(path)


def folder_frame(listed: str, name: str) -> MemoryFrame:
    """The memory frame called `name` (its id) of the folder at `listed`, relative to the .blend.

    Raises WorldError when it is gone or damaged.
    """
    folder = _place(listed)
    _check_there(folder)
    return load_frame(folder, name)


def choose_place(folder: Path) -> None:
    """The user says that a world is there: another computer's name in it is theirs."""
    _chosen.add(str(folder))


def is_of_a_stranger(path: str) -> bool:
    """Whether only the open file names the computer of an absolute path (on Windows)."""
    libraries = (bpy.path.abspath(library.filepath) for library in bpy.data.libraries)
    files = [bpy.data.filepath, *libraries]
    return is_elsewhere(path, [*_chosen, *files])


def _place(listed: str, library: bpy.types.Library | None = None) -> Path:
    path = bpy.path.abspath(listed, library=library)
    if is_of_a_stranger(path):
        raise WorldError(
            f"The world folder '{path}' is on another computer, which this file alone names; use "
            "Find World Folder in the WorldFM tab of the sidebar if you trust it."
        )
    return Path(path)


def _check_there(folder: Path) -> None:
    if not os.path.isfile(folder / MANIFEST):  # a name that is too long is no file
        raise WorldError(
            f"The world folder '{folder}' is missing; put it back beside this file, or use Find "
            "World Folder in the WorldFM tab of the sidebar."
        )
