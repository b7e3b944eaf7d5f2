# SPDX-License-Identifier: GPL-3.0-or-later
"""What pixels of one surface tell each other: patterns completed, sparse light filled in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..jit import inlined, kernel
from ..threads import in_pieces
from .patterns import TILE

REACH = TILE // 2
SIDE = np.array([0.5, 1.0, 1.0, 1.0, 0.5], np.float32)
"""Weights along a side: every place of a tile counts once."""
HALVES = np.array([0.5, 1.0, 0.5], np.float32)
"""The same along tiles: every tile of a wide one counts once."""
SAME_WAY = 0.9
"""Least cosine of normals of what counts as one surface."""
SAME_PLANE = 3.0
"""Most pixels' widths that it may lie off the plane."""


_ENOUGH = 0.05


@dataclass(frozen=True, eq=False)
class Guide:
    """The grid's surfaces: valid (H, W) bool, position, normal (H, W, 3), width (H, W), and
    group (H, W) int32: pixels of other groups never mix."""

    valid: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    width: np.ndarray
    group: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.valid.shape

    @cached_property
    def beside(self) -> np.ndarray:
        """(H, W) int32, a bit for each pixel of the tile around one (25, row by row): whether it
        shows the same surface."""
        return self._alike(1, REACH)

    @cached_property
    def about(self) -> np.ndarray:
        """(H, W) int32, the same for the nine tiles of the wide one around, by their middles."""
        return self._alike(TILE, 1)

    def _alike(self, step: int, reach: int) -> np.ndarray:
        made = np.zeros(self.shape, np.int32)

        def work(part: slice) -> None:
            _alike(
                self.valid, self.position, self.normal, self.width, self.group, step, reach,
                part.start, part.stop, made,
            )  # fmt: skip

        in_pieces(work, len(made), piece=32)
        return made


def complete(
    values: np.ndarray, weights: np.ndarray, guide: Guide, wanted: np.ndarray | None = None
) -> np.ndarray:
    """(H, W, C): sum of values over sum of weights (H, W), around each pixel on its surface.

    values: (H, W, C) already times their weights. wanted: (H, W) bool, None = all. Zero where no
    weight is near and where nothing is wanted.
    """
    made, beside = np.zeros_like(values), guide.beside
    wanted = guide.valid if wanted is None else guide.valid & wanted

    def work(part: slice) -> None:
        _complete(values, weights, wanted, beside, 1, REACH, SIDE, part.start, part.stop, made)

    in_pieces(work, len(values), piece=32)
    return made


def complete_wide(values: np.ndarray, guide: Guide) -> np.ndarray:
    """Values (H, W, C) that `complete` made of tiles, brought together to wide tiles."""
    made, about, every = np.zeros_like(values), guide.about, np.ones(guide.shape, np.float32)

    def work(part: slice) -> None:
        _complete(values, every, guide.valid, about, TILE, 1, HALVES, part.start, part.stop, made)

    in_pieces(work, len(values), piece=32)
    return made


def turning(guide: Guide) -> np.ndarray:
    """(H * W,) how far normals turn within a tile, in radians about."""
    made = np.zeros(guide.shape, np.float32)
    for axis in (0, 1):
        one, other = np.roll(guide.normal, REACH, axis), np.roll(guide.normal, -REACH, axis)
        turned = np.linalg.norm(one - other, axis=2)
        # beyond the picture's rim and that of a surface nothing is known
        known = guide.valid & (np.roll(guide.group, REACH, axis) == guide.group)
        known &= np.roll(guide.group, -REACH, axis) == guide.group
        made += np.where(known, turned, 0)
    return made.ravel()


def spread(
    coarse: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: int, guide: Guide
) -> tuple[np.ndarray, np.ndarray]:
    """Values known at every `step`-th pixel brought to all: (H, W, C), and (H, W) bool where.

    coarse: (h, w, C) at pixels rows (h,) x columns (w,), NaN where there is no surface.
    """
    height, width = guide.shape
    made = np.zeros((height, width, coarse.shape[2]), np.float32)
    found = np.zeros((height, width), bool)

    def work(part: slice) -> None:
        _spread(
            coarse, rows, columns, step, guide.valid, guide.position, guide.normal, guide.width,
            part.start, part.stop, made, found,
        )  # fmt: skip

    in_pieces(work, height, piece=32)
    return made, found


def agreed(
    coarse: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: int, guide: Guide
) -> np.ndarray:
    """(H, W) float32: values known at every `step`-th pixel where the four around show the same
    surface and have the same one; -1 elsewhere, as where they are -1 themselves.

    coarse: (h, w) at pixels rows (h,) x columns (w,).
    """
    made = np.full(guide.shape, -1, np.float32)

    def work(part: slice) -> None:
        _agreed(
            coarse, rows, columns, step, guide.valid, guide.position, guide.normal, guide.width,
            guide.group, part.start, part.stop, made,
        )  # fmt: skip

    in_pieces(work, len(made), piece=32)
    return made


def borrow(
    values: np.ndarray,
    guide: Guide,
    pixel: np.ndarray,
    position: np.ndarray,
    normal: np.ndarray,
    group: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """For points (N,) seen at places `pixel` (N, 2) x and y: values (N, C) of the pixels around
    that show the same surface, the nearer the more.

    position, normal: (N, 3). group: (N,) int32. values: (H, W, C). Second: (N,) bool, where one
    was found.
    """
    count = len(pixel)
    made = np.zeros((count, values.shape[2]), np.float32)
    found = np.zeros(count, bool)
    place = pixel.astype(np.float32)

    def work(part: slice) -> None:
        _borrow(
            values, guide.valid, guide.position, guide.normal, guide.width, guide.group,
            place[part], position[part], normal[part], group[part], made[part], found[part],
        )  # fmt: skip

    in_pieces(work, count)
    return made, found


@inlined
def _facing(normal, y, x, other):
    """Cosine of a pixel's normal to another."""
    return other[0] * normal[y, x, 0] + other[1] * normal[y, x, 1] + other[2] * normal[y, x, 2]


@inlined
def _off_plane(position, normal, y, x, point):
    """How far a point lies from the plane of a pixel."""
    return abs(
        (point[0] - position[y, x, 0]) * normal[y, x, 0]
        + (point[1] - position[y, x, 1]) * normal[y, x, 1]
        + (point[2] - position[y, x, 2]) * normal[y, x, 2]
    )


@kernel
def _alike(valid, position, normal, width, group, step, reach, start, stop, out):
    height, wide = valid.shape
    for y in range(start, stop):
        for x in range(wide):
            if not valid[y, x]:
                continue
            bit, bits = 1, 0
            for dy in range(-reach, reach + 1):
                v = y + dy * step
                for dx in range(-reach, reach + 1):
                    u = x + dx * step
                    if (
                        0 <= v < height
                        and 0 <= u < wide
                        and valid[v, u]
                        and group[v, u] == group[y, x]
                        and _facing(normal, v, u, normal[y, x]) >= SAME_WAY
                        and _off_plane(position, normal, y, x, position[v, u])
                        <= SAME_PLANE * step * width[y, x]
                    ):
                        bits |= bit
                    bit <<= 1
            out[y, x] = bits


@kernel
def _complete(values, weights, wanted, alike, step, reach, side, start, stop, out):
    channels = values.shape[2]
    for y in range(start, stop):
        for x in range(values.shape[1]):
            if not wanted[y, x]:
                continue
            bits, weight = alike[y, x], np.float32(0)
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    if bits & 1:
                        v, u = y + dy * step, x + dx * step
                        share = side[dy + reach] * side[dx + reach]
                        weight += share * weights[v, u]
                        for c in range(channels):
                            out[y, x, c] += share * values[v, u, c]
                    bits >>= 1
            for c in range(channels):
                out[y, x, c] = out[y, x, c] / weight if weight > 0 else np.float32(0)


@kernel
def _spread(
    coarse, rows, columns, step, valid, position, normal, width, start, stop, out, found
):  # fmt: skip
    high, wide, channels = coarse.shape
    for y in range(start, stop):
        top = (y - rows[0]) / step
        r0 = int(np.floor(top))
        for x in range(valid.shape[1]):
            if not valid[y, x]:
                continue
            left = (x - columns[0]) / step
            c0 = int(np.floor(left))
            total = 0.0
            for j in range(2):
                r = min(max(r0 + j, 0), high - 1)
                wy = 1.0 - abs(top - (r0 + j))
                for i in range(2):
                    c = min(max(c0 + i, 0), wide - 1)
                    wx = 1.0 - abs(left - (c0 + i))
                    v, u = rows[r], columns[c]
                    if not valid[v, u]:
                        continue
                    facing = _facing(normal, v, u, normal[y, x])
                    if facing < SAME_WAY:
                        continue
                    off = _off_plane(position, normal, y, x, position[v, u])
                    if off > SAME_PLANE * step * width[y, x]:
                        continue
                    share = (wx * wy + 0.02) * facing
                    total += share
                    for k in range(channels):
                        out[y, x, k] += share * coarse[r, c, k]
            if total > 0.0:
                found[y, x] = True
                for k in range(channels):
                    out[y, x, k] /= total


@kernel
def _agreed(
    coarse, rows, columns, step, valid, position, normal, width, group, start, stop, out
):  # fmt: skip
    high, wide = coarse.shape
    for y in range(start, stop):
        r0 = int(np.floor((y - rows[0]) / step))
        for x in range(valid.shape[1]):
            c0 = int(np.floor((x - columns[0]) / step))
            if not valid[y, x] or r0 < 0 or c0 < 0 or r0 + 1 >= high or c0 + 1 >= wide:
                continue
            value = coarse[r0, c0]
            for corner in range(4):
                r, c = r0 + corner // 2, c0 + corner % 2
                v, u = rows[r], columns[c]
                if (
                    coarse[r, c] != value
                    or not valid[v, u]
                    or group[v, u] != group[y, x]
                    or _facing(normal, v, u, normal[y, x]) < SAME_WAY
                    or _off_plane(position, normal, y, x, position[v, u])
                    > SAME_PLANE * step * width[y, x]
                ):
                    value = np.float32(-1)
                    break
            out[y, x] = value


@kernel
def _borrow(
    values, valid, position, normal, width, group, place, at, facing, mine, out, found
):  # fmt: skip
    height, wide, channels = values.shape
    for i in range(place.shape[0]):
        px, py = place[i, 0], place[i, 1]
        row, column = int(np.floor(py)), int(np.floor(px))
        for attempt in range(2):
            # by distance; where the nearest show something else, by whoever shows the surface
            total = 0.0
            for v in range(max(row - 1, 0), min(row + 2, height)):
                wy = max(1.0 - abs(v + 0.5 - py), 0.0)
                for u in range(max(column - 1, 0), min(column + 2, wide)):
                    near = wy * max(1.0 - abs(u + 0.5 - px), 0.0) if attempt == 0 else 1.0
                    if near <= 0.0 or not valid[v, u] or group[v, u] != mine[i]:
                        continue
                    same = _facing(normal, v, u, facing[i])
                    if same < SAME_WAY:
                        continue
                    off = _off_plane(position, normal, v, u, at[i])
                    if off > SAME_PLANE * width[v, u]:
                        continue
                    total += same * near
                    for c in range(channels):
                        out[i, c] += same * near * values[v, u, c]
            if total > _ENOUGH:
                found[i] = True
                for c in range(channels):
                    out[i, c] /= total
                break
            out[i] = 0.0
