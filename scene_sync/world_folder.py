# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds in a folder beside the .blend: the file holds the folder's place and a thin preview.

The folder is the one that `worldfm render` reads. It is named by its content and never written
twice, so that undo and older copies of the file find what they were saved with.
"""

from __future__ import annotations

import functools
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError
from ..backend.shared.frame import MemoryFrame
from .png import decode_png
from .world_files import ANCHORS, VERSION, inside, read_anchor_file

FOLDER = "worldfm_folder"
"""Custom property of a points object: its world's folder, relative to the .blend."""
METRES = "worldfm_metres"
"""Custom property of a points object with a folder: metres per unit of its coordinates."""


@dataclass(frozen=True)
class KeptWorld:
    """Where an object's points are. scale_length: metres per unit of the object's space."""

    path: Path
    scale_length: float


def folder_of(ob: bpy.types.Object) -> KeptWorld | None:
    """The folder that holds the points of an (evaluated) object; None when its mesh does."""
    ob = ob.original
    listed = ob.get(FOLDER)
    if not listed:
        return None
    path = Path(bpy.path.abspath(str(listed), library=ob.library))
    return KeptWorld(path, float(ob.get(METRES, 1.0)))


def folder_anchors(path: Path) -> Anchors:
    """The points of a world's folder, in metres. Raises WorldError when it is gone or damaged."""
    manifest = _manifest(path)
    try:
        file = inside(path, manifest.get("anchors", ANCHORS))
        state = file.stat()
        return _read_points(file, state.st_mtime_ns, state.st_size)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise _damaged(path, error) from error


@functools.lru_cache(maxsize=2)
def _read_points(file: Path, _changed: int, _size: int) -> Anchors:
    return read_anchor_file(file)


def folder_frame(listed: str, name: str) -> MemoryFrame:
    """The memory frame called `name` (its id) of the folder at `listed`, relative to the .blend.

    Raises WorldError when it is gone or damaged.
    """
    folder = Path(bpy.path.abspath(listed))
    entries = _manifest(folder)["memory"]
    try:
        (entry,) = (e for e in entries if e["id"] == name)
        rgb = decode_png(inside(folder, entry["image"]).read_bytes())
        depth = None
        if entry["depth"]:
            depth = np.load(inside(folder, entry["depth"]), allow_pickle=False)
        camera = Camera.from_json(entry["camera"])
        return MemoryFrame(name, str(entry["name"]), camera, rgb, depth)
    except (OSError, ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
        raise _damaged(folder, error) from error


def _manifest(folder: Path) -> dict[str, list[dict[str, object]]]:
    try:
        manifest = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        if manifest["version"] <= VERSION:
            return manifest
    except FileNotFoundError as error:
        raise WorldError(
            f"The world folder '{folder}' is missing; put it back beside this file, or use Find "
            "World Folder in the WorldFM tab of the sidebar."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error
    raise WorldError(f"The world in '{folder}' was made by a newer WorldFM; update the extension.")


def _damaged(folder: Path, error: Exception) -> WorldError:
    return WorldError(f"The world in '{folder}' is damaged ({error}); restore or build it again.")
