# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a world: anchors from its surfaces, memory from its frames, a revision of both.

Two steps: `SceneReader` copies what is needed out of Blender, `WorldBuilder` turns the copy into
points without touching Blender, so that a viewport can do it in another thread.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from .anchor_points import is_anchors, read_anchors
from .geometry import Instance, Mesh, instances, read_mesh, surfaces
from .guides import render_guides
from .materials import Look, colours_of, look_of
from .memory import is_kept, read_frame, read_frames
from .sampling import Guide, Pieces, sample, split_all
from .textures import textures_kept

RADIUS = 0.75
"""Radius of a point against the mean spacing: neighbours may lie half as far again apart."""

_BATCH = 100_000
"""Triangles that are cut in one call, about."""

_SKIPPED = "The object '{}' was left out: {}; clear its transform or delete it."


@dataclass(frozen=True, eq=False)
class Placed:
    """One instance: its mesh in its own space and where it stands, in metres."""

    key: str
    mesh: Mesh
    looks: list[Look]
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class SceneCopy:
    """What a world is built from. warnings: one sentence each, for the user."""

    placed: list[Placed]
    guides: list[Guide]
    memory: list[MemoryFrame]
    budget: int
    warnings: tuple[str, ...]
    stored: Anchors = field(default_factory=Anchors.empty)
    """Points that came with a built world, as they are."""


@dataclass(frozen=True, eq=False)
class SceneWorld:
    """What of a scene a frame is made from."""

    anchors: Anchors
    memory: list[MemoryFrame]
    revision: int


@dataclass(eq=False)
class SceneReader:
    """Reads a scene again and again. Only within Blender's own calls, and in one thread."""

    _meshes: dict[tuple[int, int], Mesh | None] = field(default_factory=dict)
    _tried: set[str] = field(default_factory=set)

    def prepare(
        self,
        depsgraph: bpy.types.Depsgraph,
        seconds: float,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> bool:
        """Spend about `seconds` of processor on what `read` will need; True when it has all.

        Call it again until then. Every call looks at the scene as it is now and holds on to
        nothing of Blender's, so that anything may change or go between two calls.
        """
        spent, complete = 0.0, True
        for took in self._missing(depsgraph, local_view):
            spent, complete = spent + took, False
            if spent > seconds:
                break
        return complete

    def _missing(
        self, depsgraph: bpy.types.Depsgraph, local_view: bpy.types.SpaceView3D | None
    ) -> Iterator[float]:
        """Reads what is not at hand, one thing a step; yields the processor seconds it took.

        Looking for it does not count: every call has to, and in a scene of many objects that
        would leave no time to read any.
        """
        for item in depsgraph.scene.original.worldfm.memory:
            if item.enabled and not is_kept(item) and item.id not in self._tried:
                began = time.thread_time()
                self._tried.add(item.id)
                with suppress(WorldFMError):  # said when the scene is read
                    read_frame(item)
                yield time.thread_time() - began
        seen: set[bpy.types.Material | None] = set()
        for ob in surfaces(depsgraph, local_view):
            began = time.thread_time()
            pointer = (ob.original.session_uid, ob.data.as_pointer())
            kept = textures_kept()
            new = {slot.material for slot in ob.material_slots} - seen
            seen |= new
            for material in new:
                look_of(material)
            fresh = pointer not in self._meshes
            if fresh:
                self._meshes[pointer] = read_mesh(ob)
            if fresh or textures_kept() > kept:
                yield time.thread_time() - began

    def read(
        self,
        depsgraph: bpy.types.Depsgraph,
        current: Camera | None,
        *,
        keep: bool = False,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> SceneCopy:
        """A copy of what `depsgraph` shows and of the scene's memory.

        current: the camera of this picture. keep: meshes that were read before and not named to
        `forget` since are taken to be the same. local_view: leave out what this viewport does not
        show.
        Raises WorldError when there is neither geometry nor memory.
        """
        scene = depsgraph.scene.original
        memory, warnings = read_frames(scene)
        guides = render_guides(scene, [frame.camera for frame in memory], current)
        placed, skipped = self._placed(
            depsgraph, scene.unit_settings.scale_length, keep, local_view
        )
        stored = stored_anchors(depsgraph, scene.unit_settings.scale_length)
        if not placed and not memory and not len(stored):
            raise WorldError(
                "There is nothing to look at: the scene has no visible geometry and no memory; "
                "add objects, or capture memory in the WorldFM tab of the sidebar."
            )
        budget = scene.worldfm.point_budget
        return SceneCopy(placed, guides, memory, budget, (*warnings, *skipped), stored)

    def forget(self, session_uids: set[int]) -> None:
        """The meshes of these objects have changed."""
        self._meshes = {k: mesh for k, mesh in self._meshes.items() if k[0] not in session_uids}

    def forget_all(self) -> None:
        """Any mesh may have changed."""
        self._meshes.clear()

    def _placed(
        self,
        depsgraph: bpy.types.Depsgraph,
        scale_length: float,
        keep: bool,
        local_view: bpy.types.SpaceView3D | None,
    ) -> tuple[list[Placed], list[str]]:
        meshes = self._meshes if keep else {}
        seen: dict[tuple[int, int], Mesh | None] = {}
        looks: dict[bpy.types.Material | None, Look] = {}
        found: list[tuple[Instance, Mesh, list[Look]]] = []
        for instance in instances(depsgraph, local_view):
            ob = instance.object
            pointer = (ob.original.session_uid, ob.data.as_pointer())
            if pointer not in seen:
                seen[pointer] = meshes[pointer] if pointer in meshes else read_mesh(ob)
            mesh = seen[pointer]
            if mesh is None:
                continue
            materials = [slot.material for slot in ob.material_slots] or [None]
            for material in materials:
                if material not in looks:
                    looks[material] = look_of(material)
            found.append((instance, mesh, [looks[material] for material in materials]))
        self._meshes = seen
        return _in_place(found, scale_length)


def _in_place(
    found: list[tuple[Instance, Mesh, list[Look]]], scale_length: float
) -> tuple[list[Placed], list[str]]:
    """The instances that can be placed, in the order of their keys, and why others cannot."""
    skipped: dict[str, str] = {}
    placed: list[Placed] = []
    matrices = np.array([instance.matrix for instance, _, _ in found]).reshape(-1, 4, 4)
    problems = _problems(matrices)
    matrices[:, :3] *= scale_length
    for (instance, mesh, looks), matrix, problem in zip(found, matrices, problems, strict=True):
        problem = problem or ("" if mesh.finite else "it has NaN coordinates")
        if problem:
            skipped[instance.name] = _SKIPPED.format(instance.name, problem)
        else:
            placed.append(Placed(instance.key, mesh, looks, matrix))
    # the depsgraph's order follows how objects were made; a world must not
    placed.sort(key=lambda p: p.key)
    return placed, list(skipped.values())


def stored_anchors(depsgraph: bpy.types.Depsgraph, scale_length: float) -> Anchors:
    """The points of all objects that hold some, in metres and in the order of their keys."""
    found: dict[str, Anchors] = {}
    if not any(map(is_anchors, surfaces(depsgraph))):  # the usual case, quicker than below
        return Anchors.empty()
    for instance in instances(depsgraph):
        if is_anchors(instance.object) and not any(_problems(instance.matrix[None])):
            matrix = instance.matrix.copy()
            matrix[:3] *= scale_length
            found[instance.key] = read_anchors(instance.object, matrix)
    return Anchors.concatenate([found[key] for key in sorted(found)])


def _stored_bytes(stored: Anchors) -> list[bytes]:
    if not len(stored):
        return []
    return [stored.xyz.tobytes(), stored.rgb.tobytes(), stored.radius.tobytes()]


def _problems(matrices: np.ndarray) -> list[str]:
    """Why something cannot be placed by each of (N, 4, 4); "" where it can."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    scales = np.sort(np.linalg.norm(matrices[:, :3, :3], axis=1), axis=1)
    flat = scales[:, 1] < 1e-9
    return [
        "its transform has NaN values" if not known else "its scale is zero" if thin else ""
        for known, thin in zip(finite, flat, strict=True)
    ]


@dataclass(eq=False)
class WorldBuilder:
    """Turns copies of one scene into worlds, and does anew only what changed. No bpy."""

    _pieces: dict[bytes, Pieces] = field(default_factory=dict)
    _points: dict[bytes, Anchors] = field(default_factory=dict)
    _anchors: tuple[bytes, Anchors] = (b"", Anchors.empty())

    def build(self, copy: SceneCopy) -> SceneWorld:
        """The world of a scene; equal scenes give equal bytes in any order and session."""
        view = digest(*(_guide_bytes(guide) for guide in copy.guides))
        shapes = [digest(p.mesh.digest, p.matrix.tobytes(), view) for p in copy.placed]
        wanted = dict(zip(shapes, copy.placed, strict=True))
        known = {shape: self._pieces[shape] for shape in wanted if shape in self._pieces}
        missing = [shape for shape in wanted if shape not in known]
        made = _all_pieces([wanted[shape] for shape in missing], copy.guides)
        known |= zip(missing, made, strict=True)
        self._pieces = known
        coarser = _coarser(sum(known[shape].wanted() for shape in shapes), copy.budget)
        names = [
            digest(shape, placed.key.encode(), _look_bytes(placed), np.float64(coarser).tobytes())
            for shape, placed in zip(shapes, copy.placed, strict=True)
        ]
        identity = digest(*names, *_stored_bytes(copy.stored))
        if identity != self._anchors[0]:
            points: dict[bytes, Anchors] = {}
            for name, shape, placed in zip(names, shapes, copy.placed, strict=True):
                old = self._points.get(name)
                points[name] = _sampled(placed, known[shape], coarser) if old is None else old
            self._points = points
            sampled = [points[name] for name in names]
            anchors = Anchors.concatenate([*sampled, copy.stored])
            # what a scene's own geometry leaves empty is sky; photographs and captures, whose
            # points are stored, lack surfaces, and a blockout of them does too
            whole = bool(copy.placed) and not len(copy.stored)
            self._anchors = identity, replace(anchors, whole=whole)
        return SceneWorld(self._anchors[1], copy.memory, _revision(identity, copy.memory))


def _all_pieces(placed: list[Placed], guides: list[Guide]) -> list[Pieces]:
    """Pieces of many instances; small ones share a call, of which each has its price."""
    made: list[Pieces] = []
    batch: list[np.ndarray] = []
    triangles = 0
    for i, one in enumerate(placed):
        rotation = one.matrix[:3, :3].astype(np.float32)
        batch.append(one.mesh.corners @ rotation.T + one.matrix[:3, 3].astype(np.float32))
        triangles += len(one.mesh.corners)
        if i + 1 == len(placed) or triangles >= _BATCH:
            made += split_all(batch, guides)
            batch, triangles = [], 0
    return made


def _sampled(placed: Placed, pieces: Pieces, coarser: float) -> Anchors:
    samples = sample(pieces, coarser, zlib.crc32(placed.key.encode()))
    area = np.bincount(pieces.parent, pieces.area, minlength=len(placed.mesh.corners))
    rgb, solid = colours_of(placed.mesh, placed.looks, samples, area)
    radius = samples.spacing * np.float32(RADIUS)
    if solid.all():
        return Anchors(samples.xyz, rgb, radius)
    return Anchors(samples.xyz[solid], rgb[solid], radius[solid])


def _coarser(wanted: float, budget: int) -> float:
    """How much farther apart points must lie to stay within the budget, in steps of 2 ** 1/4.

    Steps, so that moving one object seldom makes all others be sampled anew.
    """
    if wanted <= budget:
        return 1.0
    return float(2.0 ** (np.ceil(np.log2(np.sqrt(wanted / budget)) * 4) / 4))


def _guide_bytes(guide: Guide) -> bytes:
    camera = guide.camera
    size = np.array([camera.width, camera.height, guide.directed, guide.nearest], np.float64)
    return camera.K.tobytes() + camera.c2w.tobytes() + size.tobytes()


def _look_bytes(placed: Placed) -> bytes:
    return repr([look.fingerprint() for look in placed.looks]).encode()


def _revision(identity: bytes, memory: list[MemoryFrame]) -> int:
    """48 bits of what the world is made of: equal worlds have equal revisions, in any session."""
    ids = ",".join(frame.id for frame in memory).encode()
    return int.from_bytes(digest(identity, ids)[:6], "big")


def digest(*parts: bytes) -> bytes:
    """16 bytes that name `parts`."""
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.digest()
