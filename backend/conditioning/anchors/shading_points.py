# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of one mesh instance that a material is evaluated at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...shared.scene import Instance, Mesh
from .corners import edges, layer_axes, layer_scale, of_corners, of_vertices, shifts


@dataclass(frozen=True, eq=False)
class ShadingPoints:
    """N points on one instance, all arrays float32 unless said.

    triangle: (N,) int32. u, v: (N,) barycentric weights of the second and third corner.
    position: (N, 3) world. normal: (N, 3) interpolated, unit, on the side of the viewer;
    flat: (N, 3) the triangle's own, likewise. incoming: (N, 3) unit, towards the viewer.
    width: (N,) metres that a pixel (or a sample) covers there. back: (N,) bool, seen from behind.
    is_camera: whether a camera looks (Light Path nodes; False for light that bounces).
    is_shadow: whether a lamp's light is asked for on its way through.
    """

    mesh: Mesh
    instance: Instance
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
    shift: np.ndarray | None = field(default=None)
    """(N, 2) how far attributes are moved off the point in (u, v): see `moved`."""

    def __len__(self) -> int:
        return len(self.triangle)

    def take(self, index: np.ndarray) -> ShadingPoints:
        """The points of numbers `index`."""
        names = ("triangle", "u", "v", "position", "normal", "flat", "incoming", "width", "back")
        taken = {name: getattr(self, name)[index] for name in names}
        return replace(self, **taken, shift=None if self.shift is None else self.shift[index])

    def of_corners(self, corners: np.ndarray) -> np.ndarray:
        """(N, C) values interpolated from (T, 3, C) corner values."""
        made = np.empty((len(self), corners.shape[2]), np.float32)
        of_corners(corners, self.triangle, *self._weights(), made)
        return made

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        if self.shift is None:
            return self.u, self.v
        return self.u + self.shift[:, 0], self.v + self.shift[:, 1]

    def uv(self, layer: str = "") -> np.ndarray:
        """(N, 2) texture coordinates; zeros where the mesh lacks the layer ("" = the active)."""
        corners = self.mesh.uv.get(layer or self.mesh.active_uv)
        return np.zeros((len(self), 2), np.float32) if corners is None else self.of_corners(corners)

    def uv_width(self, layer: str = "") -> np.ndarray:
        """(N,) what `width` is in texture coordinates (square root of the areas' ratio)."""
        corners = self.mesh.uv.get(layer or self.mesh.active_uv)
        if corners is None:
            return np.zeros(len(self), np.float32)
        made = np.empty(len(self), np.float32)
        mesh = self.mesh
        layer_scale(
            mesh.vertices, mesh.triangles, self._turn(), corners, self.triangle, self.width, made
        )
        return made

    def color(self, layer: str = "") -> np.ndarray | None:
        """(N, 4) a colour attribute; None where the mesh lacks it ("" = the active one)."""
        corners = self.mesh.colors.get(layer or self.mesh.active_color)
        return None if corners is None else self.of_corners(corners)

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each: world vectors from the first corner to the second and third."""
        first, second = np.empty((2, len(self), 3), np.float32)
        edges(self.mesh.vertices, self.mesh.triangles, self._turn(), self.triangle, first, second)
        return first, second

    def _turn(self) -> np.ndarray:
        return np.ascontiguousarray(self.instance.matrix[:3, :3], np.float32)

    def object_position(self) -> np.ndarray:
        """(N, 3) in the mesh's own space."""
        made = np.empty((len(self), 3), np.float32)
        mesh = self.mesh
        of_vertices(mesh.vertices, mesh.triangles, self.triangle, *self._weights(), made)
        return made

    def generated(self) -> np.ndarray:
        """(N, 3) generated texture coordinates: 0 to 1 over the mesh's bounds."""
        bounds = self.mesh.bounds
        if bounds is None:
            bounds = np.stack([self.mesh.vertices.min(axis=0), self.mesh.vertices.max(axis=0)])
        size = np.maximum(bounds[1] - bounds[0], 1e-12)
        return ((self.object_position() - bounds[0]) / size).astype(np.float32)

    def tangents(self, layer: str = "") -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each, world, unit: where u and v of a texture layer grow; zeros without one."""
        corners = self.mesh.uv.get(layer or self.mesh.active_uv)
        if corners is None:
            none = np.zeros((len(self), 3), np.float32)
            return none, none
        along, across = np.empty((len(self), 3), np.float32), np.empty((len(self), 3), np.float32)
        layer_axes(*self.edges(), corners, self.triangle, along, across)
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
