# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as it stood when memory frames saw it, in the triangles that it has now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...shared.frame import MemoryFrame
from ...shared.moment import Moment, Names
from ...shared.scene import Instance, Mesh, Scene
from ...shared.tree_codec import same_tree
from ..anchors.geometry import Geometry
from ..anchors.surface import Matter
from ..light.cache import WHOLE, Quality
from ..light.shade import Lighting

STOOD = Quality(10_000, 64)
"""Of bounced light in a scene whose things stood otherwise, but under the same lamps."""
REACH = 0.5
"""Sizes of a thing around it within which it is taken to change what surfaces look like."""
SOFT = 0.15
"""Sizes of a thing by which its shadows are taken to be larger."""
_MOVED = 1e-6
_FAR = 1e4


def _crosses(
    position: np.ndarray, ways: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """(N,) bool: whether the way from a point to a lamp goes through a box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - position) / ways, (high - position) / ways
    near = np.nanmax(np.minimum(one, two), axis=1)
    far = np.nanmin(np.maximum(one, two), axis=1)
    return (near <= far) & (far > 0) & (near < 1)


def _no_boxes() -> np.ndarray:
    return np.zeros((0, 2, 3), np.float32)


@dataclass(frozen=True, eq=False)
class Then:
    """lighting: of the scene then; its triangles have the numbers of now. fits: (I,) bool of the
    instances, those of which memory tells something. gone, other: (D, 2, 3) float32 boxes around
    what stood there and is not known any more, and around what looked otherwise."""

    lighting: Lighting
    fits: np.ndarray
    gone: np.ndarray = field(default_factory=_no_boxes)
    other: np.ndarray = field(default_factory=_no_boxes)

    @property
    def geometry(self) -> Geometry:
        """The triangles as they stood."""
        return self.lighting.geometry

    def same(self, other: Then) -> bool:
        """Whether what memory saw beside it is the same."""
        return self.lighting is other.lighting and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("fits", "gone", "other")
        )

    def touched(self, position: np.ndarray) -> np.ndarray:
        """(N,) bool: points whose light then was partly that of things that are not known."""
        touched = np.zeros(len(position), bool)
        for box in (*self.gone, *self.other):
            size = float((box[1] - box[0]).max())
            off = np.maximum(np.maximum(box[0] - position, position - box[1]), 0)
            touched |= (off**2).sum(axis=1) < (REACH * size) ** 2
        for lamp in self.geometry.scene.lamps if len(self.gone) else ():
            ways = lamp.matrix[:3, 3] - position
            if lamp.kind == "SUN":
                ways = np.broadcast_to(lamp.matrix[:3, 2] * _FAR, position.shape)
            for low, high in self.gone:
                margin = SOFT * float((high - low).max())
                touched |= _crosses(position, ways, low - margin, high + margin)
        return touched

    def moved(self, now: Geometry) -> np.ndarray:
        """(I,) bool of the instances that stand elsewhere now, or in another shape."""
        mine, theirs = self.geometry.scene, now.scene
        return np.array(
            [
                not np.allclose(then.matrix, one.matrix, rtol=0, atol=_MOVED)
                or mine.meshes[then.mesh] is not theirs.meshes[one.mesh]
                for then, one in zip(mine.instances, theirs.instances, strict=True)
            ],
            bool,
        )

    def turns(self, now: Geometry) -> np.ndarray | None:
        """(I, 3, 3) float32, from directions at instances now to those then; None = the same."""
        if now is self.geometry:
            return None
        pairs = zip(now.scene.instances, self.geometry.scene.instances, strict=True)
        turns = [then.matrix[:3, :3] @ np.linalg.pinv(one.matrix[:3, :3]) for one, then in pairs]
        return np.array(turns, np.float32).reshape(-1, 3, 3)


class Past:
    """Lights scenes as they stood, once for as long as they are asked for."""

    def __init__(self, quality: Quality = WHOLE) -> None:
        """quality: of bounced light under other lamps."""
        self.quality = quality
        self._kept: list[Lighting] = []

    def of(self, now: Lighting, frames: list[MemoryFrame]) -> list[Then | None]:
        """The scene of each frame; None where it was lit in a way that nobody kept.

        If all is as it was in every one, that is `now`. Else each is lit as of its own moment, so
        that moving something changes no other thing's past.
        """
        scene = now.geometry.scene
        names = Names(scene)
        stood = [_stood(scene, names, frame.moment) for frame in frames]
        unchanged = all(then is None or then.scene is scene for then in stood)
        cameras = tuple(frame.camera for frame in frames)
        used: list[Lighting] = []

        def lit(then: _Stood) -> Lighting:
            if unchanged:
                return now
            wanted = replace(then.scene, viewpoints=cameras)
            quality = self.quality
            if same_tree(wanted.lamps, scene.lamps):
                quality = min(quality, STOOD, key=lambda one: one.surfels)
            for one in (*used, *self._kept):
                if one.quality == quality and same_tree(one.geometry.scene, wanted):
                    break
            else:
                matter = Matter(Geometry.of(wanted), now.matter.materials)
                one = Lighting.of(wanted, matter, quality)
            if one not in used:
                used.append(one)
            return one

        made = [
            None if then is None else Then(lit(then), then.fits, then.gone, then.other)
            for then in stood
        ]
        self._kept = used
        return made


@dataclass(frozen=True, eq=False)
class _Stood:
    scene: Scene
    fits: np.ndarray
    gone: np.ndarray = field(default_factory=_no_boxes)
    other: np.ndarray = field(default_factory=_no_boxes)


def _stood(scene: Scene, names: Names, moment: Moment | None) -> _Stood | None:
    if moment is None:
        return _Stood(scene, np.ones(len(scene.instances), bool))
    if moment.around != names.around:
        return None
    places = {key: i for i, key in enumerate(moment.names())}
    meshes: list[Mesh] = list(scene.meshes)
    instances: list[Instance] = []
    fits = np.zeros(len(scene.instances), bool)
    changed = not same_tree(moment.lamps, scene.lamps)
    gone = np.ones(len(places), bool)
    for i, one in enumerate(scene.instances):
        place = places.get(one.key)
        deformed = None
        if place is not None and not np.array_equal(moment.shapes[place], names.shape(one)):
            deformed = _deformed(scene.meshes[one.mesh], moment, moment.shapes[place])
            changed = True
            if deformed is None:
                place = None
            else:
                meshes[one.mesh] = deformed
        if place is None:  # not there yet, or nobody knows in which shape
            instances.append(replace(one, matrix=np.diag([0.0, 0.0, 0.0, 1.0])))
            changed = True
            continue
        gone[place] = False
        fits[i] = np.array_equal(moment.looks[place], names.look(one))
        matrix = moment.matrices[place]
        changed |= not np.allclose(matrix, one.matrix, rtol=0, atol=_MOVED)
        instances.append(replace(one, matrix=matrix))
    unfit = np.zeros(len(places), bool)
    unfit[
        [
            places[one.key]
            for i, one in enumerate(scene.instances)
            if one.key in places and not fits[i]
        ]
    ] = True
    boxes = moment.bounds[gone], moment.bounds[unfit & ~gone]
    if not changed:
        return _Stood(scene, fits, *boxes)
    then = replace(
        scene, meshes=tuple(meshes), instances=tuple(instances), lamps=tuple(moment.lamps)
    )
    return _Stood(then, fits, *boxes)


def _deformed(mesh: Mesh, moment: Moment, shape: np.ndarray) -> Mesh | None:
    """The mesh with the vertices then, if those were kept; smooth normals are those of the
    triangles around."""
    vertices = moment.vertices.get(shape.tobytes().hex())
    if vertices is None or vertices.shape != mesh.vertices.shape:
        return None
    if mesh.normals is None:
        return replace(mesh, vertices=vertices)
    corners = vertices[mesh.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(summed, mesh.triangles[:, corner], flat)
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-20)
    return replace(mesh, vertices=vertices, normals=summed[mesh.triangles].astype(np.float32))
