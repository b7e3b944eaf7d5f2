# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles of an object that lie in one level plane and cover each other in part: faces
triangulated twice, arrays and mirrored halves that reach into one another.

As where a whole surface stands at one place twice (`doubled`), what leaves the one meets the
other at once: in planes across an axis arithmetic is exact, and Cycles has them black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..jit import kernel

MOST = 100_000
"""Level triangles of an object from which none is compared: large flat grids."""
_STEPS = 10_000_000
"""Comparisons, some 50 ms, after which no more are made."""
_TOUCH = 1e-4
"""Part of a triangle's size by which it must reach into another."""
_ROUNDING = 1.2e-7
"""Part of a coordinate by which corners of a level plane may differ."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Of T triangles. first: (T + 1,) int64 where each one's partners begin in other (K,) int32."""

    first: np.ndarray
    other: np.ndarray

    @classmethod
    def of(cls, corners: np.ndarray) -> Overlaps | None:
        """Of triangles (T, 3, 3) float32; None where none covers another."""
        level = np.empty((3, len(corners)), bool)
        _level(corners, np.float32(_ROUNDING), level)
        parts = [_pairs_across(corners, axis, np.flatnonzero(level[axis])) for axis in range(3)]
        pairs = np.concatenate(parts)
        if not len(pairs):
            return None
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.lexsort((both[:, 1], both[:, 0]))]
        first = np.searchsorted(both[:, 0], np.arange(len(corners) + 1))
        return cls(first.astype(np.int64), both[:, 1].astype(np.int32))

    @classmethod
    def joined(cls, parts: list[Overlaps | None], first: np.ndarray) -> Overlaps | None:
        """Of instances, whose triangles begin at first (I + 1,); None where none has any."""
        if all(part is None for part in parts):
            return None
        starts, others, count = [np.zeros(1, np.int64)], [], 0
        for part, begin, end in zip(parts, first, first[1:], strict=False):
            if part is None:
                starts.append(np.full(end - begin, count, np.int64))
                continue
            starts.append(count + part.first[1:])
            others.append(part.other + np.int32(begin))
            count += len(part.other)
        return cls(np.concatenate(starts), np.concatenate(others))

    def dark(
        self, triangle: np.ndarray, position: np.ndarray, corners: np.ndarray, blocks: np.ndarray
    ) -> np.ndarray:
        """(N,) bool: points `position` (N, 3) of triangles (N,) that another covers.

        corners: (T, 3, 3). blocks: (T,) bool of triangles that stop light.
        """
        made = np.zeros(len(triangle), bool)
        some = np.flatnonzero(self.first[triangle + 1] > self.first[triangle])
        if len(some):
            found = np.zeros(len(some), bool)
            _covered(triangle[some], position[some], corners, blocks, self.first, self.other, found)
            made[some] = found
        return made


@kernel
def _level(corners, rounding, out):
    """out (3, T): which triangles (T, 3, 3) are across each axis."""
    for t in range(len(corners)):
        for axis in range(3):
            a, b, c = corners[t, 0, axis], corners[t, 1, axis], corners[t, 2, axis]
            low, high = min(a, b, c), max(a, b, c)
            out[axis, t] = high - low <= rounding * max(abs(low), abs(high))


def _pairs_across(corners: np.ndarray, axis: int, level: np.ndarray) -> np.ndarray:
    """(P, 2) triangles of numbers `level` (L,), which lie across an axis, that cover each other,
    each pair once."""
    if not 2 <= len(level) <= MOST:
        return np.zeros((0, 2), np.int64)
    level = level[np.argsort(corners[level, 0, axis], kind="stable")]
    height = corners[level, 0, axis]
    gap = np.diff(height) > _ROUNDING * np.abs(height[1:])
    plane = np.concatenate([[0], np.cumsum(gap)])
    flat = corners[level][:, :, [(axis + 1) % 3, (axis + 2) % 3]].astype(np.float64)
    low, high = flat.min(axis=1), flat.max(axis=1)
    order = np.lexsort((low[:, 0], plane))
    found = np.empty((8 * len(level), 2), np.int64)
    count = _pairs(flat[order], low[order], high[order], plane[order], _STEPS, found)
    return level[order][found[:count]]


@kernel
def _pairs(flat, low, high, plane, steps, found):
    """found (K, 2): pairs of triangles flat (N, 3, 2) that reach into each other; how many there
    are. low, high: (N, 2) their bounds. They are in the order of plane (N,) and low[:, 0]."""
    count = 0
    for i in range(len(flat)):
        for j in range(i + 1, len(flat)):
            steps -= 1
            if steps < 0 or count == len(found):
                return count
            if plane[j] != plane[i] or low[j, 0] >= high[i, 0]:
                break
            if low[j, 1] >= high[i, 1] or high[j, 1] <= low[i, 1]:
                continue
            if _reach(flat[i], flat[j]) and _reach(flat[j], flat[i]):
                found[count, 0], found[count, 1] = i, j
                count += 1
    return count


@kernel
def _reach(one, other):
    """Whether `other` (3, 2) is beyond none of the edges of `one` (3, 2), by more than a touch."""
    ax, ay = one[1, 0] - one[0, 0], one[1, 1] - one[0, 1]
    bx, by = one[2, 0] - one[0, 0], one[2, 1] - one[0, 1]
    area = ax * by - ay * bx
    if area == 0.0:
        return False
    for e in range(3):
        f = (e + 1) % 3
        dx, dy = one[f, 0] - one[e, 0], one[f, 1] - one[e, 1]
        most = -np.inf
        for c in range(3):
            side = dx * (other[c, 1] - one[e, 1]) - dy * (other[c, 0] - one[e, 0])
            most = max(most, side / area)
        if most < _TOUCH:
            return False
    return True


@kernel
def _covered(triangle, position, corners, blocks, first, other, out):
    for i in range(len(triangle)):
        for k in range(first[triangle[i]], first[triangle[i] + 1]):
            if blocks[other[k]] and _inside(position[i], corners[other[k]]):
                out[i] = True
                break


@kernel
def _inside(point, triangle):
    """Whether a point (3,) of the plane of a triangle (3, 3) is within it."""
    a = triangle[1] - triangle[0]
    b = triangle[2] - triangle[0]
    p = point - triangle[0]
    aa, ab, bb = (a * a).sum(), (a * b).sum(), (b * b).sum()
    pa, pb = (p * a).sum(), (p * b).sum()
    area = aa * bb - ab * ab
    u, v = bb * pa - ab * pb, aa * pb - ab * pa
    return u >= 0.0 and v >= 0.0 and u + v <= area
