# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to pixels: which pixels need many, and Cycles' own pixel filter over them."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...shared.scene import Film
from ..threads import in_pieces
from .window import Guide

SIDE = 3
"""Samples along a side of a pixel at an edge."""
MARGIN = 1
"""Pixels beyond the picture that its filter reaches."""
CONTRAST = 0.12
"""Difference of neighbours' base colours from which a pixel is an edge."""
MOST = 0.5
"""Part of the pixels that may have many samples."""
_REACH = 4
_TEXTURE = 0.06
"""Variance, in square pixels, of what a texture's own filter has done already."""

OFFSETS = (np.arange(SIDE) - (SIDE - 1) / 2) / SIDE
"""Where samples lie off a pixel's middle."""


def taps(film: Film) -> np.ndarray:
    """(9,) float32 weights of samples a third of a pixel apart; they add up to 1.

    Cycles doubles the width of Blackman-Harris, and a box is a pixel wide.
    """
    x = np.arange(-_REACH, _REACH + 1) / SIDE
    if film.filter == "BOX":
        weight = np.where(np.abs(x) < 0.5, 1.0, 0.0)
    elif film.filter == "GAUSSIAN":
        width = max(film.width, 0.01)
        weight = np.where(np.abs(x) <= width / 2, np.exp(-2 * (6 * x / width) ** 2), 0)
    else:
        width = max(2 * film.width, 0.01)
        t = 2 * np.pi * (x / width + 0.5)
        weight = 0.35875 - 0.48829 * np.cos(t) + 0.14128 * np.cos(2 * t) - 0.01168 * np.cos(3 * t)
        weight = np.where(np.abs(x) <= width / 2, weight, 0)
    weight = np.maximum(weight, 0)
    weight[_REACH] = max(weight[_REACH], 1e-6)
    return (weight / weight.sum()).astype(np.float32)


def plain_share(taps: np.ndarray) -> float:
    """How much of a neighbour's colour a pixel without edges takes, along one axis."""
    x = np.arange(-_REACH, _REACH + 1) / SIDE
    variance = float((taps * x * x).sum())
    return float(np.clip(0.5 * (variance - _TEXTURE), 0, 0.3))


def edges(guide: Guide, base: np.ndarray, shadow: np.ndarray | None) -> np.ndarray:
    """(H, W) bool: pixels whose surroundings are not one smooth surface of one colour.

    base: (H, W, 3) colours of surfaces (or of the background). shadow: (H, W, L) 0 or 1 of
    lamps whose shadows are sharp.
    """
    rough = np.zeros(guide.shape, bool)
    soft = np.zeros(guide.shape, bool)
    for axis in (0, 1):
        one = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        other = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        differs = guide.valid[one] != guide.valid[other]
        both = guide.valid[one] & guide.valid[other]
        n1, n2 = guide.normal[one], guide.normal[other]
        gap = guide.position[other] - guide.position[one]
        off = np.maximum(
            np.abs(np.einsum("hwc,hwc->hw", gap, n1)), np.abs(np.einsum("hwc,hwc->hw", gap, n2))
        )
        width = np.maximum(guide.width[one], guide.width[other])
        turned = np.einsum("hwc,hwc->hw", n1, n2) < 0.8
        differs |= both & ((off > 2 * width) | turned | (guide.group[one] != guide.group[other]))
        rough[one] |= differs
        rough[other] |= differs
        change = np.abs(base[one] - base[other]).max(axis=2) > CONTRAST
        if shadow is not None and shadow.size:
            change |= (np.abs(shadow[one] - shadow[other]) > 0.5).any(axis=2)
        soft[one] |= change
        soft[other] |= change
    if (rough | soft).mean() > MOST:
        return rough
    return rough | soft


def sample_positions(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(N * 9, 2) x and y of the samples of pixels (N,), in rows; the fifth is the middle."""
    y, x = np.meshgrid(OFFSETS, OFFSETS, indexing="ij")
    offsets = np.stack([x.ravel(), y.ravel()], axis=1)
    centres = np.stack([column + 0.5, row + 0.5], axis=1)
    return (centres[:, None] + offsets[None]).reshape(-1, 2)


def resolve(
    centres: np.ndarray, samples: np.ndarray, first: np.ndarray, taps: np.ndarray
) -> np.ndarray:
    """(H, W, C) pixels of a grid with a margin.

    centres: (H + 2, W + 2, C) one sample a pixel. samples: (N * 9, C) of pixels that have many.
    first: (H + 2, W + 2) int32 where a pixel's begin in `samples`, -1 = it has one.
    """
    height, width, channels = centres.shape
    made = np.zeros((height - 2 * MARGIN, width - 2 * MARGIN, channels), np.float32)
    share = np.float32(plain_share(taps))

    def work(part: slice) -> None:
        _resolve(centres, samples, first, taps, share, part.start, part.stop, made)

    in_pieces(work, len(made), piece=32)
    return made


@njit(nogil=True, cache=True)
def _resolve(centres, samples, first, taps, share, start, stop, out):
    channels = centres.shape[2]
    for y in range(start, stop):
        for x in range(out.shape[1]):
            row, column = y + MARGIN, x + MARGIN
            if first[row, column] < 0:
                for dy in range(-1, 2):
                    wy = share if dy != 0 else 1.0 - 2.0 * share
                    for dx in range(-1, 2):
                        w = wy * (share if dx != 0 else 1.0 - 2.0 * share)
                        for c in range(channels):
                            out[y, x, c] += w * centres[row + dy, column + dx, c]
                continue
            for ty in range(-_REACH, _REACH + 1):
                wy = taps[ty + _REACH]
                if wy <= 0.0:
                    continue
                sub = ty + 1 + SIDE  # from the first sample of the pixel above
                v, j = row - 1 + sub // SIDE, sub % SIDE
                if v < 0 or v >= centres.shape[0]:
                    v = min(max(v, 0), centres.shape[0] - 1)
                for tx in range(-_REACH, _REACH + 1):
                    w = wy * taps[tx + _REACH]
                    if w <= 0.0:
                        continue
                    sub = tx + 1 + SIDE
                    u, i = column - 1 + sub // SIDE, sub % SIDE
                    u = min(max(u, 0), centres.shape[1] - 1)
                    at = first[v, u]
                    if at < 0:
                        for c in range(channels):
                            out[y, x, c] += w * centres[v, u, c]
                    else:
                        for c in range(channels):
                            out[y, x, c] += w * samples[at + j * SIDE + i, c]
