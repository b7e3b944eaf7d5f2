# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as the folder that `worldfm render` reads; the format is backend/world/world.py's.

Written with numpy alone, as Blender has neither safetensors nor an image library.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.errors import InputError, WorldError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from .png import encode_png

if TYPE_CHECKING:
    from .world import SceneWorld

VERSION = 1
_MANIFEST = "world.json"
_DTYPES = {"<f4": "F32", "|u1": "U8"}
_MAX_HEADER = 1 << 20


def write_world(folder: Path, world: SceneWorld, provenance: dict[str, str]) -> None:
    """Write beside `folder`, then put it in its place: the old world or all of the new.

    Raises InputError when `folder` holds something else, WorldFMError when it cannot be written.
    """
    if folder.exists() and not _may_replace(folder):
        raise InputError(f"{folder} holds other files than a world; choose an empty folder.")
    mark = uuid.uuid4().hex[:8]
    beside = folder.with_name(f".{folder.name}.{mark}.part")
    old = folder.with_name(f".{folder.name}.{mark}.old")
    try:
        _write(beside, world, provenance)
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(beside, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    except OSError as error:
        raise WorldFMError(
            f"The world could not be written to {folder} ({error.strerror}); free some space "
            f"there or choose another folder."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _may_replace(folder: Path) -> bool:
    return folder.is_dir() and ((folder / _MANIFEST).is_file() or not any(folder.iterdir()))


def _write(folder: Path, world: SceneWorld, provenance: dict[str, str]) -> None:
    (folder / "memory").mkdir(parents=True)
    manifest = {
        "format": "worldfm-world",
        "version": VERSION,
        "revision": world.revision,
        "units": "metres",
        "up": "Z",
        "whole": world.anchors.whole,
        "provenance": provenance,
        "memory": [_write_frame(folder, i, frame) for i, frame in enumerate(world.memory)],
    }
    (folder / "anchors.safetensors").write_bytes(safetensors(world.anchors))
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _write_frame(folder: Path, index: int, frame: MemoryFrame) -> dict[str, Any]:
    image, depth = f"memory/{index:04d}.png", f"memory/{index:04d}.depth.npy"
    (folder / image).write_bytes(encode_png(frame.rgb))
    if frame.depth is not None:
        np.save(folder / depth, frame.depth, allow_pickle=False)
    return {
        "id": frame.id,
        "name": frame.name,
        "enabled": frame.enabled,
        "image": image,
        "depth": None if frame.depth is None else depth,
        "camera": frame.camera.to_json(),
    }


def safetensors(anchors: Anchors) -> bytes:
    """The arrays of `anchors` in the safetensors format: length, JSON header, raw values."""
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name in ("xyz", "rgb", "radius"):
        array = np.ascontiguousarray(getattr(anchors, name))
        end = at + array.nbytes
        header[name] = {
            "dtype": _DTYPES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [at, end],
        }
        parts.append(array.tobytes())
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


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
