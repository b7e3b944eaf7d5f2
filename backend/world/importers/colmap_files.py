# SPDX-License-Identifier: GPL-3.0-or-later
"""COLMAP's binary files, checked before COLMAP's own reader sees them.

That reader believes every count in them, and fills all memory when one is a lie.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from ...shared.errors import InputError
from ...shared.reading import MALFORMED

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_LEAST_PARAMETERS = 3
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3Bd")
_OBSERVATION = 24
"""Bytes of a keypoint in images.bin: x, y and the number of its point."""
_TRACK = 8
"""Bytes of a track's element in points3D.bin: the numbers of image and keypoint."""


def check_binary_model(place: Path) -> None:
    """Raises InputError when a binary file in `place` is shorter than its counts say."""
    walks: dict[str, Callable[[bytes, int], int]] = {
        "cameras.bin": lambda data, at: at + _CAMERA.size + 8 * _LEAST_PARAMETERS,
        "rigs.bin": lambda data, at: at + _COUNT.size,
        "frames.bin": lambda data, at: at + _COUNT.size,
        "images.bin": _after_image,
        "points3D.bin": _after_point,
    }
    for name, after in walks.items():
        path = place / name
        if path.is_file() and not _is_whole(path.read_bytes(), after):
            raise InputError(
                f"The COLMAP model is damaged: '{name}' is shorter than it says; export it again."
            )


def _is_whole(data: bytes, after: Callable[[bytes, int], int]) -> bool:
    try:
        (count,) = _COUNT.unpack_from(data)
        at = _COUNT.size
        while count and at <= len(data):
            at, count = after(data, at), count - 1
    except MALFORMED:
        return False
    return at <= len(data)


def _after_image(data: bytes, at: int) -> int:
    """Where the record after the image at `at` begins: head, name, zero byte, keypoints."""
    end = data.index(b"\0", at + _IMAGE.size) + 1
    (seen,) = _COUNT.unpack_from(data, end)
    return end + _COUNT.size + seen * _OBSERVATION


def _after_point(data: bytes, at: int) -> int:
    """Where the record after the point at `at` begins: head, track."""
    (length,) = _COUNT.unpack_from(data, at + _POINT.size)
    return at + _POINT.size + _COUNT.size + length * _TRACK
