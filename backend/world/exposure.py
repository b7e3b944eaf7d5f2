# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of one place that a camera exposed one by one are made alike.

A picture's exposure is taken as one number, added to the log odds of its linear colours: dark
ones are multiplied, black stays black and white white, much as film and phones roll off. What
several pictures see of the same surface says how they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..data.depth_files import resize_depth
from ..shared.color import LINEAR, linear_to_srgb
from ..shared.frame import MemoryFrame
from .identity import frame_id
from .pair_offsets import pair_offsets

SIDE = 128
"""Pixels of the longer side that pictures are compared with."""
SAME = 0.02
"""Relative difference of depth up to which two pictures see the same surface."""
DARKEST, BRIGHTEST = 8, 247
"""sRGB levels between which a colour tells an exposure."""
FEWEST = 100
"""Pixels that two pictures must see alike to be compared."""
ROUNDS, OUTLIER, PULL = 10, 0.1, 1e-3
"""Of reweighting, the difference from which on a pair's word counts less, and the pull to none."""
LEAST = 0.05
"""Greatest offset (in log odds; 0.05 is 3 levels of 255 at mid grey) up to which all is left."""
EXPLAINED = 0.5
"""Part of the pairs' differences (their squares) that exposures must explain to be believed."""


def evened(memory: Sequence[MemoryFrame]) -> tuple[list[MemoryFrame], float]:
    """The frames as if exposed alike, and by how many stops the darkest and the brightest differed.

    Unchanged, and 0, where nothing is found to even out. Radiance is not looked at: renders are
    exposed alike.
    """
    offsets = exposures(memory)
    if not offsets.any():
        return list(memory), 0.0
    made = []
    for frame, offset in zip(memory, offsets, strict=True):
        if frame.radiance is not None:
            made.append(frame)
            continue
        rgb = cv2.LUT(frame.rgb, _table(-float(offset)))
        made.append(replace(frame, id=frame_id(frame.camera, rgb), rgb=rgb))
    return made, float(np.ptp(offsets) / np.log(2))


def exposures(memory: Sequence[MemoryFrame]) -> np.ndarray:
    """(N,) offset of each frame's log odds from their mean; all 0 where none is to be believed."""
    nothing = np.zeros(len(memory))
    small = [_smaller(f) for f in memory]
    first, second, differs, weight = _pairs(small)
    if not len(first):
        return nothing
    robust = weight.copy()
    for _ in range(ROUNDS):
        pairs = zip(first, second, differs, robust, strict=True)
        found = pair_offsets(len(memory), pairs, PULL)
        found -= found.mean()
        left = np.abs(differs - (found[second] - found[first]))
        robust = weight * np.minimum(1, OUTLIER / np.maximum(left, 1e-9))
    left = differs - (found[second] - found[first])
    believed = (weight * left**2).sum() < (1 - EXPLAINED) * (weight * differs**2).sum()
    return found if believed and np.abs(found).max() > LEAST else nothing


def _pairs(
    frames: Sequence[MemoryFrame | None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(M,) first and second frame of each pair that sees the same, (M,) by how much the second's
    log odds are larger, (M,) its weight.

    Each is compared with the frames 1, 2, 4, 8... places on, so that all hang together.
    """
    found = []
    count = len(frames)
    steps = sorted({2**k % count for k in range(count.bit_length())} - {0})
    for i, frame in enumerate(frames):
        if frame is None:
            continue
        for j in {(i + step) % count for step in steps} - {i}:
            other = frames[j]
            if other is None:
                continue
            apart = _difference(frame, other)
            if len(apart) >= FEWEST:
                found.append((i, j, float(np.median(apart)), float(np.sqrt(len(apart)))))
    first, second, differs, weight = np.array(found).reshape(-1, 4).T
    return first.astype(int), second.astype(int), differs, weight


def _difference(frame: MemoryFrame, other: MemoryFrame) -> np.ndarray:
    """(K,) log odds of what both see in the other frame's picture, less those in the first's."""
    assert frame.depth is not None and other.depth is not None
    solid = np.isfinite(frame.depth) & (frame.depth > 0)
    points = frame.camera.rays()[solid] * frame.depth[solid][:, None] + frame.camera.position
    uv, z, inside = other.camera.within(points)
    x, y = uv[inside].astype(int).T
    same = np.abs(other.depth[y, x] - z[inside]) < SAME * z[inside]
    here, there = frame.rgb[solid][inside][same], other.rgb[y, x][same]
    told = (np.minimum(here, there).min(axis=1) >= DARKEST) & (
        np.maximum(here, there).max(axis=1) <= BRIGHTEST
    )
    return (_log_odds(there[told]) - _log_odds(here[told])).mean(axis=1)


def _log_odds(rgb: np.ndarray) -> np.ndarray:
    linear = LINEAR[rgb].astype(np.float64)
    return np.log(linear / (1 - linear))


def _table(offset: float) -> np.ndarray:
    """(256,) uint8: what each sRGB level becomes when `offset` is added to its log odds."""
    gain = np.exp(offset)
    bright = gain * LINEAR / (1 + (gain - 1) * LINEAR.astype(np.float64))
    return np.rint(255 * linear_to_srgb(bright)).astype(np.uint8)


def _smaller(frame: MemoryFrame) -> MemoryFrame | None:
    """None where it says nothing: without depth, or of radiance."""
    if frame.depth is None or frame.radiance is not None:
        return None
    camera = frame.camera
    scale = min(1.0, SIDE / max(camera.width, camera.height))
    size = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    rgb = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)
    depth = resize_depth(frame.depth, *size)
    return MemoryFrame(frame.id, frame.name, camera.resized(*size), rgb, depth)
