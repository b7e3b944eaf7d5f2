# SPDX-License-Identifier: GPL-3.0-or-later
"""One lit picture of a scene: exact surfaces in their light, as a camera sees them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...shared.camera import Camera
from ..anchors.surface import Surface
from ..threads import at_once
from . import film
from .behind import THROUGH, seen_lamps, shown
from .colors import brightest
from .grid import Grid
from .patterns import TILE, WIDE_TILE
from .reflection import CLEAR
from .samples import Samples, alike, sample, surface_of
from .shade import Light, Lighting, Shares, matte, passes_on, shares
from .single import add_bounced, add_lamps, dark, reflect

HALVED, THIRDED = 100_000, 800_000
"""Pixels from which soft light is found out at a half or a third of the picture's size."""
BUMPS = 0.4
"""How much a difference of bumps, as vectors, counts beside one of colours."""
REFLECTS = 0.03
"""Least part of light that mirrors give back whose edges are smoothed: varnish and polished stone
too."""
STRIP_PIXELS = 400_000
"""About as many pixels are made at once."""
OVERLAP = 6 * WIDE_TILE
"""Rows beyond a strip that its pixels may look at; strips begin where patterns do, so that they
leave no trace."""


@dataclass(eq=False)
class LitFrame:
    """A picture in scene-linear light; all (H, W, ...) float32.

    color: premultiplied. alpha: (H, W). depth: (H, W) z-depth, inf = background. base, normal,
    light: of the nearest surface: its albedo, its normal (world), and the irradiance / pi on it.
    triangle: (H, W) int32 nearest surface in the middle of the pixel, -1 = none. u, v: (H, W).
    matte: (H, W) part of what is seen that looks the same from everywhere.
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


def render(lighting: Lighting, camera: Camera, glance: bool = False) -> LitFrame:
    """The picture of a camera. Large ones are made in strips, so that memory stays bounded.

    glance: one sample a pixel, also at edges, and coarser soft light.
    """
    pixels = camera.width * camera.height
    coarser = 1 if pixels < HALVED and not glance else 2 if pixels < THIRDED else 3
    step = 6 * WIDE_TILE
    rows = max(STRIP_PIXELS // camera.width // step, 1) * step
    if camera.height <= rows + 2 * OVERLAP:
        return _Painter(lighting, camera, coarser, glance).paint()
    strips = []
    for top in range(0, camera.height, rows):
        bottom = min(top + rows, camera.height)
        above, below = max(top - OVERLAP, 0), min(bottom + OVERLAP, camera.height)
        part = camera.cropped(0, above, camera.width, below - above)
        painted = _Painter(lighting, part, coarser, glance).paint()
        strips.append(painted.rows(top - above, bottom - above))
    return LitFrame.stacked(strips)


def _firsts(marks: np.ndarray) -> np.ndarray:
    """(M,) int32 where the samples of marked pixels begin."""
    return np.arange(int(marks.sum()), dtype=np.int32) * film.SIDE**2


@dataclass(frozen=True, eq=False)
class _Many:
    """The samples that M of marked pixels look at once each.

    met: (N,) numbers of those that show a surface; pixel: (N, 2) their places in the picture;
    surface, share, sharp: of these. whose: (M,) the sample that stands for each.
    """

    samples: Samples
    met: np.ndarray
    pixel: np.ndarray
    surface: Surface
    share: Shares
    sharp: Light
    whose: np.ndarray


class _Painter:
    """One picture. Soft light may come from a coarser grid; edges get many samples a pixel."""

    def __init__(self, lighting: Lighting, camera: Camera, coarser: int, glance: bool) -> None:
        self.lighting, self.camera = lighting, camera
        self.coarser, self.glance = coarser, glance
        self.film = lighting.geometry.scene.film
        self.grid = Grid(lighting, camera, whole=not glance)
        self.lender = self.grid
        if coarser > 1:
            width, height = (-(-side // coarser) for side in (camera.width, camera.height))
            whole = camera.cropped(0, 0, width * coarser, height * coarser)
            self.lender = Grid(lighting, whole.resized(width, height), whole=not glance)

    def paint(self) -> LitFrame:
        grid, shape = self.grid, self.grid.shape
        soft, (light, first, many) = self._parts()
        light = light.plus(soft)
        picture = shown(self.lighting, grid.samples, grid.met, grid.surface, grid.share, light)
        picture[:, :3] = grid.evened(picture[:, :3])
        picture = picture.reshape(*shape, 4)
        samples = np.zeros((0, 4), np.float32) if many is None else self._looks(many)
        if not self.glance:
            marks = (first < 0) & film.differing(picture, self._clear())
            more = self._many(marks, marks)
            if more is not None:
                first[marks] = len(samples) + _firsts(marks)
                samples = np.concatenate([samples, self._looks(more)])
        picture = film.resolve(picture, samples, first, self.film)
        return self._frame(picture, light)

    def _clear(self) -> np.ndarray:
        """(H, W) bool of mirrors and glass, which show more than their surface."""
        grid, lobes = self.grid, self.grid.surface.lobes
        mirror = (lobes.roughness <= CLEAR) & (brightest(grid.share.specular) > REFLECTS)
        passes = brightest(passes_on(grid.surface, grid.share)) > THROUGH
        return grid.image(mirror | passes, False)

    def _parts(self) -> tuple[Light, tuple[Light, np.ndarray, _Many | None]]:
        """What needs not wait for each other: soft light, and all else."""
        made: dict[str, Any] = {}

        def soft() -> None:
            made["soft"] = self._soft()

        def sharp() -> None:
            made["sharp"] = self._sharp()

        at_once(soft, sharp)
        return made["soft"], made["sharp"]

    def _soft(self) -> Light:
        grid = self.grid
        if self.lender is grid:
            return grid.soft_light
        row, column = np.divmod(grid.met, grid.shape[1])
        pixel = np.stack([column + 0.5, row + 0.5], axis=1)
        return self._lent(grid.surface, grid.share, pixel, grid.tile)

    def _sharp(self) -> tuple[Light, np.ndarray, _Many | None]:
        """Light with sharp shadows; (H, W) int32 where a pixel's many samples begin, -1 = it has
        one; and these samples."""
        light, shadow = self.grid.sharp_light()
        first = np.full(self.grid.shape, -1, np.int32)
        if self.glance:
            return light, first, None
        marks, varied = self._edges(shadow)
        first[marks] = _firsts(marks)
        return light, first, self._many(marks, varied)

    def _edges(self, shadow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `film.edges`."""
        grid, surface = self.grid, self.grid.surface
        colors = seen_lamps(self.lighting, grid.samples)
        colors[grid.met] += grid.share.diffuse + grid.share.specular + surface.lobes.emission
        bumps = np.zeros_like(colors)
        bumps[grid.met] = BUMPS * (surface.lobes.normal - surface.smooth)
        bumps[grid.noise.ravel()] = 0
        looks = np.concatenate([colors, bumps], axis=1).reshape(*grid.shape, 6)
        return film.edges(grid.guide, looks, shadow, self.lighting.matter.fine)

    def _many(self, marks: np.ndarray, varied: np.ndarray) -> _Many | None:
        """The samples of marked pixels (H, W) bool, if there are any.

        varied: (H, W) bool where a surface looks different from sample to sample.
        """
        row, column = np.nonzero(marks)
        if not len(row):
            return None
        pixel = film.sample_positions(row, column)
        samples = sample(self.lighting, self.camera, pixel, 1 / film.SIDE)
        samples.tile = (np.arange(len(pixel)) % (TILE * TILE)).astype(np.int32)
        first = alike(self.lighting, samples, np.repeat(varied[row, column], film.SIDE**2))
        chosen = np.flatnonzero(first == np.arange(len(first)))
        whose = np.searchsorted(chosen, first)
        samples, pixel = samples.take(chosen), pixel[chosen]
        met = samples.met()
        surface = surface_of(self.lighting, samples, met)
        sharp = dark(len(met))
        add_lamps(self.lighting, sharp, surface, samples.tile[met], soft=False)
        return _Many(samples, met, pixel[met], surface, shares(surface), sharp, whose)

    def _looks(self, many: _Many) -> np.ndarray:
        """(M, 4) what samples show."""
        surface, share = many.surface, many.share
        light = self._lent(surface, share, many.pixel, many.samples.tile[many.met])
        light = light.plus(many.sharp)
        return shown(self.lighting, many.samples, many.met, surface, share, light)[many.whose]

    def _lent(self, surface: Surface, share: Shares, pixel: np.ndarray, tile: np.ndarray) -> Light:
        """Soft light on points seen at places (N, 2) of the picture: the lender's where it knows
        their surface, their own where it does not, and for clear reflections."""
        lighting = self.lighting
        place = (pixel - film.MARGIN) / self.coarser + film.MARGIN
        light, found = self.lender.lend(surface, place)
        alone = np.flatnonzero(~found)
        if len(alone):
            own, lonely = surface.take(alone), dark(len(alone))
            add_lamps(lighting, lonely, own, tile[alone], soft=True)
            add_bounced(lighting, lonely, own)
            light.add_at(alone, lonely)
        lobes = surface.lobes
        clear = (lobes.roughness <= CLEAR) | ~found, (lobes.coat_roughness <= CLEAR) | ~found
        reflect(lighting, light, surface, share, tile, clear)
        return light

    def _frame(self, picture: np.ndarray, light: Light) -> LitFrame:
        grid, inner = self.grid, (slice(film.MARGIN, -film.MARGIN),) * 2
        hits = grid.samples.hits
        triangle, u, v, depth = (
            a.reshape(grid.shape)[inner] for a in (hits.triangle, hits.u, hits.v, hits.distance)
        )
        return LitFrame(
            color=picture[..., :3] * np.float32(self.film.exposure),
            alpha=np.clip(picture[..., 3], 0, 1),
            depth=depth,
            base=grid.image(grid.share.diffuse + grid.share.specular)[inner],
            normal=grid.image(grid.surface.lobes.normal)[inner],
            triangle=triangle,
            u=u,
            v=v,
            light=grid.image(light.direct + light.bounced)[inner],
            matte=grid.image(matte(grid.surface, grid.share, light))[inner],
        )
