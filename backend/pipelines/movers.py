# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lit picture shows of things that move by themselves while its shutter is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..conditioning.anchors.geometry import Geometry
from ..conditioning.light.frame import LitFrame
from ..shared.frame import FrameRequest
from ..shared.motion import Move, Pose
from .shutter import SHARP, ways


@dataclass(frozen=True, eq=False)
class Movers:
    """number: (H, W) int32 instance that a pixel shows, -1 = none that moves. begin, end: (H, W, 2)
    float32 pixels from there to where it is seen when the shutter opens and closes.
    """

    number: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    @classmethod
    def seen(cls, geometry: Geometry, lit: LitFrame, request: FrameRequest) -> Movers | None:
        """Those of the request's that go farther than what stands still does; None = none."""
        camera, number = request.camera, np.full(lit.triangle.shape, -1, np.int32)
        shifted = shifts(geometry, lit, request.moves)
        found = []
        for other, shift in zip((request.opened, request.closed), shifted, strict=True):
            there = camera if other is None else other
            way = ways(lit.depth, camera, there, shift)
            own = np.linalg.norm(way - ways(lit.depth, camera, there), axis=2)
            going = (own > SHARP) & (lit.triangle >= 0)
            owner = geometry.owner[lit.triangle[going]]
            mine = np.isin(geometry.owner[np.maximum(lit.triangle, 0)], owner) & (lit.triangle >= 0)
            number[mine] = geometry.owner[lit.triangle[mine]]
            found.append(way)
        return cls(number, *found) if (number >= 0).any() else None

    @property
    def instances(self) -> np.ndarray:
        """(M,) int32, each once."""
        return np.unique(self.number[self.number >= 0])


def shifts(geometry: Geometry, lit: LitFrame, moves: Sequence[Move]) -> tuple[np.ndarray, ...]:
    """Two (H, W, 3) float32, metres: by how much each pixel's surface is off its place when the
    shutter opens, and when it closes.

    A move of what the scene does not have is left out, and so is a bend by other vertices.
    """
    begin, end = (np.zeros((*lit.triangle.shape, 3), np.float32) for _ in range(2))
    for move, at in _moving(geometry, lit.triangle, moves):
        triangle, u, v = (values.ravel()[at] for values in (lit.triangle, lit.u, lit.v))
        here = geometry.at(triangle, u, v)
        for pose, shift in ((move.opened, begin), (move.closed, end)):
            shift.reshape(-1, 3)[at] = _posed(geometry, pose, triangle, u, v) - here
    return begin, end


def _moving(
    geometry: Geometry, triangle: np.ndarray, moves: Sequence[Move]
) -> Iterator[tuple[Move, np.ndarray]]:
    """Each move that is seen, and the pixels that see it, by their numbers."""
    by_key = {move.key: move for move in moves}
    owner = np.where(triangle >= 0, geometry.owner[np.maximum(triangle, 0)], -1).ravel()
    order = np.argsort(owner, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
        number = owner[part[0]]
        move = by_key.get(geometry.scene.instances[number].key) if number >= 0 else None
        if move is not None:
            yield move, part


def _posed(
    geometry: Geometry, pose: Pose, triangle: np.ndarray, u: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """(N, 3) where points of one instance are in that pose; as in `Geometry.at`."""
    number = geometry.owner[triangle[0]]
    mesh = geometry.scene.meshes[geometry.scene.instances[number].mesh]
    bent = pose.vertices
    vertices = bent if bent is not None and len(bent) == len(mesh.vertices) else mesh.vertices
    a, b, c = np.moveaxis(vertices[mesh.triangles[triangle - geometry.first[number]]], 1, 0)
    own = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    return own @ pose.matrix[:3, :3].T + pose.matrix[:3, 3]
