# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a scene: what a world is built from, read out of Blender at once or in helpings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from .anchor_points import Points, is_anchors, read_points
from .geometry import Instance, Mesh, instances, read_mesh
from .guides import render_guides
from .materials import Look, look_of
from .memory import is_kept, read_frame, read_frames
from .sampling import Guide

_LOOKS = 32
"""Instances between two looks at the clock."""
_SKIPPED = "The object '{}' was left out: {}; clear its transform or delete it."


class Kind(NamedTuple):
    """What all instances of an object share."""

    name: str
    source: Mesh | Points | None
    looks: list[Look]


class Found(NamedTuple):
    """One instance as Blender has it, in the scene's units."""

    key: str
    kind: Kind
    matrix: Matrix


@dataclass(frozen=True, eq=False)
class Placed:
    """One instance: its mesh in its own space and where it stands, in metres."""

    key: str
    mesh: Mesh
    looks: list[Look]
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Stored:
    """Points that came with a built world, and where they stand, in metres."""

    key: str
    points: Points
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything with a surface. scale_length: metres per unit of the scene."""

    found: list[Found]
    scale_length: float

    @cached_property
    def sorted(self) -> tuple[list[Placed], list[Stored], list[str]]:
        """What can be placed, in the order of the keys, and why the rest cannot.

        Takes its time in scenes of many objects: not for a draw.
        """
        return _sorted(self.found, self.scale_length)


@dataclass(frozen=True, eq=False)
class SceneCopy:
    """What a world is built from."""

    contents: Contents
    guides: list[Guide]
    memory: list[MemoryFrame]
    budget: int
    problems: tuple[str, ...]

    @property
    def warnings(self) -> list[str]:
        """One sentence each, for the user."""
        return [*self.problems, *self.contents.sorted[2]]


@dataclass(eq=False)
class _Round:
    """A look at everything in a scene, spread over several calls. last: index and key."""

    found: list[Found] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)
    last: tuple[int, str] | None = None

    def rest(
        self, depsgraph: bpy.types.Depsgraph, local_view: bpy.types.SpaceView3D | None
    ) -> Iterator[Instance] | None:
        """What comes after `last`; None when that is no longer where it was."""
        if self.last is None:
            return instances(depsgraph, local_view)
        rest = instances(depsgraph, local_view, self.last[0])
        last = next(rest, None)
        return rest if last is not None and last[:2] == self.last else None


@dataclass(eq=False)
class SceneReader:
    """Reads a scene again and again. Only within Blender's own calls, and in one thread."""

    _sources: dict[tuple[int, int], Mesh | Points | None] = field(default_factory=dict)
    _kinds: dict[tuple[int, int], Kind] = field(default_factory=dict)
    _tried: set[str] = field(default_factory=set)
    _round: _Round | None = None

    def read(self, depsgraph: bpy.types.Depsgraph, current: Camera | None) -> SceneCopy:
        """A copy of what `depsgraph` shows and of the scene's memory; all is read anew.

        current: the camera of this picture.
        Raises WorldError when there is neither geometry nor memory.
        """
        self.forget_all()
        found = self._find(depsgraph, math.inf)
        return _copy(depsgraph, current, found)

    def read_more(
        self,
        depsgraph: bpy.types.Depsgraph,
        current: Camera | None,
        seconds: float,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> SceneCopy | None:
        """`read` in small helpings: None until the last one; call it again until then.

        Spends about `seconds` of processor. What was read before and not named to `forget` or
        `forget_looks` since is taken to be the same. Nothing of Blender's is held on to between
        two calls, so that anything may change or go; what changed where this had looked already
        is found by the next round.
        local_view: leave out what this viewport does not show.
        """
        left = seconds - self._read_memory(depsgraph.scene.original, seconds)
        found = self._find(depsgraph, left, local_view) if left >= 0 else None
        return None if found is None else _copy(depsgraph, current, found)

    def _read_memory(self, scene: bpy.types.Scene, seconds: float) -> float:
        """Decode frames for about `seconds` of processor; what it took."""
        spent = 0.0
        for item in scene.worldfm.memory:
            if item.enabled and not is_kept(item) and item.id not in self._tried:
                began = time.thread_time()
                self._tried.add(item.id)
                with suppress(WorldFMError):  # said when the scene is read
                    read_frame(item)
                spent += time.thread_time() - began
                if spent > seconds:
                    break
        return spent

    def _find(
        self,
        depsgraph: bpy.types.Depsgraph,
        seconds: float,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> list[Found] | None:
        """Everything with a surface; None when `seconds` were too few to look at all of it."""
        end = time.thread_time() + seconds
        looks: dict[bpy.types.Material | None, Look] = {}
        this, self._round = self._round or _Round(), None
        rest = this.rest(depsgraph, local_view)
        if rest is None:
            this = _Round()
            rest = this.rest(depsgraph, local_view)
        for count, (index, key, ob, matrix) in enumerate(rest, 1):
            pointer = (ob.original.session_uid, ob.data.as_pointer())
            kind = self._kinds.get(pointer)
            known = kind is not None
            if not known:
                kind = self._kinds[pointer] = self._kind(ob, pointer, looks)
            this.seen.add(pointer)
            if kind.source is not None:
                this.found.append(Found(key, kind, matrix))
            if (not known or count % _LOOKS == 0) and time.thread_time() > end:
                this.last, self._round = (index, key), this
                return None
        self._kinds = {k: v for k, v in self._kinds.items() if k in this.seen}
        self._sources = {k: v for k, v in self._sources.items() if k in this.seen}
        return this.found

    def _kind(
        self,
        ob: bpy.types.Object,
        pointer: tuple[int, int],
        looks: dict[bpy.types.Material | None, Look],
    ) -> Kind:
        """Of an object; adds to `looks` those that it misses."""
        materials = [slot.material for slot in ob.material_slots] or [None]
        for material in materials:
            if material not in looks:
                looks[material] = look_of(material)
        if pointer not in self._sources:
            self._sources[pointer] = _source(ob)
        return Kind(ob.name, self._sources[pointer], [looks[m] for m in materials])

    def forget(self, session_uids: set[int]) -> None:
        """The surfaces of these objects have changed."""
        self.forget_looks(session_uids)
        self._sources = {k: v for k, v in self._sources.items() if k[0] not in session_uids}

    def forget_looks(self, session_uids: set[int] | None = None) -> None:
        """The materials of these objects have changed, or of any."""
        kept = () if session_uids is None else self._kinds.items()
        self._kinds = {k: v for k, v in kept if k[0] not in session_uids}

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._sources.clear()
        self._kinds.clear()
        self._round = None


def _source(ob: bpy.types.Object) -> Mesh | Points | None:
    mesh = read_mesh(ob)
    return read_points(ob) if mesh is None and is_anchors(ob) else mesh


def _copy(depsgraph: bpy.types.Depsgraph, current: Camera | None, found: list[Found]) -> SceneCopy:
    scene = depsgraph.scene.original
    memory, problems = read_frames(scene)
    guides = render_guides(scene, [frame.camera for frame in memory], current)
    contents = Contents(found, scene.unit_settings.scale_length)
    if not memory and not any(_can_be_placed(one) for one in found):
        raise WorldError(
            "There is nothing to look at: the scene has no visible geometry and no memory; "
            "add objects, or capture memory in the WorldFM tab of the sidebar."
        )
    return SceneCopy(contents, guides, memory, scene.worldfm.point_budget, tuple(problems))


def _can_be_placed(one: Found) -> bool:
    placed, stored, _ = _sorted([one], 1.0)
    return bool(placed or stored)


def _sorted(
    found: list[Found], scale_length: float
) -> tuple[list[Placed], list[Stored], list[str]]:
    skipped: dict[str, str] = {}
    placed: list[Placed] = []
    stored: list[Stored] = []
    matrices = np.array([np.array(one.matrix) for one in found], float).reshape(-1, 4, 4)
    problems = _problems(matrices)
    matrices[:, :3] *= scale_length
    for (key, kind, _), matrix, problem in zip(found, matrices, problems, strict=True):
        source = kind.source
        if isinstance(source, Mesh) and not source.finite:
            problem = problem or "it has NaN coordinates"
        if problem:
            skipped[kind.name] = _SKIPPED.format(kind.name, problem)
        elif isinstance(source, Mesh):
            placed.append(Placed(key, source, kind.looks, matrix))
        elif len(source.anchors):
            stored.append(Stored(key, source, matrix))
    # the depsgraph's order follows how objects were made; a world must not
    placed.sort(key=lambda one: one.key)
    stored.sort(key=lambda one: one.key)
    return placed, stored, list(skipped.values())


def _problems(matrices: np.ndarray) -> list[str]:
    """Why something cannot be placed by each of (N, 4, 4); "" where it can."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    scales = np.sort(np.linalg.norm(matrices[:, :3, :3], axis=1), axis=1)
    flat = scales[:, 1] < 1e-9
    return [
        "its transform has NaN values" if not known else "its scale is zero" if thin else ""
        for known, thin in zip(finite, flat, strict=True)
    ]
