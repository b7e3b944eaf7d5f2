# SPDX-License-Identifier: GPL-3.0-or-later
"""What rays meet: Embree in all threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from ..threads import Stopped, in_pieces
from .geometry import Geometry

try:
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh
except ImportError:  # no wheel for this system: points are shown then
    rtcore_scene = None

AVAILABLE = rtcore_scene is not None

NUDGE = 1e-4
"""How far rays begin off a surface, as part of the distance to the origin of what is met (and
of a metre at least): float32 knows a surface no better."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays met. triangle: (N,) int32, -1 = nothing. u, v: (N,) float32 barycentric weights
    of the second and third corner. distance: (N,) float32 in lengths of the ray, inf = nothing."""

    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    distance: np.ndarray

    def take(self, index: np.ndarray) -> Hits:
        """Those of numbers (M,) or marks (N,) bool `index`."""
        return Hits(self.triangle[index], self.u[index], self.v[index], self.distance[index])


@dataclass(frozen=True, eq=False)
class Tree:
    """Embree's tree of some triangles. numbers: (K,) int32 of these; None = all of a geometry."""

    scene: Any
    numbers: np.ndarray | None

    @classmethod
    def of(cls, geometry: Geometry, numbers: np.ndarray | None) -> Tree | None:
        """Of the triangles of `numbers` (K,) int32, None = all; None without any triangles."""
        corners = geometry.corners if numbers is None else geometry.corners[numbers]
        if not len(corners):
            return None
        scene = rtcore_scene.EmbreeScene()
        TriangleMesh(scene, np.ascontiguousarray(corners))
        nowhere = np.zeros((1, 3), np.float32)
        scene.run(nowhere, nowhere + 1, query="OCCLUDED")  # builds it
        return cls(scene, numbers)


class Rays:
    """Ray queries against a part of a geometry."""

    def __init__(
        self,
        geometry: Geometry,
        kept: np.ndarray | None = None,
        trees: Sequence[Tree] | None = None,
    ) -> None:
        """kept: (K,) int numbers of the triangles that can be met; None = all.

        trees: what knows all of these, where it is at hand.
        """
        self.geometry = geometry
        if trees is None:
            tree = Tree.of(geometry, kept)
            trees = () if tree is None else (tree,)
        self._trees = tuple(trees)
        self._stop: Event | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be met."""
        return not self._trees

    def until(self, stop: Event) -> Rays:
        """The same rays, which raise Stopped once `stop` is set."""
        made = Rays(self.geometry, trees=self._trees)
        made._stop = stop
        return made

    def first(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """The nearest surface along rays (N, 3) float32."""
        count = len(origins)
        hits = Hits(
            np.full(count, -1, np.int32),
            np.zeros(count, np.float32),
            np.zeros(count, np.float32),
            np.full(count, np.inf, np.float32),
        )

        def trace(part: slice) -> None:
            self._look_whether_to_stop()
            for tree in self._trees:
                found = tree.scene.run(origins[part], directions[part], output=True)
                triangle, met = found["primID"], found["primID"] >= 0
                if tree.numbers is not None:
                    triangle = np.where(met, tree.numbers[triangle], -1)
                distance = np.where(met, found["tfar"], np.float32(np.inf))
                if len(self._trees) == 1:
                    hits.triangle[part], hits.distance[part] = triangle, distance
                    hits.u[part], hits.v[part] = found["u"], found["v"]
                    return
                nearer = distance < hits.distance[part]
                for mine, new in (
                    (hits.triangle, triangle),
                    (hits.u, found["u"]),
                    (hits.v, found["v"]),
                    (hits.distance, distance),
                ):
                    np.copyto(mine[part], new, where=nearer)

        in_pieces(trace, count)
        return hits

    def _look_whether_to_stop(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped

    def blocked(self, origins: np.ndarray, ways: np.ndarray, far: float = 1.0) -> np.ndarray:
        """(N,) bool: whether anything stands between origins and origins + far * ways."""
        count = len(origins)
        blocked = np.zeros(count, bool)
        if self.empty:
            return blocked

        def trace(part: slice) -> None:
            self._look_whether_to_stop()
            reach = np.full(part.stop - part.start, far, np.float32)
            for tree in self._trees:
                found = tree.scene.run(origins[part], ways[part], reach, query="OCCLUDED")
                blocked[part] |= found >= 0

        in_pieces(trace, count)
        return blocked


def visible_triangles(geometry: Geometry, kind: int) -> np.ndarray | None:
    """(K,) int32 triangles that rays of a kind (see `scene.CAMERA`) meet; None = all."""
    instances = geometry.scene.instances
    seen = np.array([bool(one.visible & kind) for one in instances], bool)
    if seen.all():
        return None
    return np.flatnonzero(seen[geometry.owner]).astype(np.int32)
