# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh laid flat: every triangle has texels of its own. numpy alone.

Triangles that hang together and face the same side of a box are one chart, seen from that side; the
charts' rectangles stand in rows, with a few texels between them. No area shrinks to less than
1 / sqrt(3), and only what winds over itself, as spiral stairs do, shares texels.
"""

from __future__ import annotations

import numpy as np

MARGIN = 2
"""Texels around a chart that belong to it; fewer where charts are too many."""
_BEYOND = 0.1
"""Texels by which a chart reaches beyond the middles of its outermost ones, so that these are sure
to be in it."""
_HALVINGS = 24


def unwrap(corners: np.ndarray, triangles: np.ndarray, side: int) -> np.ndarray | None:
    """(T, 3, 2) float32 in [0, 1] for a picture of `side` x `side`; None: too many loose parts.

    corners: (T, 3, 3). triangles: (T, 3) the vertices' numbers, which tell what hangs together.
    """
    if not len(corners):
        return np.zeros((0, 3, 2), np.float32)
    facing = _facing(corners)
    chart = _charts(triangles, facing)
    flat = _seen_from(corners.astype(np.float64), facing)
    low, high = (_by_chart(flat, chart, f) for f in (np.minimum, np.maximum))
    extent = np.maximum(high - low, 0)
    lying = extent[:, 1] > extent[:, 0]
    flat = np.where(lying[chart][:, None, None], flat[..., ::-1], flat)
    low, extent = (np.where(lying[:, None], a[:, ::-1], a) for a in (low, extent))
    for margin in range(MARGIN, -1, -1):
        found = _packed(extent, side, margin)
        if found is not None:
            scale, origin = found
            wide = np.maximum(extent, 1e-30)
            factor, start = scale + 2 * _BEYOND / wide, origin + margin + 0.5 - _BEYOND
            texels = (flat - low[chart][:, None]) * factor[chart][:, None] + start[chart][:, None]
            return (texels / side).astype(np.float32)
    return None


def _facing(corners: np.ndarray) -> np.ndarray:
    """(T,) side of a box that each triangle faces: axis, plus 3 where it looks down it."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    return axis + 3 * (normals[np.arange(len(axis)), axis] < 0)


def _seen_from(corners: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """(T, 3, 2) the two coordinates across the axis."""
    across = np.array([[1, 2], [0, 2], [0, 1]])[facing % 3]
    return np.take_along_axis(corners, across[:, None, :].repeat(3, axis=1), axis=2)


def _charts(triangles: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """(T,) number of the chart that each triangle is in."""
    count = len(triangles)
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    owner = np.repeat(np.arange(count), 3)
    key = (edges[:, 0] * (edges.max(initial=0) + 1) + edges[:, 1]) * 6 + facing[owner]
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    one, other = owner[order][:-1][same], owner[order][1:][same]
    label = np.arange(count)
    while True:
        least = np.minimum(label[one], label[other])
        before = label.copy()
        for side in (label[one], label[other], one, other):
            np.minimum.at(label, side, least)
        label = label[label]
        if np.array_equal(label, before):
            return np.unique(label, return_inverse=True)[1].reshape(-1)


def _by_chart(flat: np.ndarray, chart: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """(C, 2) of all corners of each chart."""
    order = np.argsort(chart, kind="stable")
    starts = np.searchsorted(chart[order], np.arange(chart.max() + 1))
    return extreme.reduceat(extreme.reduce(flat, axis=1)[order], starts, axis=0)


def _packed(extent: np.ndarray, side: int, margin: int) -> tuple[float, np.ndarray] | None:
    """Texels per length, and (C, 2) the lower corners of the charts' rectangles, margins within."""
    longest = float(extent.max(initial=0))
    low, high = 0.0, (side / longest if longest > 0 else 0.0)
    best = _rows(_sizes(extent, low, margin), side)
    if best is None:
        return None
    for _ in range(_HALVINGS if high else 0):
        scale = (low + high) / 2
        found = _rows(_sizes(extent, scale, margin), side)
        if found is None:
            high = scale
        else:
            low, best = scale, found
    return low, best


def _sizes(extent: np.ndarray, scale: float, margin: int) -> np.ndarray:
    """(C, 2) whole texels."""
    return np.ceil(extent * scale).astype(np.int64) + 1 + 2 * margin


def _rows(sizes: np.ndarray, side: int) -> np.ndarray | None:
    """(C, 2) lower corners of rectangles in rows, the highest first; None: they do not fit."""
    if int(sizes.prod(axis=1).sum()) > side * side or sizes.max() > side:
        return None
    order = np.lexsort((-sizes[:, 0], -sizes[:, 1]))
    ends = np.cumsum(sizes[order, 0])
    corners = np.empty_like(sizes)
    first, y = 0, 0
    while first < len(order):
        start = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, start + side, side="right"))
        row = order[first:last]
        height = int(sizes[row[0], 1])
        if y + height > side:
            return None
        corners[row, 0] = ends[first:last] - sizes[row, 0] - start
        corners[row, 1] = y
        first, y = last, y + height
    return corners
