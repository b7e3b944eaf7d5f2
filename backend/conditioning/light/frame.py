# SPDX-License-Identifier: GPL-3.0-or-later
"""One lit picture of a scene: exact surfaces in their light, as a camera sees them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ...shared.camera import Camera
from ...shared.scene import CAMERA
from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE, Hits
from . import direct, film
from .cache import near_ways, pixel_rays
from .colors import brightest, length, mean
from .lamps import Lights
from .patterns import TILE, TILE_ORDER, WIDE_ORDER, WIDE_TILE
from .reflection import CLEAR, DULL, LOOKED_AT, refracted
from .shade import (
    Light,
    Lighting,
    Shares,
    arriving,
    matte,
    outgoing,
    passes_on,
    reflection,
    shares,
    veiled,
)
from .window import Guide, borrow, complete, complete_wide, spread

LAYERS = 8
"""Surfaces, one behind the other, that a ray passes at most."""
THROUGH = 0.01
"""Least part of light that is worth looking on for."""
STEP = 4
"""Pixels between two at which the cache of bounced light is asked."""
_BEHIND_RAYS = 4
STRIP_PIXELS = 300_000
"""About as many pixels are made at once."""
OVERLAP = 2 * WIDE_TILE
"""Rows beyond a strip that its pixels may look at; strips begin where patterns do, so that they
leave no trace."""


@dataclass(eq=False)
class LitFrame:
    """A picture in scene-linear light; all (H, W, ...) float32.

    color: premultiplied. alpha: (H, W). depth: (H, W) z-depth, inf = background. base, normal,
    lit: of the nearest surface: its albedo, its normal (world), and what light made of it.
    triangle: (H, W) int32 nearest surface in the middle of the pixel, -1 = none. u, v: (H, W).
    light: irradiance / pi. matte: (H, W) part of what is seen that looks the same from everywhere.
    """

    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    base: np.ndarray
    normal: np.ndarray
    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    light: np.ndarray
    matte: np.ndarray

    def rows(self, start: int, stop: int) -> LitFrame:
        """A part of the picture."""
        return LitFrame(*(getattr(self, f.name)[start:stop] for f in fields(self)))

    @classmethod
    def stacked(cls, parts: list[LitFrame]) -> LitFrame:
        """Parts, one below the other, as one picture."""
        return cls(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls))
        )


@dataclass(eq=False)
class _Samples:
    """Rays through N places of the picture. spread: (N,) metres across at a length of one."""

    origins: np.ndarray
    ways: np.ndarray
    spread: np.ndarray
    tile: np.ndarray
    wide: np.ndarray
    hits: Hits

    def met(self) -> np.ndarray:
        return np.flatnonzero(self.hits.triangle >= 0)


def render(lighting: Lighting, camera: Camera) -> LitFrame:
    """The picture of a camera. Large ones are made in strips, so that memory stays bounded."""
    rows = max(STRIP_PIXELS // camera.width // WIDE_TILE, 4) * WIDE_TILE
    if camera.height <= rows + 2 * OVERLAP:
        return _Painter(lighting, camera).paint()
    strips = []
    for top in range(0, camera.height, rows):
        bottom = min(top + rows, camera.height)
        above, below = max(top - OVERLAP, 0), min(bottom + OVERLAP, camera.height)
        part = camera.cropped(0, above, camera.width, below - above)
        strips.append(_Painter(lighting, part).paint().rows(top - above, bottom - above))
    return LitFrame.stacked(strips)


class _Painter:
    def __init__(self, lighting: Lighting, camera: Camera) -> None:
        self.lighting = lighting
        self.film = lighting.geometry.scene.film
        self.camera = camera
        self.shape = (camera.height + 2 * film.MARGIN, camera.width + 2 * film.MARGIN)

    def paint(self) -> LitFrame:
        height, width = self.shape
        row, column = (a.ravel() for a in np.mgrid[:height, :width])
        grid = self._samples(np.stack([column + 0.5, row + 0.5], axis=1), 1.0)
        met = grid.met()
        surface = self._surface(grid, met)
        share = shares(surface)
        guide = self._guide(surface, met)
        light, shadow, base_light = self._grid_light(
            surface, share, met, guide, grid.tile[met], grid.wide[met]
        )
        radiance = np.zeros((height * width, 4), np.float32)
        self._finish(grid, met, surface, share, light, radiance)

        albedo = self._seen_lamps(grid)
        albedo[met] += share.diffuse + share.specular + surface.lobes.emission
        marks = film.edges(guide, albedo.reshape(height, width, 3), shadow)
        first = np.full(self.shape, -1, np.int32)
        count = int(marks.sum())
        first[marks] = np.arange(count, dtype=np.int32) * film.SIDE**2
        many = np.zeros((0, 4), np.float32)
        if count:
            many = self._many(marks, guide, base_light)
        picture = film.resolve(radiance.reshape(height, width, 4), many, first, self.film)
        return self._frame(picture, grid, met, surface, share, light)

    # ------------------------------------------------------------------ rays and surfaces

    def _samples(self, pixel: np.ndarray, size: float) -> _Samples:
        """Rays through places of the grid, (N, 2) x and y; size: of a sample, in pixels."""
        origins, ways = pixel_rays(self.camera, pixel - film.MARGIN)
        hits = self.lighting.seen.first(origins, ways)
        focal = 0.5 * (self.camera.K[0, 0] + self.camera.K[1, 1])
        across = np.full(len(pixel), size / focal, np.float32)
        x, y = pixel[:, 0].astype(np.int64), pixel[:, 1].astype(np.int64)
        tile, wide = TILE_ORDER[y % TILE, x % TILE], WIDE_ORDER[y % WIDE_TILE, x % WIDE_TILE]
        return _Samples(origins, ways, across, tile, wide, hits)

    def _surface(self, samples: _Samples, met: np.ndarray) -> Surface:
        hits = samples.hits
        kept = Hits(hits.triangle[met], hits.u[met], hits.v[met], hits.distance[met])
        across = samples.spread[met]
        if self.camera.is_orthographic:
            across = across / np.maximum(kept.distance, 1e-6)
        return self.lighting.matter.surface(kept, samples.origins[met], samples.ways[met], across)

    def _guide(self, surface: Surface, met: np.ndarray) -> Guide:
        height, width = self.shape

        def grid(values: np.ndarray, fill: float = 0.0) -> np.ndarray:
            made = np.full((height * width, *values.shape[1:]), fill, values.dtype)
            made[met] = values
            return made.reshape(height, width, *values.shape[1:])

        valid = np.zeros(height * width, bool)
        valid[met] = True
        material = self.lighting.geometry.material[surface.triangle]
        return Guide(
            valid.reshape(height, width),
            grid(surface.position),
            grid(surface.lobes.normal),
            grid(surface.width),
            grid(material.astype(np.int32), -1),
        )

    # ------------------------------------------------------------------ light on the grid

    def _grid_light(
        self,
        surface: Surface,
        share: Shares,
        met: np.ndarray,
        guide: Guide,
        tile: np.ndarray,
        wide: np.ndarray,
    ) -> tuple[Light, np.ndarray, np.ndarray]:
        """Light on the grid's points; sharp shadows (H, W, L); and what samples inside of pixels
        may borrow (H, W, 18): the parts of a `Light`, direct ones of soft lamps only."""
        lights = self.lighting.lights
        soft_light, sharp_light, sharp = _dark(len(surface)), _dark(len(surface)), []
        receiver = direct.Receiver.of(surface)
        for i in range(len(lights)):
            received = direct.receive(receiver, lights, i)
            if not _is_soft(lights, i):
                arrives = self._narrow_shadow(surface, i, met, guide, tile)
                sharp.append(self._spread_out(arrives[:, :1], met)[..., 0])
                _add(sharp_light, received, arrives)
            elif lights.shadow[i]:
                arrives = self._soft_shadow(surface, i, met, guide, tile)[:, None]
                arrives = arrives * self._veil(surface, i, arrives[:, 0], met, guide, tile)
                _add(soft_light, received, arrives)
            else:
                _add(soft_light, received, np.ones((len(surface), 3), np.float32))
        soft_light.bounced = self._bounced(surface, met, guide, wide)
        soft_light.mirrored, soft_light.coated = self._mirrors(surface, share, met, guide, wide)
        lent = self._spread_out(soft_light.packed(), met)
        shadow = np.stack(sharp, axis=2) if sharp else np.zeros((*self.shape, 0), np.float32)
        return soft_light.plus(sharp_light), shadow, lent

    def _spread_out(self, values: np.ndarray, met: np.ndarray) -> np.ndarray:
        made = np.zeros((self.shape[0] * self.shape[1], values.shape[1]), np.float32)
        made[met] = values
        return made.reshape(*self.shape, values.shape[1])

    def _narrow_shadow(
        self, surface: Surface, i: int, met: np.ndarray, guide: Guide, tile: np.ndarray
    ) -> np.ndarray:
        """(N, 3) part of a lamp's light that arrives, where it is too small for neighbours to
        share: many rays from where these do not agree."""
        lighting = self.lighting
        if not lighting.lights.soft[i] or not lighting.lights.shadow[i]:
            return arriving(lighting, surface, i, tile, 1)
        arrived, total = self._ask(surface, i, tile, 1)
        whole = self._complete(arrived, total, met, guide)
        mixed = np.flatnonzero((whole > _SURE) & (whole < 1 - _SURE))
        if len(mixed):
            first = tile[mixed] * _MIXED_RAYS
            arrived[mixed], total[mixed] = self._ask(surface.take(mixed), i, first, _MIXED_RAYS)
        own = arrived / np.maximum(total, 1e-20)
        # in wide penumbras neighbours differ by their patterns only
        shared = self._complete(arrived, total, met, guide)
        own = np.where(np.abs(shared - own) < _PATTERN, shared, own)[:, None]
        return own * veiled(lighting, surface, i, tile, own[:, 0] > 0)

    def _soft_shadow(
        self, surface: Surface, i: int, met: np.ndarray, guide: Guide, tile: np.ndarray
    ) -> np.ndarray:
        """(N,) part of a soft lamp's light that arrives: one ray of the tile's pattern each, and
        many where these do not agree."""
        arrived, total = self._ask(surface, i, tile, 1)
        whole = self._complete(arrived, total, met, guide)
        mixed = np.flatnonzero((whole > _SURE) & (whole < 1 - _SURE))
        if len(mixed):
            first = tile[mixed] * _MIXED_RAYS
            arrived[mixed], total[mixed] = self._ask(surface.take(mixed), i, first, _MIXED_RAYS)
            whole = self._complete(arrived, total, met, guide)
        return whole

    def _veil(
        self,
        surface: Surface,
        i: int,
        arrives: np.ndarray,
        met: np.ndarray,
        guide: Guide,
        tile: np.ndarray,
    ) -> np.ndarray:
        """(N, 3) of a soft lamp's light what veils leave."""
        left = veiled(self.lighting, surface, i, tile, arrives > 0)
        if self.lighting.veils is None:
            return left
        total = self._spread_out(np.ones((len(met), 1), np.float32), met)[..., 0]
        return complete(self._spread_out(left, met), total, guide).reshape(-1, 3)[met]

    def _ask(
        self, surface: Surface, i: int, first: np.ndarray, rays: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N,) light that arrived from the points that were asked for, and all that would have."""
        ways, weights = direct.shadow_rays(surface, self.lighting.lights, i, first, rays)
        asked = np.flatnonzero(weights.reshape(-1) > 0)
        lit = np.zeros(weights.size, np.float32)
        origins = surface.origins(ways, NUDGE, rounded=True)[asked]
        lit[asked] = ~self.lighting.between.blocked(origins, ways[asked])
        return (lit.reshape(weights.shape) * weights).mean(axis=1), weights.mean(axis=1)

    def _complete(
        self, values: np.ndarray, weights: np.ndarray, met: np.ndarray, guide: Guide
    ) -> np.ndarray:
        total = self._spread_out(weights[:, None], met)[..., 0]
        whole = complete(self._spread_out(values[:, None], met), total, guide)
        return whole.reshape(-1)[met]

    def _bounced(
        self, surface: Surface, met: np.ndarray, guide: Guide, wide: np.ndarray
    ) -> np.ndarray:
        """(N, 3) bounced light: the cache's, and by a ray of each pixel what is too near for it."""
        far, reach = self._cached(surface, met, guide)
        bounced = self.lighting.bounced
        ways = near_ways(surface, wide) * reach[:, None]
        hits = self.lighting.bounced.met(surface.origins(ways, NUDGE), ways)
        near = np.flatnonzero(hits.distance < 1)
        found = far.copy()
        kept = Hits(hits.triangle[near], hits.u[near], hits.v[near], hits.distance[near])
        found[near] = bounced.radiance(kept, ways[near])
        if not len(near):
            return far
        total = self._spread_out(np.ones((len(met), 1), np.float32), met)[..., 0]
        mixed = complete_wide(complete(self._spread_out(found - far, met), total, guide), guide)
        return np.maximum(far + mixed.reshape(-1, 3)[met], 0)

    def _cached(
        self, surface: Surface, met: np.ndarray, guide: Guide
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) the cache's light and (N,) its reach: asked at some pixels, brought to all."""
        height, width = self.shape
        rows, columns = np.arange(STEP // 2, height, STEP), np.arange(STEP // 2, width, STEP)
        chosen = (rows[:, None] * width + columns[None]).ravel()
        place = np.full(height * width, -1, np.int64)
        place[met] = np.arange(len(met))
        there = place[chosen]
        some = there[there >= 0]
        coarse = np.zeros((len(chosen), 4), np.float32)
        if len(some):
            coarse[there >= 0] = self._ask_cache(surface, some)
        coarse = coarse.reshape(len(rows), len(columns), 4)
        made, found = spread(coarse, rows, columns, STEP, guide)
        made, found = made.reshape(-1, 4)[met], found.reshape(-1)[met]
        if not found.all():
            rest = np.flatnonzero(~found)
            made[rest] = self._ask_cache(surface, rest)
        return made[:, :3], made[:, 3]

    def _ask_cache(self, surface: Surface, index: np.ndarray) -> np.ndarray:
        """(K, 4) light and reach at points of numbers `index`."""
        light, reach = self.lighting.bounced.light_and_reach(
            surface.position[index], surface.lobes.normal[index]
        )
        return np.concatenate([light, reach[:, None]], axis=1)

    def _mirrors(
        self, surface: Surface, share: Shares, met: np.ndarray, guide: Guide, wide: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) each: mean radiance in the way of the main lobe and of the coat's."""
        lobes, made = surface.lobes, []
        for part, roughness in (
            (share.specular, lobes.roughness),
            (share.coat, lobes.coat_roughness),
        ):
            wanted = brightest(part) > DULL
            sharp = wanted & (roughness <= LOOKED_AT)
            some = np.flatnonzero(sharp & (roughness > CLEAR))
            radiance, weight = reflection(self.lighting, surface, roughness, wide, wanted)
            for turn in range(1, _GLOSSY_RAYS if len(some) else 1):
                tile = (wide[some] + turn * WIDE_TILE * WIDE_TILE // _GLOSSY_RAYS) % WIDE_TILE**2
                more, share_of = reflection(
                    self.lighting,
                    surface.take(some),
                    roughness[some],
                    tile,
                    np.ones(len(some), bool),
                )
                total = weight[some] + share_of
                mix = (share_of / np.maximum(total, 1e-6))[:, None]
                radiance[some] += (more - radiance[some]) * mix
                weight[some] = total
            if wanted.any():
                total = self._spread_out((weight * ~sharp)[:, None], met)[..., 0]
                mixed = self._spread_out(radiance * (weight * ~sharp)[:, None], met)
                mixed = complete_wide(complete(mixed, total, guide), guide)
                radiance = np.where(sharp[:, None], radiance, mixed.reshape(-1, 3)[met])
            made.append(radiance)
        return made[0], made[1]

    # ------------------------------------------------------------------ many samples at edges

    def _many(self, marks: np.ndarray, guide: Guide, lent: np.ndarray) -> np.ndarray:
        row, column = np.nonzero(marks)
        pixel = film.sample_positions(row, column)
        samples = self._samples(pixel, 1 / film.SIDE)
        samples.tile = (np.arange(len(pixel)) % (TILE * TILE)).astype(np.int32)
        met = samples.met()
        surface = self._surface(samples, met)
        share = shares(surface)
        light = self._sample_light(surface, share, guide, lent, pixel[met], samples.tile[met])
        radiance = np.zeros((len(pixel), 4), np.float32)
        self._finish(samples, met, surface, share, light, radiance)
        return radiance

    def _sample_light(
        self,
        surface: Surface,
        share: Shares,
        guide: Guide,
        lent: np.ndarray,
        pixel: np.ndarray,
        tile: np.ndarray,
    ) -> Light:
        """Light on samples inside of pixels: what is soft from the grid, the rest by itself."""
        lighting = self.lighting
        row, column = pixel[:, 1].astype(np.int64), pixel[:, 0].astype(np.int64)
        group = lighting.geometry.material[surface.triangle].astype(np.int32)
        taken, found = borrow(
            lent, guide.valid, guide, row, column, surface.position, surface.lobes.normal, group
        )
        light = Light.unpacked(taken)
        alone = np.flatnonzero(~found)
        own = surface.take(alone)
        self._add_lamps(light, surface, tile, soft=False)
        if len(alone):
            lonely = _dark(len(alone))
            self._add_lamps(lonely, own, tile[alone], soft=True)
            lonely.bounced = lighting.bounced.light(own.position, own.lobes.normal)
            light.add_at(alone, lonely)
        clear = surface.lobes.roughness <= CLEAR
        wanted = (brightest(share.specular) > DULL) & (clear | ~found)
        mirrored, _ = reflection(lighting, surface, surface.lobes.roughness, tile, wanted)
        light.mirrored[wanted] = mirrored[wanted]
        clear = surface.lobes.coat_roughness <= CLEAR
        wanted = (brightest(share.coat) > DULL) & (clear | ~found)
        coated, _ = reflection(lighting, surface, surface.lobes.coat_roughness, tile, wanted)
        light.coated[wanted] = coated[wanted]
        return light

    def _add_lamps(self, light: Light, surface: Surface, tile: np.ndarray, soft: bool) -> None:
        """Add what lamps of one kind, soft or not, send to points that each ask by themselves."""
        lights, receiver = self.lighting.lights, direct.Receiver.of(surface)
        for i in range(len(lights)):
            if _is_soft(lights, i) == soft:
                arrives = arriving(self.lighting, surface, i, tile, _BEHIND_RAYS)
                _add(light, direct.receive(receiver, lights, i), arrives)

    # ------------------------------------------------------------------ what lies behind

    def _finish(
        self,
        samples: _Samples,
        met: np.ndarray,
        surface: Surface,
        share: Shares,
        light: Light,
        radiance: np.ndarray,
    ) -> None:
        """Write (N, 4) premultiplied colour and alpha of samples, looking through what is clear."""
        self._empty(samples, np.flatnonzero(samples.hits.triangle < 0), 1.0, radiance)
        radiance[:, :3] += self._seen_lamps(samples)
        radiance[met, :3] += outgoing(surface, share, light)
        left = passes_on(surface, share)
        radiance[met, 3] += 1 - mean(left) * self.film.transparent
        on = brightest(left) > THROUGH
        if on.any():
            radiance[met[~on], 3] = 1
            self._look_on(samples, met[on], surface.take(on), left[on], radiance)

    def _seen_lamps(self, samples: _Samples) -> np.ndarray:
        """(N, 3) radiance of lamps in front of what rays met."""
        lights = self.lighting.lights
        visible = (lights.visible & CAMERA) != 0
        if not visible.any():
            return np.zeros((len(samples.ways), 3), np.float32)
        reach = length(samples.ways)
        ways, far = samples.ways / reach[:, None], samples.hits.distance * reach
        return direct.seen_lamps(samples.origins, ways, far, lights.only(visible))

    def _empty(
        self, samples: _Samples, index: np.ndarray, left: np.ndarray | float, out: np.ndarray
    ) -> None:
        if not len(index):
            return
        if self.film.transparent:
            return
        out[index, 3] = 1
        if self.lighting.sky.visible & CAMERA:
            out[index, :3] += left * self.lighting.sky.seen(samples.ways[index])

    def _look_on(
        self,
        samples: _Samples,
        index: np.ndarray,
        surface: Surface,
        left: np.ndarray,
        radiance: np.ndarray,
    ) -> None:
        """What is behind surfaces that let light through, layer by layer."""
        lighting = self.lighting
        tile = samples.tile[index]
        ways = samples.ways[index] / length(samples.ways[index])[:, None]
        for _ in range(LAYERS):
            bends = brightest(surface.lobes.transmission) > brightest(surface.lobes.transparent)
            ways = np.where(bends[:, None], refracted(surface), ways).astype(np.float32)
            origins = surface.origins(ways, NUDGE)
            hits = lighting.seen.first(origins, ways)
            missed = np.flatnonzero(hits.triangle < 0)
            if len(missed) and not self.film.transparent:
                sky = lighting.sky.seen(ways[missed]) * left[missed]
                radiance[index[missed], :3] += sky
                radiance[index[missed], 3] = 1
            met = np.flatnonzero(hits.triangle >= 0)
            if not len(met):
                return
            kept = Hits(hits.triangle[met], hits.u[met], hits.v[met], hits.distance[met])
            across = (
                surface.width[met] / np.maximum(kept.distance, 1e-6) + samples.spread[index[met]]
            )
            surface = lighting.matter.surface(kept, origins[met], ways[met], across)
            index, tile, left, ways = index[met], tile[met], left[met], ways[met]
            share = shares(surface)
            light = self._own_light(surface, share, tile)
            radiance[index, :3] += left * outgoing(surface, share, light)
            left = left * passes_on(surface, share)
            if self.film.transparent:
                radiance[index, 3] = 1 - mean(left)
            on = np.flatnonzero(brightest(left) > THROUGH)
            if not len(on):
                return
            surface, index, tile, left, ways = (
                surface.take(on), index[on], tile[on], left[on], ways[on]
            )  # fmt: skip

    def _own_light(self, surface: Surface, share: Shares, tile: np.ndarray) -> Light:
        """Light on points that have no neighbours to share with."""
        lighting = self.lighting
        light = _dark(len(surface))
        for soft in (False, True):
            self._add_lamps(light, surface, tile, soft)
        light.bounced = lighting.bounced.light(surface.position, surface.lobes.normal)
        wanted = brightest(share.specular) > DULL
        light.mirrored, _ = reflection(lighting, surface, surface.lobes.roughness, tile, wanted)
        wanted = brightest(share.coat) > DULL
        light.coated, _ = reflection(lighting, surface, surface.lobes.coat_roughness, tile, wanted)
        return light

    # ------------------------------------------------------------------ the result

    def _frame(
        self,
        picture: np.ndarray,
        grid: _Samples,
        met: np.ndarray,
        surface: Surface,
        share: Shares,
        light: Light,
    ) -> LitFrame:
        inner = slice(film.MARGIN, -film.MARGIN)

        def image(values: np.ndarray, fill: float = 0.0) -> np.ndarray:
            made = np.full((self.shape[0] * self.shape[1], *values.shape[1:]), fill, values.dtype)
            made[met] = values
            return made.reshape(*self.shape, *values.shape[1:])[inner, inner]

        exposure = np.float32(self.film.exposure)
        hits = grid.hits
        whole = (hits.triangle, hits.u, hits.v, hits.distance)
        triangle, u, v, depth = (a.reshape(self.shape)[inner, inner] for a in whole)
        return LitFrame(
            color=picture[..., :3] * exposure,
            alpha=np.clip(picture[..., 3], 0, 1),
            depth=depth,
            base=image(share.diffuse + share.specular),
            normal=image(surface.lobes.normal),
            triangle=triangle,
            u=u,
            v=v,
            light=image(light.direct + light.bounced),
            matte=image(matte(surface, share, light)),
        )


_SURE = 1e-3
_MIXED_RAYS = 16
_GLOSSY_RAYS = 8
_PATTERN = 0.15
"""Difference of shadows below which it counts as the pattern's."""
_HARD = 0.05
"""Radius (metres, or radians of what is far) below which a lamp's shadows count as sharp."""


def _dark(count: int) -> Light:
    return Light(*(np.zeros((count, 3), np.float32) for _ in range(6)))


def _is_soft(lights: Lights, index: int) -> bool:
    """Whether shadows of a light are wide enough for neighbours to share."""
    return bool(lights.soft[index]) and bool(lights.radius[index] > _HARD)


def _add(light: Light, received: direct.Received, arrives: np.ndarray) -> None:
    light.direct += received.diffuse * arrives
    light.glints += received.specular * arrives
    light.behind += received.behind * arrives
