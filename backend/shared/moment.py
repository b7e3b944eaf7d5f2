# SPDX-License-Identifier: GPL-3.0-or-later
"""What a memory frame keeps of the scene that it saw, so that it still fits when that changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .errors import WorldError
from .names import Names
from .part_names import LAYERS, SHAPE, alike, shape_key
from .scene import Background, Lamp, Scene

MOST_VERTICES = 1_000_000
"""Of what deforms, kept with one frame."""
MOST_SHAPES = 2_000
MOST_INSTANCES = 200_000
"""Of a scene that a frame keeps anything of."""
_STEPS = 16
"""Bits of a vertex's place that are kept: no memory frame is finer, and half as many bytes."""
SKY_WIDTH = 256
"""Pixels around of the background that is kept."""
_MOVED = 1e-6
_MOST_HALF = 65504.0


@dataclass(frozen=True, eq=False)
class Moment:
    """Of N instances: where they stood, and names of what they looked like.

    keys: (B,) uint8, their keys as UTF-8 lines. matrices: (N, 4, 4) float64 own space to world.
    bounds: (N, 2, 3) float32 corners of boxes around them in world space.
    shapes, layers: (N, SHAPE), (N, LAYERS) float64 and looks: (N, 2) int32 as in `Names`. lamps:
    all of them. sky, around: as in `Names`. background: a small picture of it, None where that
    was not known. vertices: `shape_key` -> (V, 3) float32, of those that deform.
    """

    keys: np.ndarray
    matrices: np.ndarray
    bounds: np.ndarray
    shapes: np.ndarray
    layers: np.ndarray
    looks: np.ndarray
    lamps: tuple[Lamp, ...] = ()
    sky: str = ""
    around: str = ""
    background: Background | None = None
    vertices: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.matrices)
        if (
            not _is(self.keys, np.uint8, self.keys.shape[:1])
            or not _is(self.matrices, np.float64, (count, 4, 4))
            or not _is(self.bounds, np.float32, (count, 2, 3))
            or not _is(self.shapes, np.float64, (count, SHAPE))
            or not _is(self.layers, np.float64, (count, LAYERS))
            or not _is(self.looks, np.int32, (count, 2))
            or len(self.names()) != count
            or not all(_is(v, np.float32, (len(v), 3)) for v in self.vertices.values())
        ):
            raise WorldError(
                "What a memory frame keeps of its scene does not fit together; capture it again."
            )

    def names(self) -> list[str]:
        """The keys of the instances."""
        return self.keys.tobytes().decode("utf-8", "replace").split("\n")[:-1]

    @classmethod
    def of(
        cls,
        scene: Scene,
        deforming: frozenset[str] | set[str] = frozenset(),
        sky_known: bool = True,
    ) -> Moment:
        """Of a scene. deforming: keys of instances whose vertices are to be kept as well, as many
        as `MOST_VERTICES` allow, the smallest first. sky_known: whether the background's picture
        is the true one."""
        names = Names.of(scene)
        count = len(scene.instances)
        lines = "".join(key + "\n" for key in names.keys)
        matrices = np.array([one.matrix for one in scene.instances], np.float64)
        matrices = matrices.reshape(count, 4, 4)
        return cls(
            np.frombuffer(lines.encode(), np.uint8),
            matrices,
            boxes_around(scene, matrices),
            names.shapes,
            names.layers,
            names.looks,
            scene.lamps,
            names.sky,
            names.around,
            _small(scene.background) if sky_known else None,
            _vertices(scene, names, deforming),
        )

    def vertices_of(self, number: int) -> np.ndarray | None:
        """(V, 3) float32 of an instance, by its number; None where they were not kept."""
        return self.vertices.get(shape_key(self.shapes[number]))


@dataclass(frozen=True, eq=False)
class Comparison:
    """A scene's N instances beside a moment of M.

    place: (N,) number in the moment, -1 = not there then. shaped, looks, moved: (N,) bool, whether
    vertices and all else are as they were, and whether it stood elsewhere. gone: (M,) bool, what
    is not there now.
    """

    place: np.ndarray
    shaped: np.ndarray
    looks: np.ndarray
    moved: np.ndarray
    gone: np.ndarray

    @classmethod
    def of(cls, scene: Scene, names: Names, moment: Moment) -> Comparison:
        """names: of the scene."""
        places = {key: i for i, key in enumerate(moment.names())}
        place = np.array([places.get(key, -1) for key in names.keys], np.int64)
        there, at = place >= 0, place[place >= 0]
        count = len(names.keys)
        shaped, looks, moved = (np.zeros(count, bool) for _ in range(3))
        shaped[there] = alike(moment.shapes[at], names.shapes[there])
        looks[there] = alike(moment.layers[at], names.layers[there]) & (
            moment.looks[at] == names.looks[there]
        ).all(axis=1)
        known = [one.matrix for one, was in zip(scene.instances, there, strict=True) if was]
        stands = np.array(known, np.float64).reshape(-1, 4, 4)
        near = np.isclose(moment.matrices[at], stands, rtol=_MOVED, atol=_MOVED)
        moved[there] = ~near.all(axis=(1, 2))
        gone = np.ones(len(moment.matrices), bool)
        gone[at] = False
        return cls(place, shaped, looks, moved, gone)


def _vertices(scene: Scene, names: Names, deforming: set[str] | frozenset[str]) -> dict:
    wanted = {
        shape_key(shape): scene.meshes[one.mesh].vertices
        for one, shape in zip(scene.instances, names.shapes, strict=True)
        if one.key in deforming
    }
    order = sorted(wanted, key=lambda key: (len(wanted[key]), key))[:MOST_SHAPES]
    fits = np.cumsum([len(wanted[key]) for key in order]) <= MOST_VERTICES
    return {key: _coarse(wanted[key]) for key, fit in zip(order, fits, strict=True) if fit}


def _coarse(vertices: np.ndarray) -> np.ndarray:
    extent = float(np.abs(vertices).max(initial=0))
    step = np.float32(2.0 ** (np.ceil(np.log2(max(extent, 1e-12))) - _STEPS))
    return np.rint(vertices / step) * step


def _small(sky: Background | None) -> Background | None:
    """At most `SKY_WIDTH` pixels around, in the steps of half floats."""
    if sky is None:
        return None
    height, width = sky.pixels.shape[:2]
    step = max(1, -(-width // SKY_WIDTH))
    rows, columns = height // step * step, width // step * step
    if step > 1 and rows:
        blocks = sky.pixels[:rows, :columns].reshape(rows // step, step, columns // step, step, 3)
        pixels = blocks.mean(axis=(1, 3))
    else:
        pixels = sky.pixels
    halves = np.clip(np.nan_to_num(pixels), -_MOST_HALF, _MOST_HALF).astype(np.float16)
    return Background(halves.astype(np.float32), sky.visible)


def boxes_around(scene: Scene, matrices: np.ndarray) -> np.ndarray:
    """(N, 2, 3) float32 corners of boxes around a scene's instances that stand at (N, 4, 4)."""
    corners = np.zeros((len(scene.meshes), 8, 3))
    for i, mesh in enumerate(scene.meshes):
        if len(mesh.vertices):
            corners[i] = box_corners(mesh.vertices)
    own = corners[[one.mesh for one in scene.instances]].reshape(-1, 8, 3)
    placed = own @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]
    return np.stack([placed.min(axis=1), placed.max(axis=1)], axis=1).astype(np.float32)


def box_corners(vertices: np.ndarray) -> np.ndarray:
    """(8, 3) float64 corners of the box around points (V, 3), of one at least."""
    ends = np.stack([vertices.min(axis=0), vertices.max(axis=0)]).astype(np.float64)
    return np.array(np.meshgrid(*ends.T)).reshape(3, -1).T


def _is(array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> bool:
    return array.dtype == dtype and array.shape == shape and bool(np.isfinite(array).all())
