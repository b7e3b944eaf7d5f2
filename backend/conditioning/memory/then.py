# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as it stood when memory frames saw it, in the triangles that it has now."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
_MOVED = 1e-6


@dataclass(frozen=True, eq=False)
class Then:
    """lighting: of the scene then; its triangles have the numbers of now. fits: (I,) bool of the
    instances, those of which memory tells something."""

    lighting: Lighting
    fits: np.ndarray

    @property
    def geometry(self) -> Geometry:
        """The triangles as they stood."""
        return self.lighting.geometry

    def same(self, other: Then) -> bool:
        """Whether what memory saw beside it is the same."""
        return self.lighting is other.lighting and np.array_equal(self.fits, other.fits)

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

        made = [None if then is None else Then(lit(then), then.fits) for then in stood]
        self._kept = used
        return made


@dataclass(frozen=True, eq=False)
class _Stood:
    scene: Scene
    fits: np.ndarray


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
        fits[i] = np.array_equal(moment.looks[place], names.look(one))
        matrix = moment.matrices[place]
        changed |= not np.allclose(matrix, one.matrix, rtol=0, atol=_MOVED)
        instances.append(replace(one, matrix=matrix))
    if not changed:
        return _Stood(scene, fits)
    then = replace(
        scene, meshes=tuple(meshes), instances=tuple(instances), lamps=tuple(moment.lamps)
    )
    return _Stood(then, fits)


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
