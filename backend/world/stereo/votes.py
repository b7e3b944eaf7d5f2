# SPDX-License-Identifier: GPL-3.0-or-later
"""What all views of a capture say of each other's depth: what hangs in the air goes.

Depth is found and held against a few neighbours, which are all wrong alike about what they see at a
like angle. Views from elsewhere look through it; a few such points before a surface hide it from
most cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...conditioning.jit import kernel
from ...conditioning.threads import in_pieces
from ...data.depth_files import resize_depth
from ...shared.frame import MemoryFrame

SIDE = 640
"""Longer side in pixels at which depths are compared."""
JUDGES = 60
"""Views that vote at most, spread evenly over a capture."""
SAME, THROUGH = 0.02, 0.04
"""Relative difference of depth up to which a view sees the same, and from which on it looks
through what stands before its surface."""
DENIED = 0.5
"""Views that look through a pixel for each that sees it, from which on it is not there: neighbours
are wrong alike, so one that looks through tells more."""


@dataclass(frozen=True, eq=False)
class Views:
    """project: (F, 3, 4) from world space to u z, v z, z. depth: (F, H, W) float32, 0 = unknown,
    +inf = sky. size: (F, 2) int64 width and height of each. number: (F,) which frame each is."""

    project: np.ndarray
    depth: np.ndarray
    size: np.ndarray
    number: np.ndarray


def views_of(memory: Sequence[MemoryFrame]) -> Views:
    """Those of frames with depth that vote."""
    there = [i for i, frame in enumerate(memory) if frame.depth is not None]
    chosen = there[:: max(1, -(-len(there) // JUDGES))]
    frames = [_smaller(memory[i]) for i in chosen]
    height = max((frame.camera.height for frame in frames), default=1)
    width = max((frame.camera.width for frame in frames), default=1)
    depth = np.zeros((len(frames), height, width), np.float32)
    for number, frame in enumerate(frames):
        depth[number, : frame.camera.height, : frame.camera.width] = frame.depth
    return Views(
        np.array([f.camera.K @ f.camera.w2c[:3] for f in frames]).reshape(-1, 3, 4),
        depth,
        np.array([(f.camera.width, f.camera.height) for f in frames], np.int64).reshape(-1, 2),
        np.array(chosen, np.int64),
    )


def votes(points: np.ndarray, views: Views, own: int = -1) -> np.ndarray:
    """(N, 2) int32 of points (N, 3), world space: views that see one there, and that see through.

    own: number of the frame that the points are from, which has no say. A view counts by the
    pixel that a point falls on and those around it.
    """
    counted = np.zeros((len(points), 2), np.int32)
    points = np.ascontiguousarray(points, np.float64)

    def count(rows: slice) -> None:
        _count(points[rows], own, views.project, views.depth, views.size, views.number,
               counted[rows])  # fmt: skip

    in_pieces(count, len(points))
    return counted


def without_denied(memory: Sequence[MemoryFrame], judged: Sequence[bool]) -> list[MemoryFrame]:
    """The frames, unknown where more others look through what they say than DENIED times those
    that see it.

    judged: which of them are looked at; the others have depth of their own, and vote.
    """
    views = views_of(memory)
    kept = []
    for number, (frame, is_judged) in enumerate(zip(memory, judged, strict=True)):
        if not is_judged or frame.depth is None:
            kept.append(frame)
            continue
        small = _smaller(frame)
        assert small.depth is not None
        solid = np.isfinite(small.depth) & (small.depth > 0)
        points = small.camera.rays()[solid].astype(np.float64) * small.depth[solid][:, None]
        seen, through = votes(points + small.camera.position, views, number).T
        denied = np.zeros(solid.shape, np.uint8)
        denied[solid] = through > DENIED * seen
        size = frame.camera.width, frame.camera.height
        denied = cv2.resize(denied, size, interpolation=cv2.INTER_NEAREST)
        kept.append(replace(frame, depth=np.where(denied > 0, np.float32(0), frame.depth)))
    return kept


def _smaller(frame: MemoryFrame) -> MemoryFrame:
    """Its depth at the size that is compared; its picture is not needed."""
    camera = frame.camera
    scale = min(1.0, SIDE / max(camera.width, camera.height))
    size = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    assert frame.depth is not None
    depth = frame.depth if scale == 1 else resize_depth(frame.depth, *size)
    blank = np.zeros((size[1], size[0], 3), np.uint8)
    return MemoryFrame(frame.id, frame.name, camera.resized(*size), blank, depth)


@kernel
def _count(
    points: np.ndarray,
    own: int,
    project: np.ndarray,
    depth: np.ndarray,
    size: np.ndarray,
    number: np.ndarray,
    counted: np.ndarray,
) -> None:
    for n in range(len(points)):
        x, y, z = points[n]
        for f in range(len(project)):
            P = project[f]
            d = P[2, 0] * x + P[2, 1] * y + P[2, 2] * z + P[2, 3]
            if number[f] == own or d <= 1e-6:
                continue
            u = (P[0, 0] * x + P[0, 1] * y + P[0, 2] * z + P[0, 3]) / d
            v = (P[1, 0] * x + P[1, 1] * y + P[1, 2] * z + P[1, 3]) / d
            if not (1 <= u < size[f, 0] - 1 and 1 <= v < size[f, 1] - 1):
                continue
            row, column = int(v), int(u)
            if depth[f, row, column] <= 0:
                continue
            nearest, same = np.inf, False
            for j in range(row - 1, row + 2):
                for i in range(column - 1, column + 2):
                    there = depth[f, j, i]
                    if there > 0:
                        nearest = min(nearest, there)
                        same = same or abs(there - d) < SAME * d
            if same:
                counted[n, 0] += 1
            elif d < nearest * (1 - THROUGH):
                counted[n, 1] += 1
