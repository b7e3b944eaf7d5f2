# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounced light, gathered once a world on points of its surfaces and the same for every camera.

Surfels receive; cells (parts of triangles) send. A surfel's rays meet cells, a cell's light is
that of the surfels around it: radiosity by gathering (Cohen and others, 1988) over a cache of
irradiance (Ward and others, 1988) without its meshing.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...shared.camera import Camera
from ..anchors.geometry import Geometry
from ..anchors.surface import Matter, Surface
from ..anchors.tracing import NUDGE, Hits, Rays
from ..threads import thread_count
from . import direct
from .cells import Cells
from .ggx import albedo
from .lamps import Lights
from .medium import Medium
from .passing import AROUND, first_solid
from .quieted import neighbours, noise_of, quieted
from .sky import Sky
from .surfels import cosine_ways, surfels
from .veils import unveiled

ROUNDS = 4
"""Bounces, as Cycles' own default of diffuse ones."""
NORMAL_WEIGHT = 0.6
"""What opposite normals are apart, in units of the scene's size, halved."""
SIDE_WEIGHT = 1.0
"""What the fronts of triangles are apart from their backs, in the same units: inside a wall is
none of the light of the room."""
NEIGHBOURS = 8
NEAR_FIELD = 1.5
"""What is nearer than this many distances of surfels is looked at by rays of every pixel."""
SOFTEST = 0.004
"""Distance (in the same units) below which surfels count alike."""
CLAMPED = 0.6
"""Part of Cycles' limit for samples that their mean comes to where the brighter ones meet it."""
_SHADOW_RAYS = 8
_BEYOND = 0.1
"""Part of a surfel's rays that have to go far to tell what comes from there."""


@dataclass(frozen=True)
class Quality:
    """How many points receive and how many rays each sends out."""

    surfels: int
    rays: int


FIRST = Quality(3000, 24)
"""What a first picture can wait for."""
WHOLE = Quality(30_000, 128)


class Bounced:
    """The cache: what light falls on any point but straight from lamps.

    scale: metres that count as one. focus: (3,) the middle of what is looked at. usual: median of
    all light (irradiance / pi) on surfels.
    """

    def __init__(
        self,
        matter: Matter,
        rays: Rays,
        between: Rays,
        veils: Rays | None,
        lights: Lights,
        apart: Lights | None,
        sky: Sky,
        viewpoints: list[Camera],
        quality: Quality,
        sampled: np.ndarray,
    ) -> None:
        """lights: those that every point asks itself; apart: others, whose light is kept here.

        rays: what bounced light meets; between: what stops it on its way from lamps; veils: what
        lets some of it through. sampled:
        (M,) bool of the materials whose light is among `lights`. Nothing else matters.
        """
        self.matter, self.sky, self.rays = matter, sky, rays
        self.scale = _scale(matter.geometry, viewpoints)
        self.sampled = sampled
        surface = surfels(matter, rays, viewpoints, quality.surfels)
        self.focus = np.median(surface.position[: quality.surfels // 2], axis=0)
        self._forget(Cells(matter.geometry, self.scale, self.focus))
        self.tree = cKDTree(self._features(surface.position, surface.flat, surface.back))
        straight = _direct(matter, surface, between, veils, lights)
        extra = np.zeros_like(straight)
        if apart is not None and len(apart):
            extra = _direct(matter, surface, between, veils, apart)
        self._gather(surface, rays, straight, extra, quality.rays)
        self.usual = float(np.median((self._straight + self._light).mean(axis=1)))

    def standing_in(self, matter: Matter, rays: Rays, sky: Sky, sampled: np.ndarray) -> Bounced:
        """What is known of this scene as bounced light of another that is much like it, while its
        own is being gathered: it is the same from every camera and smooth, so that what stays
        where it was looks as it did.

        rays, sampled (M,) bool: as for `Bounced`.
        """
        made = copy.copy(self)
        made.matter, made.sky, made.rays, made.sampled = matter, sky, rays, sampled
        made._forget(Cells(matter.geometry, self.scale, self.focus))
        return made

    def _forget(self, cells: Cells) -> None:
        """Begin with cells of which nobody knows what they send."""
        self.cells = cells
        self._known = np.full(len(cells), -1, np.int32)
        self._radiance = np.zeros((0, 3), np.float32)
        self._adding = threading.Lock()

    def light(self, position: np.ndarray, normal: np.ndarray, back: np.ndarray) -> np.ndarray:
        """(N, 3) float32 irradiance / pi that comes by way of surfaces and sky.

        position, normal: (N, 3). back: (N,) bool, on backs of triangles.
        """
        around = self._around(position, normal, back)[:2]
        return _mixed(self._light, *around).astype(np.float32)

    def whole_light(self, position: np.ndarray, normal: np.ndarray, back: np.ndarray) -> np.ndarray:
        """(N, 3) float32 irradiance / pi of all light: shadows are as wide as surfels are apart.

        position, normal, back: as for `light`.
        """
        around = self._around(position, normal, back)[:2]
        return _mixed(self._straight + self._light, *around).astype(np.float32)

    def behind(self, surface: Surface) -> np.ndarray:
        """(N, 3) float32 `light` on the other side of points that let some through, else zeros."""
        return self._behind(surface, self.light)

    def whole_behind(self, surface: Surface) -> np.ndarray:
        """(N, 3) float32 the same of `whole_light`."""
        return self._behind(surface, self.whole_light)

    @staticmethod
    def _behind(surface: Surface, asked: Callable[..., np.ndarray]) -> np.ndarray:
        made: np.ndarray = np.zeros((len(surface), 3), np.float32)
        some = np.flatnonzero(surface.lobes.lets_through())
        if len(some):
            part = surface.take(some)
            made[some] = asked(part.position, -part.lobes.normal, ~part.back)
        return made

    def from_afar(
        self, position: np.ndarray, normal: np.ndarray, back: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `light` knows of what is not near, to be completed by rays that look there.

        Returns metres (N,) float32 within which it knows nothing, irradiance / pi (N, 3) if all
        light came from beyond that, and (N, 3) what comes of lamps that nothing near hides.
        """
        near, weight, farthest = self._around(position, normal, back)
        whole = _mixed(self._light - self._extra, near, weight)
        far = _mixed(self._far, near, weight)
        part = far[:, 3:]
        told = np.clip(part / _BEYOND, 0, 1)  # where next to nothing is beyond, it tells nothing
        light = told * far[:, :3] / np.maximum(part, 1e-6) + (1 - told) * whole
        reach = NEAR_FIELD * self.scale * farthest
        return reach.astype(np.float32), light.astype(np.float32), _mixed(self._extra, near, weight)

    def radiance(self, hits: Hits, ways: np.ndarray) -> np.ndarray:
        """(N, 3) float32 what the cells that rays met send out; zeros where nothing was met.

        ways: (N, 3) of the rays.
        """
        cells = self.cells.of(hits, ways)
        met = cells >= 0
        made = np.zeros((len(cells), 3), np.float32)
        wanted = cells[met]
        with self._adding:
            missing = np.unique(wanted[self._known[wanted] < 0])
            if len(missing):
                self._add(missing)
            made[met] = self._radiance[self._known[wanted]]
        return made

    def met(self, origins: np.ndarray, ways: np.ndarray) -> Hits:
        """What bounced light comes from along rays, origins and ways (N, 3) float32."""
        return first_solid(self.rays, self.matter, origins, ways, AROUND)[0]

    def _features(self, position: np.ndarray, normal: np.ndarray, back: np.ndarray) -> np.ndarray:
        side = SIDE_WEIGHT * back[:, None].astype(np.float32)
        return np.concatenate([position / self.scale, NORMAL_WEIGHT * normal, side], axis=1)

    def _around(
        self, position: np.ndarray, normal: np.ndarray, back: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, K) surfels near points, their weights, which add up to 1, and (N,) how far away the
        farthest is (in units of the scene's size)."""
        distance, near = self._nearest(position, normal, back)
        # as wide as the neighbourhood is, so that sparse ones are as smooth as dense ones
        soft = np.maximum(SOFTEST, 0.3 * distance[:, -1:])
        weight = (distance**2 + soft**2) ** -1.5
        weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
        return near, weight, distance[:, -1]

    def _nearest(
        self, position: np.ndarray, normal: np.ndarray, back: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, K) distances to the nearest surfels, rising, and their numbers."""
        k = min(NEIGHBOURS, self.tree.n)
        wanted = self._features(position, normal, back)
        distance, near = self.tree.query(wanted, k=k, workers=thread_count())
        return distance.reshape(-1, k), near.reshape(-1, k)

    def _gather(
        self,
        surface: Surface,
        rays: Rays,
        straight: np.ndarray,
        extra: np.ndarray,
        count: int,
    ) -> None:
        ways = cosine_ways(surface, count)
        origins = surface.origins(ways, NUDGE)
        hits, clear = first_solid(rays, self.matter, origins, ways, AROUND)
        cells = self.cells.of(hits, ways)
        sky = self.sky.gathered(ways) * (cells < 0)[:, None] * clear
        medium, left = Medium.of(self.matter.geometry.scene), None
        if len(clear) > 1:
            left = clear.reshape(-1, count, 3)
        if medium is not None:
            dim = medium.left(origins, ways, hits.distance)
            sky = sky * dim
            dim = dim.reshape(-1, count, 1)
            left = dim if left is None else left * dim
        sky = sky.reshape(-1, count, 3)
        sent, which = np.unique(cells[cells >= 0], return_inverse=True)
        places: np.ndarray = np.full(len(cells), len(sent), np.int64)
        places[cells >= 0] = which
        places = places.reshape(-1, count)
        senders = self._senders(sent)
        material = self.matter.geometry.material[senders.triangle]
        unasked = np.where(self.sampled[material][:, None], 0, senders.glow)
        light = sky.mean(axis=1) + extra
        none = np.zeros((1, 3), np.float32)
        clamp = self.matter.geometry.scene.film.clamp_indirect
        most = np.float32(CLAMPED * clamp if clamp > 0 else np.inf)
        for _ in range(ROUNDS):
            out = senders.pass_on(straight + light) + unasked
            out = np.concatenate([np.minimum(out, most), none])
            arrives = out[places] if left is None else out[places] * left
            arrives += sky
            light = arrives.mean(axis=1) + extra
        distance, near = neighbours(self.tree)
        reach = NEAR_FIELD * self.scale * distance[:, : min(NEIGHBOURS, self.tree.n)][:, -1:]
        beyond = (hits.distance.reshape(-1, count) >= reach)[..., None]
        parts = [light - extra, (arrives * beyond).mean(axis=1), beyond.mean(axis=1)]
        made = quieted(distance, near, np.concatenate(parts, axis=1), noise_of(arrives))
        self._straight, self._light, self._extra = straight, made[:, :3] + extra, extra
        self._far, light = made[:, 3:], self._light
        self.ambient: np.ndarray = light.mean(axis=0)
        """(3,) mean of bounced light, as radiance."""
        self._keep(sent, senders)

    def _senders(self, cells: np.ndarray) -> _Senders:
        hits, flat = self.cells.middles(cells)
        geometry, triangle = self.matter.geometry, hits.triangle
        size = np.sqrt(geometry.area[triangle]) / self.cells.count[triangle]
        middles = self.matter.from_side(hits, flat, size, whole=True)
        lobes, place = middles.lobes, middles.position
        shine = albedo(lobes.specular, lobes.edge, lobes.roughness, np.full(len(cells), 0.7))
        under = 1 - lobes.layered * shine.max(axis=1)
        base = lobes.diffuse * under[:, None] + shine + 0.5 * lobes.transmission
        most = np.maximum(lobes.diffuse, 0.98)  # an artist's white may be more than all of it
        part = np.minimum(1, most / np.maximum(base + lobes.translucent, 1e-9))
        through = part * lobes.translucent
        some = np.flatnonzero(np.any(through > 0, axis=1))
        return _Senders(
            triangle=triangle,
            glow=lobes.emission,
            base=part * base,
            around=self._around(place, middles.flat, middles.back)[:2],
            some=some,
            through=through[some],
            behind=self._around(place[some], -middles.flat[some], ~middles.back[some])[:2],
        )

    def _add(self, cells: np.ndarray) -> None:
        """Find out what cells send that no ray has met before."""
        self._keep(cells, self._senders(cells))

    def _keep(self, cells: np.ndarray, senders: _Senders) -> None:
        radiance = senders.pass_on(self._straight + self._light) + senders.glow
        self._known[cells] = len(self._radiance) + np.arange(len(cells), dtype=np.int32)
        self._radiance = np.concatenate([self._radiance, radiance.astype(np.float32)])


@dataclass(frozen=True, eq=False)
class _Senders:
    """C cells as senders. triangle: (C,). glow: (C, 3) what they send by themselves. base: (C, 3)
    albedo. some, through: (M,) numbers of those that let light through, and (M, 3) how much.
    around, behind: surfels on their side and on the other, and the weights of these."""

    triangle: np.ndarray
    glow: np.ndarray
    base: np.ndarray
    around: tuple[np.ndarray, np.ndarray]
    some: np.ndarray
    through: np.ndarray
    behind: tuple[np.ndarray, np.ndarray]

    def pass_on(self, light: np.ndarray) -> np.ndarray:
        """(C, 3) radiance of what cells reflect and let through of the light on surfels (S, 3)."""
        sent: np.ndarray = self.base * _mixed(light, *self.around)
        sent[self.some] += self.through * _mixed(light, *self.behind)
        return sent


def _mixed(light: np.ndarray, near: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N, 3) the mean of surfels' light (S, 3), of those near (N, K) by their weights (N, K)."""
    return np.einsum("nk,nkc->nc", weight, light[near])


def _scale(geometry: Geometry, viewpoints: list[Camera]) -> float:
    """Metres that count as one: about how far surfaces are from who looks at them."""
    low, high = np.percentile(geometry.corners[:, 0], (10, 90), axis=0)
    size = 0.5 * float(np.linalg.norm(high - low))
    if viewpoints:
        middle = geometry.corners[:: max(1, len(geometry) // 1000), 0]
        places = np.array([camera.position for camera in viewpoints[:16]])
        away = np.linalg.norm(middle[:, None] - places[None], axis=2).min(axis=1)
        size = min(size, float(np.median(away))) if size > 0 else float(np.median(away))
    return max(size, 1e-3)


def _direct(
    matter: Matter, surface: Surface, rays: Rays, veils: Rays | None, lights: Lights
) -> np.ndarray:
    """(S, 3) float32 irradiance / pi straight from lights, at every surfel by itself."""
    total = np.zeros((len(surface), 3), np.float32)
    tile = (np.arange(len(surface)) * 7 % 32).astype(np.int32)
    receiver = direct.Receiver.of(surface, diffuse_only=True)
    for i in range(len(lights)):
        received = direct.receive(receiver, lights, i).diffuse
        if lights.shadow[i]:
            count = _SHADOW_RAYS if lights.soft[i] else 1
            arrives, point = direct.arrival(surface, rays, lights, i, tile, count)
            left = unveiled(veils, matter, lights, surface, i, point, arrives > 0)
            received = received * arrives[:, None] * left
        total += received
    return total
