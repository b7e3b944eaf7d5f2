# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the uncompressed OpenEXR files that Blender writes for us.

Blender's Python cannot see the passes of a render result, and has no OpenEXR module in every
version; a file without compression is a header and rows of numbers.
Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ..backend.shared.errors import InputError
from ..backend.shared.reading import as_sentence

_MAGIC = 20000630
_TYPES: dict[int, np.dtype] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_TILED_OR_DEEP_OR_PARTS = 0x200 | 0x800 | 0x1000


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Channel name to (H, W) array, row 0 on top, of a single-part scanline file.

    Raises InputError when the file is of another kind or ends early.
    """
    with as_sentence(
        lambda why: InputError(
            f"The picture Blender rendered into {path.name} cannot be read ({why}); check the "
            "free space in the temporary folder and try again."
        )
    ):
        return _read(path.read_bytes())


def _read(data: bytes) -> dict[str, np.ndarray]:
    magic, version = struct.unpack_from("<ii", data)
    if magic != _MAGIC or version & _TILED_OR_DEEP_OR_PARTS:
        raise ValueError("not one scanline picture")
    header, at = _header(data, 8)
    if header["compression"] != b"\0":
        raise ValueError("it is compressed")
    x0, y0, x1, y1 = struct.unpack("<4i", header["dataWindow"])
    width, height = x1 - x0 + 1, y1 - y0 + 1
    channels = _channels(header["channels"])
    offsets = struct.unpack_from(f"<{height}Q", data, at)
    # numpy reads beyond the data where the bytes of a row do not fit 31 bits
    if width * sum(kind.itemsize for _, kind in channels) > len(data) - min(offsets):
        raise ValueError("it ends early")
    row = np.dtype([(name, kind, (width,)) for name, kind in channels])
    chunk = np.dtype([("y", "<i4"), ("size", "<i4"), ("row", row)])
    rows = np.frombuffer(data, chunk, height, min(offsets))
    if (rows["size"] != row.itemsize).any():
        raise ValueError("its rows differ in size")
    order = np.argsort(rows["y"], kind="stable")
    return {name: rows["row"][name][order] for name, _ in channels}


def _header(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    attributes: dict[str, bytes] = {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<I", data, at)  # unsigned: a lie never leads back
        attributes[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes, at + 1


def _channels(data: bytes) -> list[tuple[str, np.dtype]]:
    channels: list[tuple[str, np.dtype]] = []
    at = 0
    while data[at]:
        name, at = _text(data, at)
        (kind,) = struct.unpack_from("<i", data, at)
        channels.append((name, _TYPES[kind]))
        at += 16
    return channels


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
