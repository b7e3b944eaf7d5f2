# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as the folder that `worldfm render` reads; the format is backend/world/world.py's.

Written with numpy alone, as Blender has neither safetensors nor an image library.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.arrays import write_safetensors
from ..backend.shared.errors import InputError, WorldError
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.own_files import WORLD, Draft
from .png import encode_png

if TYPE_CHECKING:
    from .world import SceneWorld

VERSION = 1
ANCHORS = "anchors.safetensors"
_DTYPES = {"<f4": "F32", "|u1": "U8"}
_MAX_HEADER = 1 << 20


def write_world(
    folder: Path, world: SceneWorld, provenance: dict[str, str], *, overwrite: bool = False
) -> None:
    """Write all of the world or nothing; what else is in `folder` stays as it is.

    overwrite: a world that is there may be replaced. Raises InputError when there is one and it
    may not, or when `folder` holds something else, WorldFMError when it cannot be written.
    """
    if (folder / WORLD.manifest).exists():
        if not overwrite:
            raise InputError(
                f"'{folder}' holds a world already; tick Replace to write over it, or choose "
                "another folder."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' holds other files than a world; choose an empty folder.")
    with WORLD.draft(folder) as draft:
        _write(draft, world, provenance)


def _write(draft: Draft, world: SceneWorld, provenance: dict[str, str]) -> None:
    anchors = world.anchors
    path, listed = draft.file(ANCHORS)
    write_safetensors(path, {"xyz": anchors.xyz, "rgb": anchors.rgb, "radius": anchors.radius})
    manifest = {
        "format": "worldfm-world",
        "version": VERSION,
        "revision": world.revision,
        "units": "metres",
        "up": "Z",
        "whole": anchors.whole,
        "anchors": listed,
        "more": {},
        "provenance": provenance,
        "memory": [_write_frame(draft, i, frame) for i, frame in enumerate(world.memory)],
    }
    draft.manifest = json.dumps(manifest, indent=1).encode()


def _write_frame(draft: Draft, index: int, frame: MemoryFrame) -> dict[str, Any]:
    path, image = draft.file(f"memory/{index:04d}.png")
    path.write_bytes(encode_png(frame.rgb))
    depth = None
    if frame.depth is not None:
        path, depth = draft.file(f"memory/{index:04d}.depth.npy")
        with open(path, "wb") as file:
            np.save(file, frame.depth, allow_pickle=False)
    return {
        "id": frame.id,
        "name": frame.name,
        "enabled": frame.enabled,
        "image": image,
        "depth": depth,
        "camera": frame.camera.to_json(),
    }


def read_anchor_file(path: Path) -> Anchors:
    """Anchors from a safetensors file. Raises ValueError or KeyError when it is damaged."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    if length > _MAX_HEADER:
        raise ValueError("the header of its points is too long")
    header = json.loads(data[8 : 8 + length])
    names = {name: np.dtype(dtype) for dtype, name in _DTYPES.items()}
    arrays = {}
    for name in ("xyz", "rgb", "radius"):
        start, end = header[name]["data_offsets"]
        dtype, shape = names[header[name]["dtype"]], header[name]["shape"]
        body = data[8 + length + start : 8 + length + end]
        arrays[name] = np.frombuffer(body, dtype).reshape(shape)
    return Anchors(**arrays)


def inside(folder: Path, listed: object) -> Path:
    """The path of a file that a world names. Raises WorldError when it lies outside its folder."""
    path = (folder / str(listed)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise WorldError(f"The world in '{folder.name}' names files outside it; do not trust it.")
    return path
