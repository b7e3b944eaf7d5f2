# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture shows before the surface that its depth was filled in with: leaves near the
camera, a passer-by. Others that see that surface see other colours there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...data.depth_files import resize_depth
from ...shared.camera import Camera
from ...shared.frame import MemoryFrame

SIDE = 320
"""Longer side in pixels at which pictures are compared."""
JUDGES = 16
"""Pictures that are asked at most, spread evenly over a capture."""
SAME = 0.02
"""Relative difference of depth up to which another picture sees the surface."""
UNLIKE = 40
"""Levels of 255 in one channel from which on a colour is another one."""
FEWEST, MOST_ALIKE = 2, 0.5
"""Pictures that must see another colour, and of how many of them as many may see the same."""
SPECK, WITHIN = 7, 0.4
"""Pixels, and the part of those around that must be strange too."""


@dataclass(frozen=True, eq=False)
class _Small:
    camera: Camera
    rgb: np.ndarray
    depth: np.ndarray
    found: np.ndarray


def without_strangers(
    memory: Sequence[MemoryFrame], found: Sequence[np.ndarray]
) -> list[MemoryFrame]:
    """The frames, exposed alike, unknown where their depth was filled in with that of a surface on
    which those who found it see other colours.

    found: (H, W) bool of each frame, where its depth was told by comparing pictures.
    """
    small = [_smaller(f, told) for f, told in zip(memory, found, strict=True)]
    judges = range(0, len(small), max(1, -(-len(small) // JUDGES)))
    kept = []
    for number, frame in enumerate(memory):
        strange = _strange(number, small, judges)
        if not strange.any():
            kept.append(frame)
            continue
        size = frame.camera.width, frame.camera.height
        large = cv2.resize(strange.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        assert frame.depth is not None, "nothing of it is strange else"
        depth = np.where(large & ~found[number], np.float32(0), frame.depth)
        kept.append(replace(frame, depth=depth))
    return kept


def _strange(number: int, frames: Sequence[_Small], judges: Sequence[int]) -> np.ndarray:
    """(H, W) bool of the smaller frame."""
    frame = frames[number]
    filled = np.isfinite(frame.depth) & (frame.depth > 0) & ~frame.found
    points = frame.camera.rays()[filled] * frame.depth[filled][:, None] + frame.camera.position
    colors = frame.rgb[filled].astype(int)
    alike, unlike = np.zeros((2, len(points)), int)
    for judge in judges:
        if judge == number:
            continue
        at, differs = _compared(points, colors, frames[judge])
        alike[at] += differs <= UNLIKE
        unlike[at] += differs > UNLIKE
    strange = np.zeros(frame.depth.shape, np.float32)
    strange[filled] = (unlike >= FEWEST) & (alike < MOST_ALIKE * unlike)
    return (cv2.boxFilter(strange, -1, (SPECK, SPECK)) > WITHIN) & filled


def _compared(
    points: np.ndarray, colors: np.ndarray, judge: _Small
) -> tuple[np.ndarray, np.ndarray]:
    """(K,) numbers of the points that the judge found a surface at, (K,) levels by which their
    colour differs from the most alike of the pixels there."""
    uv, z, inside = judge.camera.within(points)
    at = np.nonzero(inside)[0]
    column, row = uv[at].astype(int).T
    at_border = (column < 1) | (row < 1)
    at_border |= (column >= judge.camera.width - 1) | (row >= judge.camera.height - 1)
    at, column, row = (x[~at_border] for x in (at, column, row))
    sees = judge.found[row, column] & (np.abs(judge.depth[row, column] - z[at]) < SAME * z[at])
    at, column, row = (x[sees] for x in (at, column, row))
    differs = np.full(len(at), 255)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            there = judge.rgb[row + down, column + right].astype(int)
            differs = np.minimum(differs, np.abs(there - colors[at]).max(axis=1))
    return at, differs


def _smaller(frame: MemoryFrame, found: np.ndarray) -> _Small:
    camera = frame.camera
    scale = min(1.0, SIDE / max(camera.width, camera.height))
    size = max(3, round(camera.width * scale)), max(3, round(camera.height * scale))
    assert frame.depth is not None
    return _Small(
        camera.resized(*size),
        cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA),
        resize_depth(frame.depth, *size),
        cv2.resize(found.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
    )
