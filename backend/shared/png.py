# SPDX-License-Identifier: GPL-3.0-or-later
"""8-bit sRGB PNG with numpy alone, exact and without Blender's colour management."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from .camera import MAX_SIZE

_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Of grey, RGB, grey with alpha and RGB with alpha, by the number that the header has."""


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


def decode_png(data: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """(H, W, 3) uint8 of an 8-bit PNG (alpha is left out); ValueError when it cannot be read.

    size: width and height that it must have; another one is refused before it is decoded.
    """
    if data[:8] != _PNG:
        raise ValueError("its picture is not a PNG")
    at, parts, header = 8, [], b""
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    try:
        width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", header)
        channels = _CHANNELS[kind]
        if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
            raise ValueError(f"its picture claims {width} x {height} pixels")
        if size is not None and size != (width, height):
            raise ValueError(f"its picture has {(width, height)} pixels instead of {size}")
        rows = _inflated(b"".join(parts), height * (1 + width * channels))
    except (struct.error, LookupError, zlib.error) as error:
        raise ValueError("its picture is damaged, or of a kind that is not read") from error
    if depth != 8 or rest != [0, 0, 0]:
        raise ValueError("its picture is of a kind that is not read; save it as an 8-bit PNG")
    rows = rows.reshape(height, 1 + width * channels)
    pixels = _unfiltered(rows[:, 0], rows[:, 1:].reshape(height, width, channels))
    return np.ascontiguousarray(
        np.repeat(pixels[..., :1], 3, 2) if channels < 3 else pixels[..., :3]
    )


def _inflated(data: bytes, size: int) -> np.ndarray:
    """(size,) uint8; never more than that is unpacked."""
    engine = zlib.decompressobj()
    rows = np.frombuffer(engine.decompress(data, size), np.uint8)
    if rows.size != size or not size:
        raise ValueError("its picture ends early")
    return rows


def _unfiltered(kinds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 of rows that are differences. kinds: (H,) what each row is a difference to.

    PNG specification, 9.2: https://www.w3.org/TR/png-3/#9Filter-types
    """
    if (kinds == 2).all():
        return np.add.accumulate(rows, axis=0, dtype=np.uint8)
    if (kinds <= 1).all():
        summed = np.add.accumulate(rows, axis=1, dtype=np.uint8)
        return np.where((kinds == 1)[:, None, None], summed, rows)
    if kinds.max() > 4:
        raise ValueError("its picture is damaged")
    return _unfiltered_by_diagonals(kinds, rows)


def _unfiltered_by_diagonals(kinds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Any mixture: a pixel needs those left of it, above it and between, so that all pixels of one
    diagonal can be had at once."""
    height, width, channels = rows.shape
    made = np.zeros((height + 1, width + 1, channels), np.int16)  # a border of zeros above and left
    kind = kinds[:, None]
    for diagonal in range(height + width - 1):
        y = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        x = diagonal - y
        left, up, corner = made[y + 1, x], made[y, x + 1], made[y, x]
        k = kind[y]
        guess = np.where(k == 1, left, 0) + np.where(k == 2, up, 0)
        guess += np.where(k == 3, (left + up) >> 1, 0)
        if (k == 4).any():
            guess += np.where(k == 4, _paeth(left, up, corner), 0)
        made[y + 1, x + 1] = (rows[y, x] + guess) & 255
    return made[1:, 1:].astype(np.uint8)


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever neighbour is nearest to left + up - corner; ties in this order."""
    to_left, to_up = abs(up - corner), abs(left - corner)
    to_corner = abs(left + up - 2 * corner)
    nearest = np.where((to_up <= to_corner), up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
