# SPDX-License-Identifier: GPL-3.0-or-later
"""8-bit sRGB PNG with numpy alone, exact and without Blender's colour management."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_PNG = b"\x89PNG\r\n\x1a\n"


def encode_png(rgb: np.ndarray) -> bytes:
    """(H, W, 3) uint8, row 0 on top, as an 8-bit sRGB PNG."""
    height, width, _ = rgb.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    # each row stands as the difference to the row above (filter 2): smaller, and quick to undo
    flat = rgb.reshape(height, width * 3)
    rows[:, 0] = 2
    rows[:, 1:] = np.diff(flat, axis=0, prepend=np.zeros((1, width * 3), np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"sRGB", b"\0"), (b"IDAT", zlib.compress(rows.tobytes(), 3)))
    return _PNG + b"".join(_chunk(kind, data) for kind, data in (*chunks, (b"IEND", b"")))


def decode_png(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG that `encode_png` wrote; ValueError for any other."""
    if data[:8] != _PNG:
        raise ValueError("its image is not a PNG")
    at, parts, header = 8, [], b""
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    width, height, *layout = struct.unpack(">IIBBBBB", header)
    rows = np.frombuffer(zlib.decompress(b"".join(parts)), np.uint8)
    if layout != [8, 2, 0, 0, 0] or rows.size != height * (1 + width * 3):
        raise ValueError("its image was changed by another program")
    rows = rows.reshape(height, 1 + width * 3)
    if (rows[:, 0] != 2).any():
        raise ValueError("its image was changed by another program")
    return np.add.accumulate(rows[:, 1:], axis=0, dtype=np.uint8).reshape(height, width, 3)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
