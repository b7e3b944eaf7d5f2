# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion blur of things that move by themselves, each before a picture of what is behind it.

While the shutter is open a thing covers each pixel for a part of the time: at every moment the
pixel looks back along the thing's way, whose course beyond its outline is that of its nearest
pixel. What it uncovers is known, since the scene was rendered without it as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt

from ..conditioning.jit import loose
from ..conditioning.threads import in_pieces
from ..shared.frame import FrameReply
from .layers import layers_of, with_layers
from .movers import Movers
from .shutter import exposed, finite_depth

_MOST_MOMENTS = 64
_MOMENTS_A_PIXEL = 1.5
"""Moments that are looked at, for each pixel of the longest way."""
_ROUNDS = 3
"""Steps of the search for what is at a pixel at a moment."""
_ALIKE = 1e-4
"""Squared difference of two colours from which on a share between them is told."""
_IN_FRONT = 0.98


@dataclass(frozen=True, eq=False)
class _Passing:
    """One thing, in the part of the picture that it passes; h x w pixels from `corner` (y, x).

    front: (h, w, 5) float32 its colour and alpha times its share of a pixel, and that share.
    begin, end: (h, w, 2) float32 its way, beyond its outline that of its nearest pixel.
    depth: (h, w) float32, likewise.
    """

    corner: tuple[int, int]
    front: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    depth: np.ndarray


def passed(sharp: FrameReply, behind: FrameReply, movers: Movers) -> FrameReply:
    """The frame as its request's shutter sees it. behind: the same without the `movers`."""
    made = layers_of(exposed(behind))
    depth, hidden = finite_depth(sharp.depth), finite_depth(behind.depth)
    whole, still = layers_of(sharp), layers_of(behind)
    far_first = sorted(movers.instances, key=lambda one: -np.median(depth[movers.number == one]))
    for number in far_first:
        thing = _passing(movers, number, whole, still, depth)
        top, left = thing.corner
        height, width = thing.depth.shape
        here = np.s_[top : top + height, left : left + width]
        share = _shares(thing, hidden[here])
        made[here] = made[here] * (1 - share[..., 4:]) + share[..., :4]
    return with_layers(sharp, made)


def _passing(
    movers: Movers, number: int, whole: np.ndarray, still: np.ndarray, depth: np.ndarray
) -> _Passing:
    mask = movers.number == number
    rows, columns = np.nonzero(mask)
    way = np.concatenate([movers.begin[mask], movers.end[mask], np.zeros((1, 2), np.float32)])
    low, high = np.floor(way.min(axis=0)) - 2, np.ceil(way.max(axis=0)) + 2
    height, width = mask.shape
    top, left = max(int(rows.min() + low[1]), 0), max(int(columns.min() + low[0]), 0)
    bottom = min(int(rows.max() + high[1]) + 1, height)
    right = min(int(columns.max() + high[0]) + 1, width)
    here = np.s_[top:bottom, left:right]
    mask = mask[here]
    nearest = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    others = (movers.number[here] >= 0) & ~mask
    share = _share(mask, others, whole[here], still[here])[..., None]
    own = np.where(share > 0, whole[here] - (1 - share) * still[here], 0)
    front = np.concatenate([own, share], axis=2)
    begin, end, near = (
        values[here][tuple(nearest)] for values in (movers.begin, movers.end, depth)
    )
    return _Passing((top, left), front, begin, end, near.astype(np.float32))


def _share(
    mask: np.ndarray, others: np.ndarray, whole: np.ndarray, still: np.ndarray
) -> np.ndarray:
    """(h, w) float32 how much of each pixel a thing covers: told at its outline by where a pixel
    lies between what is behind it and the thing's nearest inner pixel."""
    square = np.ones((3, 3), bool)
    inner = binary_erosion(mask, square)
    share = mask.astype(np.float32)
    if not inner.any():
        return share
    edge = binary_dilation(mask, square) & ~inner & ~others
    nearest = distance_transform_edt(~inner, return_distances=False, return_indices=True)
    span = whole[tuple(nearest)] - still
    most = (span**2).sum(axis=2)
    told = ((whole - still) * span).sum(axis=2) / np.maximum(most, _ALIKE)
    edge &= most > _ALIKE
    share[edge] = np.clip(told[edge], 0, 1)
    return share


def _shares(thing: _Passing, hidden: np.ndarray) -> np.ndarray:
    """(h, w, 5) float32 means of `front` over the time that the shutter is open.

    hidden: (h, w) depth of what stands still.
    """
    longest = np.linalg.norm(thing.end - thing.begin, axis=2).max()
    count = int(np.clip(longest * _MOMENTS_A_PIXEL, 2, _MOST_MOMENTS))
    seen = np.zeros_like(thing.front)

    def work(part: slice) -> None:
        _look_back(
            thing.front, thing.begin, thing.end, thing.depth, hidden.astype(np.float32), count,
            part.start, part.stop, seen,
        )  # fmt: skip

    in_pieces(work, len(seen), piece=16)
    return seen


@loose
def _look_back(front, begin, end, depth, hidden, count, start, stop, out):
    height, width, channels = front.shape
    for y in range(start, stop):
        for x in range(width):
            for k in range(count):
                t = (np.float32(k) + np.float32(0.5)) / np.float32(count)
                u, v = np.float32(x), np.float32(y)
                r = c = 0
                for _ in range(_ROUNDS):
                    c = min(max(int(np.floor(u + np.float32(0.5))), 0), width - 1)
                    r = min(max(int(np.floor(v + np.float32(0.5))), 0), height - 1)
                    u = x - (begin[r, c, 0] + t * (end[r, c, 0] - begin[r, c, 0]))
                    v = y - (begin[r, c, 1] + t * (end[r, c, 1] - begin[r, c, 1]))
                if hidden[y, x] < depth[r, c] * _IN_FRONT:
                    continue
                left, top = int(np.floor(u)), int(np.floor(v))
                for dy in range(2):
                    for dx in range(2):
                        r, c = top + dy, left + dx
                        if r < 0 or c < 0 or r >= height or c >= width:
                            continue
                        weight = (1 - abs(u - c)) * (1 - abs(v - r)) / np.float32(count)
                        for i in range(channels):
                            out[y, x, i] += weight * front[r, c, i]
