# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a scene's surfaces that rays met, with what they are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from ..threads import in_pieces
from .doubled import between_two, light_left
from .geometry import Geometry
from .lobes import Lobes
from .materials import CompiledMaterial
from .overlaps import Overlaps
from .placing import begin, place, raise_reflections
from .several import averaged
from .shading_points import Run, ShadingPoints
from .tracing import Hits


@dataclass(frozen=True, eq=False)
class Surface:
    """N points, all float32 unless said.

    position: (N, 3) world. flat: (N, 3) unit normal of the triangle, on the viewer's side.
    incoming: (N, 3) unit, towards the viewer. width: (N,) metres that a sample covers there.
    triangle: (N,) int32. back: (N,) bool, seen from behind. lift: (N, 3) from the triangle to the
    rounded surface that smooth normals mean. smooth: (N, 3) the unit normal before bumps. shine:
    (N, 3) unit normal that reflections are about: the shading normal, but where that would turn
    them into the surface. lobes: of the N points.
    """

    position: np.ndarray
    flat: np.ndarray
    incoming: np.ndarray
    width: np.ndarray
    triangle: np.ndarray
    back: np.ndarray
    lift: np.ndarray
    smooth: np.ndarray
    shine: np.ndarray
    lobes: Lobes

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: np.ndarray) -> Surface:
        """The points of numbers (M,) or marks (N,) bool `index`."""
        index = np.flatnonzero(index) if index.dtype == bool else index
        names = [f.name for f in fields(self) if f.name != "lobes"]
        taken = {name: np.take(getattr(self, name), index, axis=0) for name in names}
        return Surface(**taken, lobes=self.lobes.take(index))

    def cosine(self) -> np.ndarray:
        """(N,) cosines of views to the normals of reflections."""
        return np.clip(np.einsum("ni,ni->n", self.shine, self.incoming), 0.02, 1)

    def open_to(self) -> np.ndarray:
        """(N, 1) the part of light from all around that bumps leave, see `received.unshaded`: a
        fit, within 0.015, to its mean over a hemisphere."""
        turned = 1 - np.einsum("ni,ni->n", self.lobes.normal, self.smooth)
        return 1 - np.float32(0.48) * np.sqrt(np.clip(turned, 0, 1))[:, None]

    def origins(self, ways: np.ndarray, nudge: float, rounded: bool = False) -> np.ndarray:
        """(N * R, 3) where rays `ways` (N * R, 3) begin: a bit off, on the side they go to.

        rounded: rays to lamps begin on the surface that smooth normals mean, or its triangles
        would show in shadows.
        """
        rays = len(ways) // max(len(self), 1)
        made = np.empty_like(ways)
        # what light goes through has it from behind as well, not from below a horizon
        lifted: np.ndarray = np.full(len(self), rounded)
        lifted &= ~self.lobes.lets_through()

        def work(part: slice) -> None:
            mine = slice(part.start * rays, part.stop * rays)
            begin(
                self.position[part], self.flat[part], self.lift[part], ways[mine], rays, nudge,
                lifted[part], made[mine],
            )  # fmt: skip

        in_pieces(work, len(self))
        return made


class Matter:
    """The materials of a geometry, ready to be asked what any point of it is."""

    def __init__(self, geometry: Geometry, materials: list[CompiledMaterial]) -> None:
        """materials: one for each of the scene's, and a last one for surfaces without any."""
        self.geometry = geometry
        self.materials = materials
        self._plain = np.array([m.constant is not None for m in materials], bool)
        self._table = Lobes.nothing(len(materials))
        self._opaque = np.array([m.opaque and not m.refracts for m in materials], bool)
        self._displaced = np.array([m.displaced for m in materials], bool)
        self.fine = np.array([m.fine for m in materials], bool)
        self._left = light_left(geometry.corners, geometry.names)
        self._overlaps = Overlaps.joined(geometry.overlaps, geometry.first)
        covering = geometry.material[: 0 if self._overlaps is None else None]
        self._blocks = self._opaque[covering]
        self.all_opaque = bool(self._opaque.all())
        for i, material in enumerate(materials):
            if material.constant is not None:
                self._table.put(np.array([i]), material.constant)

    def opaque(self) -> np.ndarray:
        """(M,) bool of the materials: no light passes, straight or bent."""
        return self._opaque

    def clear(self) -> np.ndarray | None:
        """(K,) int32 triangles that let some light through; None when there are none."""
        clear = ~self._opaque[self.geometry.material]
        return np.flatnonzero(clear).astype(np.int32) if clear.any() else None

    def from_side(
        self, hits: Hits, side: np.ndarray, width: np.ndarray, whole: bool = False
    ) -> Surface:
        """Points of triangles as light meets them that comes along unit normals (N, 3) `side`.

        hits: as if by rays of length one. width: (N,) metres that a point stands for. whole: see
        `surface`.
        """
        return self.surface(hits, -side, width, is_camera=False, whole=whole)

    def surface(
        self,
        hits: Hits,
        ways: np.ndarray,
        spread: np.ndarray,
        is_camera: bool = True,
        whole: bool = False,
        is_shadow: bool = False,
    ) -> Surface:
        """What rays along ways (N, 3) float32 met; every one of them has met something.

        spread: (N,) metres across that a sample covers at a distance of one length of its ray.
        whole: it is all that is asked of that place, so patterns are averaged over it.
        is_camera, is_shadow: see `ShadingPoints`.
        """
        triangle = hits.triangle
        position, normal, flat, incoming, lift, back = self._placed(hits, ways)
        width = (spread * hits.distance).astype(np.float32)
        points = ShadingPoints(
            (), triangle, hits.u, hits.v, position, normal, flat, incoming, width, back,
            is_camera=is_camera, is_shadow=is_shadow,
        )  # fmt: skip
        lobes = self._lobes(points, whole)
        self._darken(lobes, triangle, position)
        shine = np.empty_like(position)

        def turn(part: slice) -> None:
            raise_reflections(lobes.normal[part], flat[part], incoming[part], shine[part])

        in_pieces(turn, len(triangle))
        if self._displaced.any():  # to light, that is how the surface is
            moved = self._displaced[self.geometry.material[triangle]]
            normal[moved] = lobes.normal[moved]
        found = (position, flat, incoming, width, triangle, back, lift, normal, shine)
        return Surface(*found, lobes)

    def _darken(self, lobes: Lobes, triangle: np.ndarray, position: np.ndarray) -> None:
        """Take from points (N, 3) of triangles (N,) what others at the same place take of them."""
        if self._left is None and self._overlaps is None:
            return
        geometry, left = self.geometry, np.ones(len(triangle), np.float32)
        if self._left is not None:
            left = self._left[triangle]
        if self._overlaps is not None:
            covered = self._overlaps.dark(triangle, position, geometry.corners, self._blocks)
            left = np.where(covered, 0, left)
        dark = np.flatnonzero((left < 1) & self._opaque[geometry.material[triangle]])
        left = left[dark, None]
        lobes.diffuse[dark], through = between_two(lobes.diffuse[dark], left)
        lobes.translucent[dark] = left * lobes.translucent[dark] + through
        for of in (lobes.specular, lobes.edge):
            of[dark] *= left
        lobes.coat[dark] *= left[:, 0]

    def _placed(self, hits: Hits, ways: np.ndarray) -> tuple[np.ndarray, ...]:
        """Where rays along ways (N, 3) met something: position, normal, flat, incoming and lift,
        (N, 3) each, and back (N,), as in `Surface`."""
        count, geometry, triangle = len(hits.triangle), self.geometry, hits.triangle
        position, normal, flat, incoming, lift = (
            np.empty((count, 3), np.float32) for _ in range(5)
        )
        back = np.empty(count, bool)

        def work(part: slice) -> None:
            place(
                geometry.corners, geometry.normals, geometry.flat, triangle[part], hits.u[part],
                hits.v[part], ways[part], position[part], normal[part], flat[part],
                incoming[part], back[part], lift[part],
            )  # fmt: skip

        in_pieces(work, count)
        return position, normal, flat, incoming, lift, back

    def _lobes(self, points: ShadingPoints, whole: bool) -> Lobes:
        """Of points whose triangles have their numbers in the geometry. whole: see `surface`."""
        material = self.geometry.material[points.triangle]
        lobes = self._table.take(material)
        lobes.normal[:] = points.normal
        varying = np.flatnonzero(~self._plain[material])
        if not len(varying):
            return lobes
        kind, owner = material[varying], self.geometry.owner[points.triangle[varying]]
        order = np.lexsort((owner, kind))  # stable
        owner, ordered = owner[order], varying[order]
        parts = []
        for mine in np.split(np.arange(len(order)), np.flatnonzero(np.diff(kind[order])) + 1):
            parts += np.array_split(mine, max(1, -(-len(mine) // _PIECE)))

        def evaluate(which: slice) -> None:
            for part in parts[which]:
                rows = ordered[part]
                some = points.rows(rows)
                first = self.geometry.first[owner[part]]
                own = (some.triangle - first).astype(np.int32)
                some = replace(some, runs=self._runs(owner[part]), triangle=own)
                mine = self.materials[material[rows[0]]]
                if whole:
                    averaged(mine, lobes, rows, some)
                else:
                    mine.put(lobes, rows, some)

        in_pieces(evaluate, len(parts), piece=1)
        return lobes

    def _runs(self, owner: np.ndarray) -> tuple[Run, ...]:
        """Of points in the order of their instances (N,)."""
        scene = self.geometry.scene
        cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1), len(owner)]
        runs = []
        for start, stop in pairwise(cuts):
            instance = scene.instances[int(owner[start])]
            runs.append(Run(scene.meshes[instance.mesh], instance, int(start), int(stop)))
        return tuple(runs)


_PIECE = 8192
"""Points of one material that a thread evaluates at once."""
