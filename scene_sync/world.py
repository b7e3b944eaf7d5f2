# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a world: its surfaces or points of them, memory from its frames, a revision of both.

Two steps: `SceneReader` (scene_reader.py) copies what is needed out of Blender, `WorldBuilder`
turns the copy into a world without touching Blender, so that a viewport can do it in another
thread. Surfaces go over as they are where the backend lights them, else as points.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.scene import Scene
from ..backend.shared.world import World
from ..backend.shared.world_content import write_content
from .contents import Placed
from .materials import colours_of
from .sampling import Guide, Pieces, sample, split_all
from .scene_reader import SceneCopy

RADIUS = 0.75
"""Radius of a point against the mean spacing: neighbours may lie half as far again apart."""

_LIGHT = np.array([0.15, -0.45, 0.88])
"""Where the light of shaded points comes from: no two sides of a box are equally bright."""
_DARKEST = 0.3
_BATCH = 100_000
"""Triangles that are cut in one call, about."""


@dataclass(eq=False)
class WorldBuilder:
    """Turns copies of one scene into worlds, and does anew only what changed. No bpy."""

    _pieces: dict[bytes, Pieces] = field(default_factory=dict)
    _points: dict[bytes, Anchors] = field(default_factory=dict)
    _anchors: tuple[bytes, Anchors] = (b"", Anchors.empty())
    _scene: tuple[bytes, Scene] = (b"", Scene())
    _draft: tuple[bytes, World] | None = None
    problems: tuple[str, ...] = ()
    """A sentence for each thing that the surfaces of the last world lack."""
    unbaked: bool = False
    """Whether Bake Materials would show something of them better."""

    def build(self, copy: SceneCopy, lit: bool = False, shaded: bool = False) -> World:
        """The world of a scene; equal scenes give equal bytes in any order and session.

        It has a `scene` where surfaces are all there is: points that were stored stay points.
        lit: leave out points of surfaces, which nobody needs where these are lit. shaded: darken
        them by the way they face, for points that are shown as they are.
        """
        placed, stored, _ = copy.contents.sorted
        if lit and placed and not stored:
            scene, problems = copy.exact()
            self._note(copy, problems)
            return self._surfaces(scene, copy.memory)
        self._draft = None
        identity = self._sample(copy, shaded)
        exact = self._exact(copy) if placed and not stored else None
        revision = _revision(identity, self._scene[0] if exact else b"", copy.memory)
        return World(self._anchors[1], copy.memory, revision, {}, exact)

    def points(self, copy: SceneCopy) -> Anchors:
        """Shaded points of all that there is, to look at for a while."""
        self._sample(copy, shaded=True)
        return self._anchors[1]

    def _sample(self, copy: SceneCopy, shaded: bool) -> bytes:
        """Makes `_anchors`; what names them."""
        placed, stored, _ = copy.contents.sorted
        view = digest(*(_guide_bytes(guide) for guide in copy.guides))
        shapes = [digest(p.surface.digest, p.matrix.tobytes(), view) for p in placed]
        wanted = dict(zip(shapes, placed, strict=True))
        known = {shape: self._pieces[shape] for shape in wanted if shape in self._pieces}
        missing = [shape for shape in wanted if shape not in known]
        made = _all_pieces([wanted[shape] for shape in missing], copy.guides)
        known |= zip(missing, made, strict=True)
        self._pieces = known
        coarser = _coarser(sum(known[shape].wanted() for shape in shapes), copy.budget)
        how = np.float64(coarser).tobytes() + (b"shaded" if shaded else b"")
        names = [
            digest(shape, one.key.encode(), _color_bytes(one), how)
            for shape, one in zip(shapes, placed, strict=True)
        ]
        kept = [digest(one.points.digest, one.matrix.tobytes()) for one in stored]
        identity = digest(*names, *kept)
        if identity != self._anchors[0]:
            points: dict[bytes, Anchors] = {}
            for name, shape, one in zip(names, shapes, placed, strict=True):
                old = self._points.get(name)
                if old is None:
                    old = _sampled(one, known[shape], coarser, shaded)
                points[name] = old
            for name, cloud in zip(kept, stored, strict=True):
                old = self._points.get(name)
                points[name] = cloud.points.placed(cloud.matrix) if old is None else old
            self._points = points
            anchors = Anchors.concatenate([points[name] for name in (*names, *kept)])
            # what a scene's own geometry leaves empty is sky; photographs and captures, whose
            # points are stored, lack surfaces, and a blockout of them does too
            self._anchors = identity, replace(anchors, whole=bool(placed) and not stored)
        return identity

    def _exact(self, copy: SceneCopy) -> Scene:
        """The surfaces; the same object as before where nothing is different."""
        scene, problems = copy.exact()
        self._note(copy, problems)
        content, _ = write_content(World(Anchors.empty(), [], 0, {}, scene))
        name = digest(content.tobytes())
        if name != self._scene[0]:
            self._scene = name, scene
        return self._scene[1]

    def draft(self, copy: SceneCopy) -> World:
        """`build` of surfaces for a viewport that looks on: nothing is waited for, and a world
        that differs in its viewpoints alone is the last one still."""
        placed, stored, _ = copy.contents.sorted
        if stored or not placed:
            return self.build(copy)
        scene, problems = copy.exact(wait=False)
        self._note(copy, problems)
        identity = _scene_identity(replace(scene, viewpoints=()), copy.memory)
        if self._draft is None or self._draft[0] != identity:
            self._draft = identity, self._surfaces(scene, copy.memory)
        return self._draft[1]

    def _note(self, copy: SceneCopy, problems: list[str]) -> None:
        self.problems, self.unbaked = tuple(problems), copy.unbaked

    def _surfaces(self, scene: Scene, memory: list[MemoryFrame]) -> World:
        revision = int.from_bytes(_scene_identity(scene, memory)[:6], "big")
        self._pieces, self._points = {}, {}
        return World(Anchors.empty(), memory, revision, {}, scene)


def _scene_identity(scene: Scene, memory: list[MemoryFrame]) -> bytes:
    """16 bytes that name all that frames are made from."""
    content, _ = write_content(World(Anchors.empty(), memory, 0, {}, scene))
    return digest(content.tobytes())


def _all_pieces(placed: list[Placed], guides: list[Guide]) -> list[Pieces]:
    """Pieces of many instances; small ones share a call, of which each has its price."""
    made: list[Pieces] = []
    batch: list[np.ndarray] = []
    triangles = 0
    for i, one in enumerate(placed):
        rotation = one.matrix[:3, :3].astype(np.float32)
        batch.append(one.surface.corners @ rotation.T + one.matrix[:3, 3].astype(np.float32))
        triangles += len(one.surface.corners)
        if i + 1 == len(placed) or triangles >= _BATCH:
            made += split_all(batch, guides)
            batch, triangles = [], 0
    return made


def _sampled(placed: Placed, pieces: Pieces, coarser: float, shaded: bool) -> Anchors:
    samples = sample(pieces, coarser, zlib.crc32(placed.key.encode()))
    area = np.bincount(pieces.parent, pieces.area, minlength=len(placed.surface.corners))
    rgb, solid = colours_of(placed.surface.mesh, placed.base_colors, samples, area)
    if shaded:
        rgb = _shaded(rgb, placed, samples.parent)
    radius = samples.spacing * np.float32(RADIUS)
    if solid.all():
        return Anchors(samples.xyz, rgb, radius)
    return Anchors(samples.xyz[solid], rgb[solid], radius[solid])


def _shaded(rgb: np.ndarray, placed: Placed, triangle: np.ndarray) -> np.ndarray:
    """Colours (N, 3) uint8 of points on triangles (N,), darker the less these face the light."""
    a, b, c = np.moveaxis(placed.surface.corners @ placed.matrix[:3, :3].T, 1, 0)
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    facing = (normal @ _LIGHT) / np.where(length > 0, length, 1.0)
    dimmed = rgb * (_DARKEST + (1 - _DARKEST) * (0.5 + 0.5 * facing))[triangle, None]
    return np.where(rgb.any(axis=1, keepdims=True), np.maximum(np.rint(dimmed), 1), 0).astype(
        np.uint8
    )


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


def _color_bytes(placed: Placed) -> bytes:
    return repr([color.fingerprint() for color in placed.base_colors]).encode()


def _revision(identity: bytes, scene: bytes, memory: list[MemoryFrame]) -> int:
    """48 bits of what the world is made of: equal worlds have equal revisions, in any session."""
    ids = ",".join(frame.id for frame in memory).encode()
    return int.from_bytes(digest(identity, scene, ids)[:6], "big")


def digest(*parts: bytes) -> bytes:
    """16 bytes that name `parts`."""
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.digest()
