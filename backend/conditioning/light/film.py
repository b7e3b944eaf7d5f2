# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to pixels: which pixels need many, and Cycles' own pixel filter over them."""

from __future__ import annotations

import numpy as np

from ...shared.scene import Film
from ..jit import kernel
from ..threads import in_pieces
from .window import Guide

SIDE = 3
"""Samples along a side of a pixel at an edge."""
MARGIN = 1
"""Pixels beyond the picture that its filter reaches."""
CONTRAST = 0.12
"""Difference of neighbours' base colours from which a pixel is an edge."""
SAME_WAY = 0.9
"""Cosine of neighbours' normals below which there is an edge between them."""
NEAR = 2
"""Pixels around one whose colour changes that count as changing too."""
MOST = 0.7
"""Part of the pixels that may have many samples."""
_TEXTURE = 0.06
"""Variance, in square pixels, of what a texture's own filter has done already."""

_STEPS = np.arange(SIDE * SIDE)
OFFSETS = (
    np.stack(
        [
            (_STEPS % SIDE) * SIDE + _STEPS // SIDE,
            (_STEPS // SIDE) * SIDE + _STEPS % SIDE,
        ],
        axis=1,
    )
    + 0.5
) / SIDE**2 - 0.5
"""(9, 2) where samples lie off a pixel's middle, x and y: a grid, turned so that no two lie in a
row or column, and edges along these have nine steps and not three."""


def curve(film: Film, x: np.ndarray) -> np.ndarray:
    """(...) weights of samples `x`, (...) pixels from a pixel's middle, along one axis; not
    normalised.

    Cycles doubles the width of Blackman-Harris, and a box is a pixel wide.
    """
    if film.filter == "BOX":
        return np.where(np.abs(x) <= 0.5, 1.0, 0.0)
    if film.filter == "GAUSSIAN":
        width = max(film.width, 0.01)
        return np.where(np.abs(x) <= width / 2, np.exp(-2 * (6 * x / width) ** 2), 0)
    width = max(2 * film.width, 0.01)
    t = 2 * np.pi * (x / width + 0.5)
    weight = 0.35875 - 0.48829 * np.cos(t) + 0.14128 * np.cos(2 * t) - 0.01168 * np.cos(3 * t)
    return np.where(np.abs(x) <= width / 2, np.maximum(weight, 0), 0)


def weights(film: Film) -> np.ndarray:
    """(3, 3, 9) float32 of the samples of a pixel's neighbours (rows, columns); sum 1."""
    step = np.arange(-1, 2)
    x = curve(film, step[:, None] + OFFSETS[None, :, 0])
    y = curve(film, step[:, None] + OFFSETS[None, :, 1])
    made = y[:, None] * x[None]
    if made.sum() <= 0:
        made[1, 1] = 1
    return (made / made.sum()).astype(np.float32)


def plain_share(film: Film) -> float:
    """How much of a neighbour's colour a pixel without edges takes, along one axis."""
    x = np.linspace(-1.5, 1.5, 301)
    weight = curve(film, x)
    variance = float((weight * x * x).sum() / max(weight.sum(), 1e-9))
    return float(np.clip(0.5 * (variance - _TEXTURE), 0, 0.3))


def edges(
    guide: Guide, base: np.ndarray, shadow: np.ndarray | None, fine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) bool: pixels whose surroundings are not one smooth surface of one colour; and those
    among them where a single surface may look different from sample to sample.

    base: (H, W, C) colours of surfaces (or of the background) and their bumps. shadow: (H, W, L)
    0 or 1 of lamps whose shadows are sharp. fine: (G,) bool of the guide's groups, whether colours
    change faster than pixels tell.
    """
    rough = np.zeros(guide.shape, bool)
    soft = np.zeros(guide.shape, bool)
    for axis in (0, 1):
        one, other = _neighbours(axis)
        differs = guide.valid[one] != guide.valid[other]
        both = guide.valid[one] & guide.valid[other]
        n1, n2 = guide.normal[one], guide.normal[other]
        gap = guide.position[other] - guide.position[one]
        off = np.maximum(
            np.abs(np.einsum("hwc,hwc->hw", gap, n1)), np.abs(np.einsum("hwc,hwc->hw", gap, n2))
        )
        width = np.maximum(guide.width[one], guide.width[other])
        turned = np.einsum("hwc,hwc->hw", n1, n2) < SAME_WAY
        differs |= both & ((off > 2 * width) | turned | (guide.group[one] != guide.group[other]))
        rough[one] |= differs
        rough[other] |= differs
        change = np.abs(base[one] - base[other]).max(axis=2) > CONTRAST
        if shadow is not None and shadow.size:
            change |= (np.abs(shadow[one] - shadow[other]) > 0.5).any(axis=2)
        soft[one] |= change
        soft[other] |= change
    # what a single sample misses of a fine texture is missed in rows: its surroundings tell
    for near in (soft | (_spread(soft, guide) & fine[guide.group]), soft):
        if (rough | near).mean() <= MOST:
            return rough | near, near
    return rough, rough & soft


def differing(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels of `where` (H, W) next to one of another colour, (H, W, 4)."""
    color = np.maximum(picture[..., :3], 0)
    color = color / (color + max(float(color.mean()), 1e-6))
    found = np.zeros(where.shape, bool)
    for axis in (0, 1):
        one, other = _neighbours(axis)
        change = np.abs(color[one] - color[other]).max(axis=2) > CONTRAST
        found[one] |= change
        found[other] |= change
    return found & where


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where pixels are and where those after them along an axis."""
    one = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
    return one, tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))


def _spread(marks: np.ndarray, guide: Guide) -> np.ndarray:
    """(H, W) bool: marks, and pixels of the same group up to NEAR pixels along a side from one."""
    for axis in (0, 1):
        wide = marks.copy()
        for step in range(1, NEAR + 1):
            one = tuple(slice(None, -step) if a == axis else slice(None) for a in (0, 1))
            other = tuple(slice(step, None) if a == axis else slice(None) for a in (0, 1))
            same = guide.group[one] == guide.group[other]
            wide[one] |= marks[other] & same
            wide[other] |= marks[one] & same
        marks = wide
    return marks


def sample_positions(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(N * 9, 2) x and y of the samples of pixels (N,)."""
    centres = np.stack([column + 0.5, row + 0.5], axis=1)
    return (centres[:, None] + OFFSETS[None]).reshape(-1, 2)


def resolve(centres: np.ndarray, samples: np.ndarray, first: np.ndarray, film: Film) -> np.ndarray:
    """(H, W, C) pixels of a grid with a margin.

    centres: (H + 2, W + 2, C) one sample a pixel. samples: (N * 9, C) of pixels that have many.
    first: (H + 2, W + 2) int32 where a pixel's begin in `samples`, -1 = it has one.
    """
    height, width, channels = centres.shape
    made = np.zeros((height - 2 * MARGIN, width - 2 * MARGIN, channels), np.float32)
    share, table = np.float32(plain_share(film)), weights(film)

    def work(part: slice) -> None:
        _resolve(centres, samples, first, table, share, part.start, part.stop, made)

    in_pieces(work, len(made), piece=32)
    return made


@kernel
def _resolve(centres, samples, first, table, share, start, stop, out):
    channels, count = centres.shape[2], table.shape[2]
    for y in range(start, stop):
        for x in range(out.shape[1]):
            row, column = y + MARGIN, x + MARGIN
            many = first[row, column] >= 0
            for dy in range(-1, 2):
                wy = share if dy != 0 else 1.0 - 2.0 * share
                for dx in range(-1, 2):
                    at = first[row + dy, column + dx]
                    if many and at >= 0:
                        for k in range(count):
                            w = table[dy + 1, dx + 1, k]
                            for c in range(channels):
                                out[y, x, c] += w * samples[at + k, c]
                        continue
                    w = wy * (share if dx != 0 else 1.0 - 2.0 * share)
                    if many:
                        w = table[dy + 1, dx + 1].sum()
                    for c in range(channels):
                        out[y, x, c] += w * centres[row + dy, column + dx, c]
