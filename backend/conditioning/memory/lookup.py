# SPDX-License-Identifier: GPL-3.0-or-later
"""What a memory frame remembers of points on surfaces that it may have seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..jit import kernel
from ..threads import in_pieces
from .remembered import Points, Remembered

SAME_WAY = 0.5
"""Least cosine between the triangle that is asked for and one that memory saw."""
SAME_PLACE = 2.5
"""Most pixels' widths of memory between a point and the plane of what memory saw there."""
LEAST = 1e-3
"""Weight of pixels around a point below which memory did not see it."""
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Fetched:
    """Of N points, float32. values: (N, CHANNELS), see `Remembered`. known: (N,) in [0, 1], 0 =
    that frame did not see it. toward: (N, 3) unit, from the point to that frame's camera. width:
    (N,) metres across that a pixel of it covers there."""

    values: np.ndarray
    known: np.ndarray
    toward: np.ndarray
    width: np.ndarray


def fetch(memory: Remembered, points: Points) -> Fetched:
    """What a frame knows of points as they stood. Nothing is taken from another instance."""
    camera, guide = memory.camera, memory.guide
    place, depth = camera.project(points.position.astype(np.float64))
    place[~(depth > 0)] = -1e6
    place = np.clip(np.nan_to_num(place, nan=-1e6), -1e6, 1e6).astype(np.float32)
    toward = points.toward(camera)
    cosine = np.abs(np.einsum("ni,ni->n", toward, points.facing))
    focal = 0.5 * (camera.K[0, 0] + camera.K[1, 1])
    across = 1 / focal if camera.is_orthographic else np.maximum(depth, 1e-6) / focal
    width = (across / np.sqrt(np.maximum(cosine, 0.02))).astype(np.float32)
    made = np.zeros((len(place), memory.values.shape[2]), np.float32)
    known = np.zeros(len(place), np.float32)

    def work(part: slice) -> None:
        _fetch(
            memory.values, memory.known, guide.position, guide.normal, guide.width, guide.group,
            place[part], points.position[part], points.facing[part], points.owner[part],
            made[part], known[part],
        )  # fmt: skip

    in_pieces(work, len(place))
    return Fetched(made, known, toward, width)


@kernel
def _fetch(values, known, position, normal, width, group, place, at, facing, owner, out, sure):
    """The four pixels around each place, of those that show its surface, by bilinear weights."""
    height, wide, channels = values.shape
    for i in range(place.shape[0]):
        x, y = place[i, 0] - _HALF, place[i, 1] - _HALF
        if x <= -1 or y <= -1 or x >= wide or y >= height:
            continue
        c0, r0 = int(np.floor(x)), int(np.floor(y))
        total = 0.0
        for j in range(2):
            v = r0 + j
            if v < 0 or v >= height:
                continue
            for k in range(2):
                u = c0 + k
                if u < 0 or u >= wide or group[v, u] != owner[i] or known[v, u] <= 0.0:
                    continue
                same, off = 0.0, 0.0
                for c in range(3):
                    same += facing[i, c] * normal[v, u, c]
                    off += (at[i, c] - position[v, u, c]) * normal[v, u, c]
                if same < SAME_WAY or abs(off) > SAME_PLACE * width[v, u]:
                    continue
                share = (1.0 - abs(x - u)) * (1.0 - abs(y - v)) * known[v, u]
                total += share
                for c in range(channels):
                    out[i, c] += share * values[v, u, c]
        if total >= LEAST:
            sure[i] = min(2.0 * total, 1.0)
            for c in range(channels):
                out[i, c] /= total
