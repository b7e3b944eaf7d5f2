# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as it stood when memory frames saw it, in the triangles that it has now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np

from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from ...shared.moment import Comparison, Moment, boxes_around
from ...shared.names import Names
from ...shared.scene import Background, Instance, Mesh, Scene
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
MOST_PASTS = 16
MOST_TRIANGLES = 4_000_000
"""How many scenes as they stood are kept, and of how many triangles together; of memory frames
beyond, what moved since is forgotten."""
MOST_BOXES = 64
MOST_LAMPS = 16
"""Boxes around what is gone, and the strongest lamps, whose shadows are looked for."""
_MOST_BENT = 64
"""Shapes of one mesh that are kept, as of so many memory frames."""
_UNKNOWN = Background(np.zeros((1, 1, 3), np.float32))


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
class PastScene:
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

    def same(self, other: PastScene) -> bool:
        """Whether what memory saw beside it is the same."""
        return self.lighting is other.lighting and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("fits", "gone", "other")
        )

    def touched(self, position: np.ndarray) -> np.ndarray:
        """(N,) bool: points (N, 3) whose light then was partly that of things that are not
        known."""
        touched = np.zeros(len(position), bool)
        for box in (*self.gone, *self.other):
            size = float((box[1] - box[0]).max())
            off = np.maximum(np.maximum(box[0] - position, position - box[1]), 0)
            touched |= (off**2).sum(axis=1) < (REACH * size) ** 2
        lamps = sorted(self.geometry.scene.lamps, key=lambda lamp: -sum(lamp.power))
        for lamp in lamps[:MOST_LAMPS] if len(self.gone) else ():
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
        elsewhere = np.abs(_matrices(mine) - _matrices(theirs)).max(axis=(1, 2), initial=0) > _MOVED
        bent = [
            mine.meshes[then.mesh] is not theirs.meshes[one.mesh]
            for then, one in zip(mine.instances, theirs.instances, strict=True)
        ]
        return elsewhere | np.array(bent, bool)

    def turns(self, now: Geometry) -> np.ndarray:
        """(I, 3, 3) float32, from directions at instances now to those then."""
        then, here = _matrices(self.geometry.scene)[:, :3, :3], _matrices(now.scene)[:, :3, :3]
        turns = np.repeat(np.eye(3)[None], len(then), axis=0)
        other = (then != here).any(axis=(1, 2))
        turns[other] = then[other] @ np.linalg.pinv(here[other])
        return turns.astype(np.float32)


def fewer(boxes: np.ndarray) -> np.ndarray:
    """(D, 2, 3) boxes, neighbours joined where there are more than `MOST_BOXES`."""
    parts = [boxes]
    while len(parts) < MOST_BOXES < len(boxes):
        spans = [np.ptp(part.mean(axis=1), axis=0) if len(part) > 1 else _NO_SPAN for part in parts]
        widest = int(np.argmax([span.max() for span in spans]))
        part, axis = parts.pop(widest), int(spans[widest].argmax())
        part = part[np.argsort(part[:, :, axis].sum(axis=1), kind="stable")]
        parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    if len(parts) == 1:
        return boxes
    return np.array([[part[:, 0].min(axis=0), part[:, 1].max(axis=0)] for part in parts])


_NO_SPAN = np.full(3, -1.0)


def _matrices(scene: Scene) -> np.ndarray:
    return np.array([one.matrix for one in scene.instances], np.float64).reshape(-1, 4, 4)


class PastScenes:
    """Lights scenes as they stood, once for as long as they are asked for."""

    def __init__(self, quality: Quality = WHOLE) -> None:
        """quality: of bounced light under other lamps."""
        self.quality = quality
        self._kept: list[Lighting] = []
        self._bent = _BentMeshes()

    def of(self, now: Lighting, frames: list[MemoryFrame]) -> list[PastScene | None]:
        """The scene of each frame; None where it was lit in a way that nobody kept.

        If all is as it was in every one, that is `now`. Else each is lit as of its own moment, so
        that moving something changes no other thing's past.
        """
        scene = now.geometry.scene
        names = Names.of(scene) if any(frame.moment is not None for frame in frames) else None
        stood = [_stood(scene, names, frame.moment, self._bent) for frame in frames]
        unchanged = all(then is None or then.scene is scene for then in stood)
        cameras = tuple(frame.camera for frame in frames)
        used: list[Lighting] = []
        past: list[PastScene | None] = []
        for then in stood:
            if then is None:
                past.append(None)
                continue
            lighting = now if unchanged else self._lit(now, then.scene, cameras, used)
            if lighting is None:
                past.append(_of_what_stands_still(now, then))
            else:
                past.append(PastScene(lighting, then.fits, then.gone, then.other))
        self._kept = used
        return past

    def _lit(
        self, now: Lighting, then: Scene, cameras: tuple[Camera, ...], used: list[Lighting]
    ) -> Lighting | None:
        """A past scene lit: as in `used`, where this world's are, or kept, or made and added.

        None where `used` has as many as there may be, whatever is kept: frames must not depend on
        those before.
        """
        wanted, quality = replace(then, viewpoints=cameras), self.quality
        if same_light(wanted, now.geometry.scene):
            quality = min(quality, STOOD, key=lambda one: one.surfels)
        known = _fitting(used, wanted, quality)
        if known is not None:
            return known
        if len(used) >= max(1, min(MOST_PASTS, MOST_TRIANGLES // max(len(now.geometry), 1))):
            return None
        made = _fitting(self._kept, wanted, quality)
        if made is None:
            matter = Matter(Geometry.of(wanted), now.matter.materials)
            made = Lighting.of(wanted, matter, quality)
        used.append(made)
        return made


def _fitting(lit: list[Lighting], scene: Scene, quality: Quality) -> Lighting | None:
    """The one of this scene and quality."""
    for one in lit:
        if one.quality == quality and same_tree(one.geometry.scene, scene):
            return one
    return None


def _of_what_stands_still(now: Lighting, stood: _Stood) -> PastScene | None:
    """Beside the light of now: nothing of what moved, nor of what is near to where it stood."""
    scene, then = now.geometry.scene, stood.scene
    if not same_light(scene, then):
        return None
    still = [
        one.mesh == other.mesh and one.matrix is other.matrix
        for one, other in zip(scene.instances, then.instances, strict=True)
    ]
    boxes = [stood.gone]
    for place in (scene, then):
        matrices = _matrices(place)
        there = matrices[:, :3, :3].any(axis=(1, 2))
        boxes.append(boxes_around(place, matrices)[there & ~np.array(still, bool)])
    return PastScene(now, stood.fits & still, fewer(np.concatenate(boxes)), stood.other)


@dataclass(frozen=True, eq=False)
class _Stood:
    scene: Scene
    fits: np.ndarray
    gone: np.ndarray = field(default_factory=_no_boxes)
    other: np.ndarray = field(default_factory=_no_boxes)


def _stood(
    scene: Scene, names: Names | None, moment: Moment | None, meshes_then: _BentMeshes
) -> _Stood | None:
    if moment is None or names is None:
        return _Stood(scene, np.ones(len(scene.instances), bool))
    sky = _sky_then(scene, names, moment)
    if sky is _UNKNOWN:
        return None
    found = Comparison.of(scene, names, moment)
    place = found.place.copy()
    meshes: list[Mesh] = list(scene.meshes)
    instances: list[Instance] = list(scene.instances)
    for i in np.flatnonzero((place >= 0) & ~found.shaped):
        bent = meshes_then.of(scene.meshes[instances[i].mesh], moment.vertices_of(place[i]))
        if bent is None:
            place[i] = -1
            continue
        instances[i] = replace(instances[i], mesh=len(meshes))
        meshes.append(bent)
    for number, one in enumerate(instances):
        if place[number] < 0:  # not there yet, or nobody knows in which shape
            instances[number] = replace(one, matrix=np.diag([0.0, 0.0, 0.0, 1.0]))
        elif found.moved[number]:
            instances[number] = replace(one, matrix=moment.matrices[place[number]])
    fits = (place >= 0) & found.looks
    gone = np.ones(len(moment.matrices), bool)
    gone[place[place >= 0]] = False
    other = np.zeros(len(gone), bool)
    other[place[(place >= 0) & ~found.looks]] = True
    boxes = fewer(moment.bounds[gone]), fewer(moment.bounds[other])
    then = replace(
        scene,
        meshes=tuple(meshes),
        instances=tuple(instances),
        lamps=tuple(moment.lamps),
        background=sky,
    )
    stands = all(one is now for one, now in zip(instances, scene.instances, strict=True))
    return _Stood(scene if stands and same_light(then, scene) else then, fits, *boxes)


def same_light(one: Scene, other: Scene) -> bool:
    """Whether two scenes have the same lamps and background."""
    return one.background is other.background and same_tree(one.lamps, other.lamps)


def _sky_then(scene: Scene, names: Names, moment: Moment) -> Background | None:
    """The background that memory saw; `_UNKNOWN` where nobody kept it, or the fog was another."""
    if moment.around != names.around:
        return _UNKNOWN
    if moment.sky == names.sky:
        return scene.background
    return moment.background or (_UNKNOWN if moment.sky else None)


class _BentMeshes:
    """Meshes with the vertices of other moments, kept while the mesh lives."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Mesh, list[Mesh]] = WeakKeyDictionary()

    def of(self, mesh: Mesh, vertices: np.ndarray | None) -> Mesh | None:
        """The mesh with the vertices then, if those were kept; smooth normals are those of the
        triangles around. The same one for the same vertices."""
        if vertices is None or vertices.shape != mesh.vertices.shape:
            return None
        known = self._known.setdefault(mesh, [])
        for one in known:
            if one.vertices is vertices:
                return one
        normals = None if mesh.normals is None else _smooth_normals(vertices, mesh.triangles)
        known.append(replace(mesh, vertices=vertices, normals=normals))
        del known[:-_MOST_BENT]
        return known[-1]


def _smooth_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) float32 of the corners."""
    corners = vertices[triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(summed, triangles[:, corner], flat)
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-20)
    return summed[triangles].astype(np.float32)
