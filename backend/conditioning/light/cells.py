# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of triangles that send light, each as one."""

from __future__ import annotations

import numpy as np

from ..anchors.geometry import Geometry
from ..anchors.tracing import Hits

_MOST_CELLS = 150_000
_FINEST = 32


class Cells:
    """Every triangle cut into equal parts, each with a front and a back.

    count: (T,) parts along an edge. first: (T + 1,) number of a triangle's first cell.
    """

    def __init__(self, geometry: Geometry) -> None:
        corners = geometry.corners
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        size = max(float(np.sqrt(2 * geometry.area.sum(dtype=np.float64) / _MOST_CELLS)), 1e-6)
        count = np.clip(np.ceil(edges / size), 1, _FINEST).astype(np.int64)
        self.count = count.astype(np.float32)
        self.first = np.concatenate([[0], np.cumsum(2 * count * count)])
        self.geometry = geometry

    def __len__(self) -> int:
        return int(self.first[-1])

    def of(self, hits: Hits, ways: np.ndarray) -> np.ndarray:
        """(N,) int64 cells that rays along `ways` (N, 3) met; -1 where they met nothing."""
        met = hits.triangle >= 0
        t = np.where(met, hits.triangle, 0)
        n = self.count[t]
        i = np.clip(hits.u * n, 0, n - 1).astype(np.int64)
        j = np.clip(hits.v * n, 0, n - 1).astype(np.int64)
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
        over = np.maximum(u + v, 1)  # cells beyond the long edge are the triangle's all the same
        hits = Hits(triangle, u / over, v / over, np.ones(len(cells), np.float32))
        side = np.where(back > 0, np.float32(-1), np.float32(1))[:, None]
        return hits, self.geometry.flat[triangle] * side
