# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of triangles that send light, each as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..anchors.geometry import Geometry
from ..anchors.tracing import Hits

_MOST_CELLS = 150_000
_FINEST = 32
_HUGE = 6.0
"""Edges so much longer than the scene is large are of grounds and backdrops: cut as perspective
sees them, finer where the scene is."""
_FINEST_HUGE = 128
_NEAR = 0.3
"""Part of the scene's size within which cells of huge triangles hardly grow."""


class Cells:
    """Every triangle cut into equal parts, each with a front and a back.

    count: (T,) parts along an edge. first: (T + 1,) number of a triangle's first cell.
    """

    def __init__(
        self, geometry: Geometry, scale: float = np.inf, focus: np.ndarray | None = None
    ) -> None:
        """scale: metres, how large the scene is without its ground. focus: (3,) its middle."""
        corners = geometry.corners
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        huge = edges > _HUGE * scale
        area = geometry.area[~huge].sum(dtype=np.float64)
        size = max(float(np.sqrt(2 * area / _MOST_CELLS)), 1e-6)
        count = np.clip(np.ceil(edges / size), 1, _FINEST).astype(np.int64)
        count[huge] = _FINEST_HUGE
        self.count = count.astype(np.float32)
        self.first = np.concatenate([[0], np.cumsum(2 * count * count)])
        self.geometry = geometry
        self.bends = None
        if huge.any():
            self.bends = _Bends(geometry, np.flatnonzero(huge), scale, focus)

    def __len__(self) -> int:
        return int(self.first[-1])

    def of(self, hits: Hits, ways: np.ndarray) -> np.ndarray:
        """(N,) int64 cells that rays along `ways` (N, 3) met; -1 where they met nothing."""
        met = hits.triangle >= 0
        t = np.where(met, hits.triangle, 0)
        n = self.count[t]
        u, v = hits.u, hits.v
        if self.bends is not None:
            u, v = self.bends.evened(t, u, v)
        i = np.clip(u * n, 0, n - 1).astype(np.int64)
        j = np.clip(v * n, 0, n - 1).astype(np.int64)
        back = np.einsum("ni,ni->n", ways, self.geometry.flat[t]) > 0
        cell = self.first[t] + 2 * (i * n.astype(np.int64) + j) + back
        return np.where(met, cell, -1)

    def middles(self, cells: np.ndarray) -> tuple[Hits, np.ndarray]:
        """Hits in the middles of cells, and the unit normals (N, 3) of their sides."""
        triangle = (np.searchsorted(self.first, cells, side="right") - 1).astype(np.int32)
        n = self.count[triangle].astype(np.int64)
        within, back = np.divmod(cells - self.first[triangle], 2)
        u = ((within // n + 1 / 3) / n).astype(np.float32)
        v = ((within % n + 1 / 3) / n).astype(np.float32)
        if self.bends is not None:
            u, v = self.bends.bent(triangle, u, v)
        over = np.maximum(u + v, 1)  # cells beyond the long edge are the triangle's all the same
        hits = Hits(triangle, u / over, v / over, np.ones(len(cells), np.float32))
        side = np.where(back > 0, np.float32(-1), np.float32(1))[:, None]
        return hits, self.geometry.flat[triangle] * side


class _Bends:
    """How the weights u and v of huge triangles are stretched around a place: by asinh, in which
    equal steps grow with the distance from it."""

    def __init__(
        self, geometry: Geometry, huge: np.ndarray, scale: float, focus: np.ndarray | None
    ) -> None:
        """huge: (B,) triangles. scale, focus: see `Cells`."""
        corners = geometry.corners[huge].astype(np.float64)
        edges = corners[:, 1:] - corners[:, :1]  # (B, 2, 3)
        away = (np.median(corners[:, 0], axis=0) if focus is None else focus) - corners[:, 0]
        gram = np.einsum("bik,bjk->bij", edges, edges)
        gram += 1e-9 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(2)
        middle = np.linalg.solve(gram, np.einsum("bik,bk->bi", edges, away)[..., None])[..., 0]
        self.middle = np.clip(middle, 0, 1)  # (B, 2), of u and v
        self.near = _NEAR * scale / np.maximum(np.linalg.norm(edges, axis=2), 1e-9)
        self.low = np.arcsinh(-self.middle / self.near)
        self.span = np.arcsinh((1 - self.middle) / self.near) - self.low
        self.row = np.full(len(geometry), -1, np.int32)
        self.row[huge] = np.arange(len(huge))

    def evened(
        self, triangle: np.ndarray, u: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights (N,) of points of triangles (N,), such that cells are equally wide in them."""
        return self._turned(triangle, u, v, self._even)

    def bent(
        self, triangle: np.ndarray, u: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The other way round."""
        return self._turned(triangle, u, v, self._bend)

    def _turned(
        self, triangle: np.ndarray, u: np.ndarray, v: np.ndarray, turn: Callable
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = self.row[triangle]
        mine = np.flatnonzero(rows >= 0)
        u, v = u.copy(), v.copy()
        for axis, weights in enumerate((u, v)):
            weights[mine] = turn(rows[mine], axis, weights[mine].astype(np.float64))
        return u, v

    def _even(self, rows: np.ndarray, axis: int, weights: np.ndarray) -> np.ndarray:
        far = (weights - self.middle[rows, axis]) / self.near[rows, axis]
        return (np.arcsinh(far) - self.low[rows, axis]) / self.span[rows, axis]

    def _bend(self, rows: np.ndarray, axis: int, weights: np.ndarray) -> np.ndarray:
        far = np.sinh(self.low[rows, axis] + weights * self.span[rows, axis])
        return self.middle[rows, axis] + self.near[rows, axis] * far
