# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of rays that outlive a change: what moved is planted anew, alone."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from ...shared.scene import Mesh
from .geometry import Geometry
from .tracing import Rays, Tree

MOST_TREES = 3
"""Trees that rays are sent through, one after the other; more are felled and planted as one."""


@dataclass(frozen=True, eq=False)
class _Member:
    """An instance's triangles in a tree. local: (K,) numbers within the instance, None = all."""

    mesh: Mesh
    matrix: bytes
    local: bytes | None

    def same(self, other: _Member | None) -> bool:
        return (
            other is not None
            and self.mesh is other.mesh
            and self.matrix == other.matrix
            and self.local == other.local
        )


@dataclass(frozen=True, eq=False)
class _Planted:
    """members: in the order of the tree's triangles."""

    members: dict[str, _Member]
    tree: Tree


@dataclass(eq=False)
class Forest:
    """Rays of one geometry after the other. Not thread-safe; the rays are."""

    _geometry: Geometry | None = None
    _before: list[list[_Planted]] = field(default_factory=list)
    _now: dict[Hashable, tuple[list[_Planted], Rays]] = field(default_factory=dict)

    def see(self, geometry: Geometry) -> None:
        """From now on rays are asked for this geometry."""
        self._before = [planted for planted, _ in self._now.values()] or self._before
        self._geometry, self._now = geometry, {}

    def tidy(self) -> None:
        """Let go of what the present geometry did not ask for."""
        self._before = []

    def rays(self, kept: np.ndarray | None) -> Rays:
        """Of the present geometry. kept: (K,) rising numbers of triangles; None = all."""
        geometry = self._geometry
        assert geometry is not None
        name = None if kept is None else kept.tobytes()
        if name not in self._now:
            members = _members(geometry, kept)
            planted = self._planted(geometry, members)
            trees = [_numbered(geometry, one, members) for one in planted]
            self._now[name] = planted, Rays(geometry, trees=trees)
        return self._now[name][1]

    def _planted(self, geometry: Geometry, members: dict[str, _Member]) -> list[_Planted]:
        known = max(self._before, key=lambda one: _common(one, members), default=[])
        standing = [
            one
            for one in known
            if all(member.same(members.get(key)) for key, member in one.members.items())
        ]
        had = {key: member for one in known for key, member in one.members.items()}
        stand = {key for one in standing for key in one.members}
        left = {key: member for key, member in members.items() if key not in stand}
        still = {key: one for key, one in left.items() if one.same(had.get(key))}
        moved = {key: one for key, one in left.items() if key not in still}
        new = [part for part in (still, moved) if part]
        if len(standing) + len(new) > MOST_TREES:
            standing, new = [], [members]
        return standing + [one for part in new if (one := _plant(geometry, part)) is not None]


def _common(planted: list[_Planted], members: dict[str, _Member]) -> int:
    """Instances that are in both as they were."""
    pairs = (pair for one in planted for pair in one.members.items())
    return sum(member.same(members.get(key)) for key, member in pairs)


def _members(geometry: Geometry, kept: np.ndarray | None) -> dict[str, _Member]:
    scene, first = geometry.scene, geometry.first
    bounds = first if kept is None else np.searchsorted(kept, first)
    made = {}
    for i, one in enumerate(scene.instances):
        begin, end = int(bounds[i]), int(bounds[i + 1])
        if begin == end:
            continue
        local = None
        if kept is not None and end - begin < first[i + 1] - first[i]:
            local = (kept[begin:end].astype(np.int64) - first[i]).tobytes()
        made[one.key] = _Member(scene.meshes[one.mesh], one.matrix.tobytes(), local)
    return made


def _numbers(geometry: Geometry, members: dict[str, _Member]) -> np.ndarray | None:
    """(K,) int32 triangles of members in their order; None = all, as they are."""
    place = {one.key: i for i, one in enumerate(geometry.scene.instances)}
    whole = all(member.local is None for member in members.values())
    if whole and len(members) == len(place) and list(members) == list(place):
        return None
    parts = []
    for key, member in members.items():
        begin, end = (int(n) for n in geometry.first[place[key] : place[key] + 2])
        if member.local is None:
            parts.append(np.arange(begin, end, dtype=np.int32))
        else:
            parts.append((np.frombuffer(member.local, np.int64) + begin).astype(np.int32))
    return np.concatenate(parts)


def _plant(geometry: Geometry, members: dict[str, _Member]) -> _Planted | None:
    tree = Tree.of(geometry, _numbers(geometry, members))
    return None if tree is None else _Planted(members, tree)


def _numbered(geometry: Geometry, one: _Planted, members: dict[str, _Member]) -> Tree:
    """A tree with the numbers that its triangles have in this geometry."""
    return Tree(one.tree.scene, _numbers(geometry, {k: members[k] for k in one.members}))
