# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth pictures of captures: .npy in metres, or 16-bit PNG in a unit of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..shared.arrays import read_npy
from ..shared.errors import InputError
from ..shared.reading import as_sentence
from .pictures import MAX_PIXELS, check_picture_size

MILLIMETRE = 1e-3
JUMP = 0.12
"""Difference of log depth between neighbours from which on they belong to two surfaces."""
_PNG_SKY = 65535
_MOST_BYTES = 8 * MAX_PIXELS
"""Of an array: one float64 a pixel."""


def read_depth(path: Path, unit: float | None = None) -> np.ndarray:
    """(h, w) float32 z-depth in metres, +inf = sky, 0 = unknown.

    unit: metres of one step of a PNG; None = millimetres, with 65535 for sky, as this project
    writes. Raises InputError when the file is missing, broken or no depth.
    """
    if not path.is_file():
        raise InputError(f"The depth file '{path}' of the dataset is missing; put it back.")
    if path.suffix.lower() == ".npy":
        return _read_array(path)
    check_picture_size(path)
    steps = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if steps is None or steps.dtype != np.uint16 or steps.ndim != 2:
        raise InputError(
            f"The depth file '{path}' must be a 16-bit grey PNG in millimetres or a .npy file."
        )
    metres = (np.arange(_PNG_SKY + 1) * (MILLIMETRE if unit is None else unit)).astype(np.float32)
    if unit is None:
        metres[_PNG_SKY] = np.inf
    return metres[steps]


def _read_array(path: Path) -> np.ndarray:
    with as_sentence(lambda why: InputError(f"The depth file '{path}' is broken: {why}.")):
        depth = read_npy(path, _MOST_BYTES)
    if depth.ndim == 3 and depth.shape[2] == 1:
        depth = depth[..., 0]
    if depth.ndim != 2 or not depth.size or depth.dtype.kind not in "fiu":
        raise InputError(f"The depth file '{path}' must hold one number a pixel.")
    depth = depth.astype(np.float32)
    return np.where(np.isnan(depth) | (depth < 0), np.float32(0), depth)


def resize_depth(depth: np.ndarray, width: int, height: int) -> np.ndarray:
    """Depth at another size: linear in inverse depth within a surface, nearest beside its ends.

    depth: (h, w) float32, +inf = sky, 0 = unknown; neither is mixed with a surface.
    """
    if depth.shape == (height, width):
        return depth
    size = (width, height)
    near = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    if width < depth.shape[1]:
        return near
    solid = np.isfinite(depth) & (depth > 0)
    inverse = np.where(solid, 1 / np.where(solid, depth, 1), 0).astype(np.float32)
    log = np.where(solid, -np.log(np.where(solid, inverse, 1)), np.where(depth > 0, 40.0, -40.0))
    span = np.ones((3, 3), np.uint8)
    log = log.astype(np.float32)
    flat = cv2.dilate(log, span) - cv2.erode(log, span) < 2 * JUMP
    flat = cv2.resize((flat & solid).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    smooth = cv2.resize(inverse, size, interpolation=cv2.INTER_LINEAR)
    return np.where(flat, 1 / np.where(flat, smooth, 1), near).astype(np.float32)
