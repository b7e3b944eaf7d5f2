# SPDX-License-Identifier: GPL-3.0-or-later
"""Which views to remember so that what a path shows was seen: a greedy choice. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .camera import Camera
from .frame import MemoryFrame

CLOSE = 0.03
"""Relative depth by which a point may lie behind what a memory frame saw and still be that."""
MARGIN = 0.02
"""Share of a picture's side at its border that does not count: a memory frame fades out there."""
GRAZING = 0.1
"""Cosine between a surface and the look at it below which it is not seen well enough."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What the frames of a path show.

    xyz, normal: (N, 3) points of surfaces. pairs: (M, 2) int, frame and point: which frame shows
    which. frames: how many there are.
    """

    xyz: np.ndarray
    normal: np.ndarray
    pairs: np.ndarray
    frames: int

    @property
    def weights(self) -> np.ndarray:
        """(N,) how many frames show each point: what matters of it."""
        return np.bincount(self.pairs[:, 1], minlength=len(self.xyz)).astype(np.float64)


@dataclass(frozen=True)
class Choice:
    """The views chosen, in order, and the share of all that is shown that was seen after each.

    before: the share seen without any of them.
    """

    views: list[int]
    shares: list[float]
    before: float


def merged(
    xyz: np.ndarray, normal: np.ndarray, frame: np.ndarray, cell: float, frames: int
) -> Shown:
    """Hits (K, 3) with normals and frames (K,) as points: those in one cube of `cell` metres that
    face the same way are one."""
    facing = np.abs(normal).argmax(axis=1) * 2 + (
        np.take_along_axis(normal, np.abs(normal).argmax(axis=1)[:, None], axis=1)[:, 0] > 0
    )
    keys = np.column_stack([np.floor(xyz / cell).astype(np.int64), facing])
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    pairs = np.unique(np.column_stack([frame, index.reshape(-1)]), axis=0)
    return Shown(xyz[first], normal[first], pairs, frames)


def could_see(camera: Camera, xyz: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N,) bool: points (N, 3) inside the picture and facing it, whatever stands between."""
    uv, z = camera.project(xyz)
    aside = MARGIN * np.array([camera.width, camera.height])
    size = np.array([camera.width, camera.height])
    with np.errstate(invalid="ignore"):
        inside = (z > 1e-4) & (uv >= aside).all(axis=1) & (uv < size - aside).all(axis=1)
    if camera.is_orthographic:
        cosine = -(normal @ camera.c2w[:3, 2])
    else:
        way = camera.position - xyz
        cosine = (normal * way).sum(axis=1) / np.maximum(np.linalg.norm(way, axis=1), 1e-9)
    return inside & (cosine > GRAZING)


def seen_by(frame: MemoryFrame, xyz: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N,) bool: points that a memory frame saw, by its depth; none without depth."""
    seen = np.zeros(len(xyz), bool)
    if frame.depth is None:
        return seen
    could = np.flatnonzero(could_see(frame.camera, xyz, normal))
    uv, z = frame.camera.project(xyz[could])
    x, y = uv[:, 0].astype(int), uv[:, 1].astype(int)
    depth = frame.depth[y, x]
    seen[could] = (depth > 0) & (z < depth * (1 + CLOSE))
    return seen


def choose_views(
    visible: np.ndarray, weights: np.ndarray, seen: np.ndarray, aim: float, most: int
) -> Choice:
    """Again and again the view that adds most, until `aim` of all weight is seen or nothing adds.

    visible: (C, N) bool, what each candidate sees. seen: (N,) bool, what was seen before.
    Nemhauser and others: a greedy choice covers at least 1 - 1/e of what the best one could.
    """
    left, total = np.where(seen, 0.0, weights), max(float(weights.sum()), 1e-12)
    before = 1 - float(left.sum()) / total
    views: list[int] = []
    shares: list[float] = []
    share = before
    while share < aim and len(views) < most:
        gains = visible @ left
        best = int(gains.argmax()) if len(gains) else 0
        if not len(gains) or gains[best] <= 1e-3 * total:
            break
        left = np.where(visible[best], 0.0, left)
        share = 1 - float(left.sum()) / total
        views.append(best)
        shares.append(share)
    return Choice(views, shares, before)


def per_frame(shown: Shown, seen: np.ndarray) -> np.ndarray:
    """(F,) share of what each frame shows that was seen; 1 where a frame shows nothing."""
    frame, point = shown.pairs.T
    count = np.bincount(frame, minlength=shown.frames)
    known = np.bincount(frame, seen[point].astype(float), minlength=shown.frames)
    return np.where(count > 0, known / np.maximum(count, 1), 1.0)


def beside(path: Sequence[Camera], step: float) -> list[Camera]:
    """Cameras of a path and, beside each, one a step to either side and one above, all looking the
    same way: they see behind what hides from the path itself."""
    made = list(path)
    for camera in path:
        right, down = camera.c2w[:3, 0], camera.c2w[:3, 1]
        for way in (right, -right, -down):
            c2w = camera.c2w.copy()
            c2w[:3, 3] += step * way
            made.append(replace(camera, c2w=c2w))
    return made
