# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a world: anchors from its surfaces, memory from its frames, a revision of both."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError
from ..backend.shared.frame import MemoryFrame
from .geometry import Instance, Mesh, instances, read_mesh
from .guides import render_guides
from .materials import Look, colours_of, look_of
from .memory import read_frames
from .sampling import Guide, Pieces, sample, split


@dataclass(frozen=True, eq=False)
class SceneWorld:
    """What of a scene a frame is made from. warnings: one sentence each, for the user."""

    anchors: Anchors
    memory: list[MemoryFrame]
    revision: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Placed:
    """One instance on its way to points."""

    instance_key: str
    mesh: Mesh
    looks: list[Look]
    pieces: Pieces
    identity: bytes


@dataclass(eq=False)
class SceneReader:
    """Reads a scene again and again, and does anew only what changed since.

    One per purpose (final render, viewport), so that they do not push out each other's parts.
    """

    _pieces: dict[bytes, Pieces] = field(default_factory=dict)
    _points: dict[bytes, Anchors] = field(default_factory=dict)
    _world: SceneWorld | None = None

    def read(
        self, depsgraph: bpy.types.Depsgraph, current: Camera | None, free: bool = False
    ) -> SceneWorld:
        """The world of an evaluated scene.

        current: the camera of this picture. free: it stands outside the scene's path, as a
        viewport's does, and the anchors are made fit for it too.
        Raises WorldError when there is neither geometry nor memory.
        """
        scene = depsgraph.scene.original
        memory, warnings = read_frames(scene)
        guides = render_guides(scene, [frame.camera for frame in memory], current)
        if free and current is not None:
            guides.append(Guide(current, directed=False))
        placed, skipped = self._placed(depsgraph, guides, scene.unit_settings.scale_length)
        budget = scene.worldfm.point_budget
        anchors, identity = self._anchors(placed, budget)
        if not len(anchors) and not memory:
            raise WorldError(
                "There is nothing to look at: the scene has no visible geometry and no memory; "
                "add objects, or capture memory in the WorldFM tab of the sidebar."
            )
        revision = _revision(identity, memory)
        if self._world is None or self._world.revision != revision:
            self._world = SceneWorld(anchors, memory, revision, tuple(warnings + skipped))
        return self._world

    def _placed(
        self, depsgraph: bpy.types.Depsgraph, guides: list[Guide], scale_length: float
    ) -> tuple[list[_Placed], list[str]]:
        meshes: dict[int, Mesh | None] = {}
        placed: list[_Placed] = []
        skipped: dict[str, str] = {}
        kept: dict[bytes, Pieces] = {}
        view = _digest(*(_guide_bytes(guide) for guide in guides))
        for instance in instances(depsgraph):
            problem = _problem(instance)
            if problem:
                skipped[instance.name] = problem
                continue
            pointer = instance.object.data.as_pointer()
            if pointer not in meshes:
                meshes[pointer] = read_mesh(instance.object)
            mesh = meshes[pointer]
            if mesh is None:
                continue
            if not mesh.finite:
                skipped[instance.name] = _SKIPPED.format(instance.name, "NaN coordinates")
                continue
            slots = instance.object.material_slots
            looks = [look_of(slot.material) for slot in slots] or [Look()]
            matrix = instance.matrix.copy()
            matrix[:3] *= scale_length
            shape = _digest(mesh.digest, matrix.tobytes(), view)
            pieces = self._pieces.get(shape) or kept.get(shape) or _pieces(mesh, matrix, guides)
            kept[shape] = pieces
            fingerprints = repr([look.fingerprint() for look in looks]).encode()
            identity = _digest(shape, fingerprints, instance.key.encode())
            placed.append(_Placed(instance.key, mesh, looks, pieces, identity))
        self._pieces = kept
        # the depsgraph's order follows how objects were made; a world must not
        placed.sort(key=lambda p: p.instance_key)
        return placed, list(skipped.values())

    def _anchors(self, placed: list[_Placed], budget: int) -> tuple[Anchors, bytes]:
        """All points, and a digest of what they follow from."""
        coarser = _coarser(sum(p.pieces.wanted() for p in placed), budget)
        names = [_digest(p.identity, np.float64(coarser).tobytes()) for p in placed]
        identity = _digest(*names)
        if self._world is not None and getattr(self, "_identity", b"") == identity:
            return self._world.anchors, identity
        kept: dict[bytes, Anchors] = {}
        for name, part in zip(names, placed, strict=True):
            kept[name] = self._points.get(name) or _points(part, coarser)
        self._points, self._identity = kept, identity
        return Anchors.concatenate([kept[name] for name in names]), identity


_SKIPPED = "The object '{}' was left out: {}; clear its transform or delete it."


def _problem(instance: Instance) -> str | None:
    """Why an instance cannot be placed, as a sentence."""
    matrix = instance.matrix
    if not np.isfinite(matrix).all():
        return _SKIPPED.format(instance.name, "its transform has NaN values")
    scales = np.linalg.norm(matrix[:3, :3], axis=0)
    if np.sort(scales)[1] < 1e-9:
        return _SKIPPED.format(instance.name, "its scale is zero")
    return None


def _pieces(mesh: Mesh, matrix: np.ndarray, guides: list[Guide]) -> Pieces:
    rotation = matrix[:3, :3].astype(np.float32)
    return split(mesh.corners @ rotation.T + matrix[:3, 3].astype(np.float32), guides)


def _points(part: _Placed, coarser: float) -> Anchors:
    samples = sample(part.pieces, coarser, zlib.crc32(part.instance_key.encode()))
    rgb, solid = colours_of(part.mesh, part.looks, samples)
    radius = samples.spacing * np.float32(0.5)
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
    size = np.array([camera.width, camera.height, guide.directed], np.float64)
    return camera.K.tobytes() + camera.c2w.tobytes() + size.tobytes()


def _revision(identity: bytes, memory: list[MemoryFrame]) -> int:
    """48 bits of what the world is made of: equal worlds have equal revisions, in any session."""
    ids = ",".join(frame.id for frame in memory).encode()
    return int.from_bytes(_digest(identity, ids)[:6], "big")


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
