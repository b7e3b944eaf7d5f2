# SPDX-License-Identifier: GPL-3.0-or-later
"""The points that a material is evaluated at, on the instances that wear it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...shared.scene import Instance, Mesh
from .corners import edges, layer_axes, layer_scale, of_corners, of_vertices, shifts

_EDGE_ON = np.float32(0.05)
"""Least cosine of a view that counts."""


class Run(NamedTuple):
    """Points from `start` to `stop` lie on one instance of a mesh."""

    mesh: Mesh
    instance: Instance
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """Their place among the points."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, eq=False)
class ShadingPoints:
    """N points, instance by instance, all arrays float32 unless said.

    runs: which of them lie on which instance. triangle: (N,) int32, of its mesh. u, v: (N,)
    barycentric weights of the second and third corner.
    position: (N, 3) world. normal: (N, 3) interpolated, unit, on the side of the viewer;
    flat: (N, 3) the triangle's own, likewise. incoming: (N, 3) unit, towards the viewer.
    width: (N,) metres that a pixel (or a sample) covers there. back: (N,) bool, seen from behind.
    is_camera: whether a camera looks (Light Path nodes; False for light that bounces).
    is_shadow: whether a lamp's light is asked for on its way through.
    whole: whether a point stands for all that a pixel covers, however long it is there.
    """

    runs: tuple[Run, ...]
    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    flat: np.ndarray
    incoming: np.ndarray
    width: np.ndarray
    back: np.ndarray
    is_camera: bool = True
    is_shadow: bool = False
    whole: bool = False
    shift: np.ndarray | None = None
    """(N, 2) how far attributes are moved off the point in (u, v): see `moved`."""

    def __len__(self) -> int:
        return len(self.triangle)

    def times(self, count: int) -> ShadingPoints:
        """All points, `count` times one after the other."""
        again = self.rows(np.tile(np.arange(len(self)), count))
        runs = [
            run._replace(start=run.start + k * len(self), stop=run.stop + k * len(self))
            for k in range(count)
            for run in self.runs
        ]
        return replace(again, runs=tuple(runs))

    def rows(self, index: np.ndarray) -> ShadingPoints:
        """Those of numbers (M,) `index`, whose runs the caller knows."""
        names = ("triangle", "u", "v", "position", "normal", "flat", "incoming", "width", "back")
        taken = {name: getattr(self, name).take(index, axis=0) for name in names}
        return replace(self, **taken, shift=None if self.shift is None else self.shift[index])

    def take(self, index: np.ndarray) -> ShadingPoints:
        """The points of rising numbers `index` (M,)."""
        cuts = np.searchsorted(index, [0, *(run.stop for run in self.runs)])
        runs = tuple(
            Run(run.mesh, run.instance, int(start), int(stop))
            for run, start, stop in zip(self.runs, cuts, cuts[1:], strict=False)
            if start < stop
        )
        return replace(self.rows(index), runs=runs)

    def of_instances(self, value: Callable[[Instance], np.ndarray]) -> np.ndarray:
        """What instances have, (...) float32: once where there is one instance, else (N, ...), at
        every point."""
        found = [np.asarray(value(run.instance), np.float32) for run in self.runs]
        if len(found) == 1:
            return found[0]
        return np.repeat(np.stack(found), [run.stop - run.start for run in self.runs], axis=0)

    def turned(self, vectors: np.ndarray, matrix: Callable[[Instance], np.ndarray]) -> np.ndarray:
        """(N, 3) of vectors (N, 3), or (3,) for all points, times (3, 3) of their instances."""
        vectors = np.broadcast_to(vectors, (len(self), 3))
        made = [vectors[run.rows] @ matrix(run.instance).astype(np.float32) for run in self.runs]
        return made[0] if len(made) == 1 else np.concatenate(made)

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        if self.shift is None:
            return self.u, self.v
        return self.u + self.shift[:, 0], self.v + self.shift[:, 1]

    def _of_corners(self, corners: list[np.ndarray | None], channels: int) -> np.ndarray:
        """(N, C) values interpolated from each run's (T, 3, C) corner values; zeros for None."""
        made = np.zeros((len(self), channels), np.float32)
        u, v = self._weights()
        for run, values in zip(self.runs, corners, strict=True):
            rows = run.rows
            if values is not None:
                of_corners(values, self.triangle[rows], u[rows], v[rows], made[rows])
        return made

    def uv(self, layer: str = "") -> np.ndarray:
        """(N, 2) texture coordinates; zeros where the mesh lacks the layer ("" = the active)."""
        return self._of_corners([_layer(run.mesh, layer) for run in self.runs], 2)

    def uv_width(self, layer: str = "") -> np.ndarray:
        """(N,) what `width` is in texture coordinates (square root of the areas' ratio)."""
        made = np.zeros(len(self), np.float32)
        for run in self.runs:
            mesh, corners, rows = run.mesh, _layer(run.mesh, layer), run.rows
            if corners is not None:
                layer_scale(
                    mesh.vertices, mesh.triangles, _turn(run), corners, self.triangle[rows],
                    self.width[rows], made[rows],
                )  # fmt: skip
        return made

    def color(self, layer: str = "") -> np.ndarray:
        """(N, 4) a colour attribute ("" = the active one); zeros where the mesh lacks it."""
        return self._of_corners(
            [run.mesh.colors.get(layer or run.mesh.active_color) for run in self.runs], 4
        )

    def attribute(self, name: str) -> np.ndarray:
        """(N, 4) a colour attribute or else a UV layer (u, v, 0, 1); zeros without either."""
        made = self._of_corners([run.mesh.colors.get(name) for run in self.runs], 4)
        layers = [None if name in run.mesh.colors else run.mesh.uv.get(name) for run in self.runs]
        if any(layer is not None for layer in layers):
            made[:, :2] += self._of_corners(layers, 2)
            for run, layer in zip(self.runs, layers, strict=True):
                made[run.rows, 3] += layer is not None
        return made

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each: world vectors from the first corner to the second and third."""
        first, second = np.empty((2, len(self), 3), np.float32)
        for run in self.runs:
            mesh, rows = run.mesh, run.rows
            corners = (mesh.vertices, mesh.triangles, _turn(run), self.triangle[rows])
            edges(*corners, first[rows], second[rows])
        return first, second

    def object_position(self) -> np.ndarray:
        """(N, 3) in the mesh's own space."""
        made = np.empty((len(self), 3), np.float32)
        u, v = self._weights()
        for run in self.runs:
            mesh, rows = run.mesh, run.rows
            corners = (mesh.vertices, mesh.triangles, self.triangle[rows])
            of_vertices(*corners, u[rows], v[rows], made[rows])
        return made

    def generated(self) -> np.ndarray:
        """(N, 3) generated texture coordinates: 0 to 1 over the mesh's bounds."""
        made = self.object_position()
        for run in self.runs:
            low, high = _bounds(run.mesh)
            made[run.rows] = (made[run.rows] - low) / np.maximum(high - low, 1e-12)
        return made

    def tangents(self, layer: str = "") -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each, world, unit: where u and v of a texture layer grow; zeros without one."""
        along, across = np.zeros((2, len(self), 3), np.float32)
        first, second = self.edges()
        for run in self.runs:
            corners, rows = _layer(run.mesh, layer), run.rows
            if corners is not None:
                layer_axes(
                    first[rows], second[rows], corners, self.triangle[rows], along[rows],
                    across[rows],
                )  # fmt: skip
        return along, across

    def moved(self, axis: int, share: float = 1.0) -> tuple[ShadingPoints, np.ndarray]:
        """The points `share` of a `width` aside on their surface, and the way there: (N, 3) metres.

        axis: 0 or 1, two directions at right angles in the triangle's plane.
        """
        e1, e2 = self.edges()
        way, shift = np.empty((len(self), 3), np.float32), np.empty((len(self), 2), np.float32)
        shifts(e1, e2, self.flat, self.width * np.float32(share), axis, way, shift)
        if self.shift is not None:
            shift = shift + self.shift
        return replace(self, position=self.position + way, shift=shift), way

    def cosine(self) -> np.ndarray:
        """(N,) of the view to the triangle's normal."""
        return _dot(self.incoming, self.flat)

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each: ways on the surface as long as a pixel is there, the longest and the
        other."""
        cosine = np.maximum(self.cosine(), _EDGE_ON)[:, None]
        across = np.cross(self.flat, self.incoming)
        length = np.sqrt(_dot(across, across))[:, None]
        other = np.roll(self.flat, 1, axis=1) * np.array([1, 1, -1], np.float32)
        other -= _dot(other, self.flat)[:, None] * self.flat
        across = np.where(length > 1e-3, across / np.maximum(length, 1e-3), other)
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
        along = np.cross(across, self.flat)
        width = self.width[:, None]
        return (along * width / cosine).astype(np.float32), (across * width).astype(np.float32)

    def aside(self, way: np.ndarray, size: float) -> ShadingPoints:
        """The points moved by ways (N, 3) in their planes; `size` times as wide."""
        e, f = self.edges()
        ee, ef, ff = (_dot(a, b) for a, b in ((e, e), (e, f), (f, f)))
        we, wf = _dot(way, e), _dot(way, f)
        area = np.maximum(ee * ff - ef * ef, 1e-30)
        shift = np.stack([(ff * we - ef * wf) / area, (ee * wf - ef * we) / area], axis=1)
        width = self.width * np.float32(size)
        return replace(self, position=self.position + way, shift=shift, width=width, whole=False)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ni->n", a, b)


def _layer(mesh: Mesh, name: str) -> np.ndarray | None:
    return mesh.uv.get(name or mesh.active_uv)


def _turn(run: Run) -> np.ndarray:
    return np.ascontiguousarray(run.instance.matrix[:3, :3], np.float32)


def _bounds(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    if mesh.bounds is not None:
        return mesh.bounds[0], mesh.bounds[1]
    return mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
