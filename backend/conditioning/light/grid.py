# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's grid of samples, one a pixel: light that its points find out together."""

from __future__ import annotations

import math
from functools import cached_property, partial

import cv2
import numpy as np

from ...shared.camera import Camera
from ..anchors.surface import Surface
from ..threads import at_once
from . import direct, film
from .colors import brightest, mean
from .gathered import STEP, gathered
from .lamps import BOTH, POINTS
from .mirrors import reflection
from .patterns import TILE, TILE_ORDER, WIDE_TILE
from .reflection import CLEAR, DULL, LOOKED_AT
from .samples import sample, surface_of
from .shade import Light, Lighting, arriving, shares
from .single import add, dark
from .unresolved import unresolved
from .window import Guide, agreed, borrow, complete, complete_wide, turning

_SURE = 1e-3
_FEW_RAYS, _MIXED_RAYS, _NARROW_RAYS = 4, 4, 16
"""Of pixels that are asked first, of those that disagree, and of these where the lamp is small, as
nobody completes what they see."""
_GLOSSY_RAYS = 8
_WIDER = 3
"""Times a lobe's alpha that a tile may be across whose pixels show the same: the mean of a tile
blurs by 0.3 of its width, the lobe by 1.4 of alpha, which is the more. Without, rows of dots are
left where few of the rays meet something bright."""
_TELLING = 0.5
_PATTERN = 0.15
"""Difference of shadows below which it counts as the pattern's."""


def _worth(received: direct.Received) -> np.ndarray:
    """(N,) bool where a lamp sends anything."""
    parts = (received.diffuse, received.specular, received.behind)
    return np.logical_or.reduce([brightest(part) > direct.FAINT for part in parts])


class Grid:
    """The samples in the middles of a picture's pixels, with a margin around it.

    shape: rows and columns, margin included. met: (N,) numbers of the pixels that show a surface;
    surface, share: of these N points.
    """

    def __init__(self, lighting: Lighting, camera: Camera, whole: bool = True) -> None:
        """whole: see `Matter.surface`."""
        self.lighting = lighting
        self.shape = (camera.height + 2 * film.MARGIN, camera.width + 2 * film.MARGIN)
        row, column = (a.ravel() for a in np.mgrid[: self.shape[0], : self.shape[1]])
        self.samples = sample(lighting, camera, np.stack([column + 0.5, row + 0.5], axis=1), 1.0)
        self.met = self.samples.met()
        self.surface = surface_of(lighting, self.samples, self.met, whole)
        self.share = shares(self.surface)
        self.tile, self.wide = self.samples.tile[self.met], self.samples.wide[self.met]
        self.receiver = direct.Receiver.of(self.surface)

    def image(self, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """(H, W, ...) of values (N, ...); `fill` where there is no surface."""
        made = np.full((self.shape[0] * self.shape[1], *values.shape[1:]), fill, values.dtype)
        made[self.met] = values
        return made.reshape(*self.shape, *values.shape[1:])

    @cached_property
    def guide(self) -> Guide:
        """What tells one surface from another."""
        surface = self.surface
        material = self.lighting.geometry.material[surface.triangle].astype(np.int32)
        valid, group = self.image(np.ones(len(self.met), bool), False), self.image(material, -1)
        normal = self.image(surface.lobes.normal)
        if self.noise.any():
            normal[self.noise] = self.image(surface.flat)[self.noise]
        return Guide(valid, self.image(surface.position), normal, self.image(surface.width), group)

    @cached_property
    def noise(self) -> np.ndarray:
        """(H, W) bool: pixels whose normals are noise, and whose neighbours stand for more."""
        surface = self.surface
        owner = self.image(self.lighting.geometry.owner[surface.triangle].astype(np.int32), -1)
        return unresolved(self.image(surface.lobes.normal), self.image(surface.flat), owner)

    def evened(self, color: np.ndarray) -> np.ndarray:
        """(H * W, 3) what pixels show, where normals are noise what those about one show in the
        mean, but for their own textures."""
        some = self.noise.ravel()[self.met]
        if not some.any():
            return color
        lobes, made = self.surface.lobes, color.copy()
        base = lobes.diffuse + lobes.specular + np.float32(0.01)
        every = np.ones(len(base), np.float32)
        made[self.met[some]] = (self.completed(color[self.met] / base, every, some) * base)[some]
        return made

    @cached_property
    def sparse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (h,) and columns (w,) of every STEP-th pixel, and numbers (h * w,) of the points
        that they show, -1 = none."""
        height, width = self.shape
        rows, columns = np.arange(STEP // 2, height, STEP), np.arange(STEP // 2, width, STEP)
        place = np.full(height * width, -1, np.int64)
        place[self.met] = np.arange(len(self.met))
        return rows, columns, place[(rows[:, None] * width + columns[None]).ravel()]

    @cached_property
    def soft_light(self) -> Light:
        """What changes slowly: lamps with wide shadows, bounced light, reflections."""
        lights, share, lobes = self.lighting.lights, self.share, self.surface.lobes
        light = dark(len(self.surface))

        around: list[np.ndarray] = []

        def look_around() -> None:
            around.extend(gathered(self))

        def look_back() -> None:
            light.mirrored = self._mirrors(share.specular, lobes.roughness)
            light.coated = self._mirrors(share.coat, lobes.coat_roughness)

        soft = [i for i in range(len(lights)) if lights.wide[i]]
        lamps = [partial(self._lamp, i) for i in soft]
        _ = self.guide.beside, self.sparse  # all of them ask for these
        for made in at_once(look_back, *lamps, look_around):
            if made is not None:
                add(light, *made)
        light.bounced = around[0] * self.surface.open_to()
        light.behind += around[1]
        return light

    def _lamp(self, i: int) -> tuple[direct.Received, np.ndarray]:
        """What a soft lamp sends, and the part (N, 1 or 3) of it that arrives."""
        lighting, surface = self.lighting, self.surface
        arrives = np.ones((len(surface), 1), np.float32)
        received = direct.receive(self.receiver, lighting.lights, i)
        if lighting.lights.shadow[i]:
            part, point = self._soft_shadow(i, received)
            arrives = part[:, None]
            if lighting.veils is not None:
                arrives = arrives * self._unveiled(i, point, part > 0)
        return received, arrives

    def sharp_light(self) -> tuple[Light, np.ndarray]:
        """Lamps with narrow shadows; and how much of each arrives, (H, W, L)."""
        lights, light, arrived = self.lighting.lights, dark(len(self.surface)), []
        for i in range(len(lights)):
            if not lights.wide[i]:
                arrives = self._narrow_shadow(i)
                arrived.append(self.image(arrives[:, 0]))
                add(light, direct.receive(self.receiver, lights, i), arrives)
        return light, np.stack([*arrived, np.zeros(self.shape, np.float32)], axis=2)

    @cached_property
    def _lent(self) -> np.ndarray:
        return self.image(self.soft_light.packed())

    def lend(self, surface: Surface, pixel: np.ndarray) -> tuple[Light, np.ndarray]:
        """Soft light on points seen at places (N, 2) x and y of this grid; (N,) bool, where it is
        known."""
        group = self.lighting.geometry.material[surface.triangle].astype(np.int32)
        normal = surface.lobes.normal
        if self.noise.any():
            row, column = np.floor(pixel[:, ::-1]).astype(np.int64).T
            inside = row.clip(0, self.shape[0] - 1), column.clip(0, self.shape[1] - 1)
            normal = np.where(self.noise[inside][:, None], surface.flat, normal)
        taken, found = borrow(self._lent, self.guide, pixel, surface.position, normal, group)
        return Light.unpacked(taken), found

    # ---------------------------------------------------------------------------- lamps

    def _narrow_shadow(self, i: int) -> np.ndarray:
        """(N, 3) part of a lamp's light that arrives, where it is too small for neighbours to
        share: many rays from where these do not agree."""
        lighting, surface = self.lighting, self.surface
        if not lighting.lights.soft[i] or not lighting.lights.shadow[i]:
            return arriving(lighting, surface, i, self.tile, 1)
        arrived, total, point, mixed = self._asked(i, _NARROW_RAYS)
        own = arrived / np.maximum(total, 1e-20)
        if len(mixed):
            # in wide penumbras neighbours differ by their patterns only
            shared = self.completed(arrived, total)
            differs = np.abs(shared - own) >= _PATTERN
            own = np.where(differs, own, shared)
            # a lonely one may be no more than its pattern's noise: it asks for all points
            lonely = np.flatnonzero(differs & ~self._together(differs))
            if len(lonely):
                first = np.zeros(len(lonely), np.int32)
                made = self._ask(surface.take(lonely), i, first, POINTS)
                own[lonely], point[lonely] = made[0] / np.maximum(made[1], 1e-20), made[2]
        return own[:, None] * lighting.unveiled(surface, i, point, own > 0)

    def _together(self, marks: np.ndarray) -> np.ndarray:
        """(N,) bool: of marked points (N,) bool those with at least two of them beside."""
        image = self.image(marks.astype(np.uint8))
        about = cv2.boxFilter(image, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return marks & (about.ravel()[self.met] >= 3)

    def _soft_shadow(self, i: int, received: direct.Received) -> tuple[np.ndarray, np.ndarray]:
        """(N,) part of a soft lamp's light that arrives, and (N,) int32 a point that it has."""
        sent = None
        if self.lighting.lights.kind[i] >= BOTH:
            # close to a shining mesh neighbours get so different amounts that one would speak
            # for all: each tells its share
            sent = np.maximum(np.pi * mean(received.diffuse), direct.FAINT)
        known = self._foretold(i, sent)
        arrived, total, point, _ = self._asked(i, _MIXED_RAYS, known, sent)
        open_ = known < 0
        told = np.stack([arrived, total], axis=1)
        shared, any_ = self.completed(told, total, open_).T
        # of long or near shapes none of a tile's points may send anything to speak of, though the
        # whole does
        silent = np.flatnonzero(open_ & (any_ < _TELLING) & _worth(received))
        known[open_] = shared[open_]
        if len(silent):
            none = np.zeros(len(silent), np.int32)
            mine = None if sent is None else sent[silent]
            some = self.surface.take(silent)
            arrived, total, point[silent] = self._ask(some, i, none, POINTS, sent=mine)
            known[silent] = np.where(total > 0, arrived / np.maximum(total, 1e-20), 1)
        return known, point

    def _unveiled(self, i: int, point: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """(N, 3) of a soft lamp's light what veils leave: by one of its points each (N,), by
        several where neighbours do not agree. wanted: (N,) bool, others are 1."""
        lighting, every = self.lighting, np.ones(len(point), np.float32)
        left = lighting.unveiled(self.surface, i, point, wanted)
        shared = self.completed(left, every)
        mixed = np.flatnonzero(np.abs(shared - left).max(axis=1) > _PATTERN / _MIXED_RAYS)
        if len(mixed):
            some, first = self.surface.take(mixed), self.tile[mixed] * _MIXED_RAYS
            each = [
                lighting.unveiled(some, i, first + k, wanted[mixed]) for k in range(_MIXED_RAYS)
            ]
            left[mixed] = np.mean(each, axis=0)
            shared = self.completed(left, every)
        return shared

    def _foretold(self, i: int, sent: np.ndarray | None = None) -> np.ndarray:
        """(N,) float32: 1 or 0 where all rays of the pixels around that are asked first get to the
        lamp or none does; -1 where that is not so."""
        rows, columns, there = self.sparse
        some = there[there >= 0]
        coarse = np.full(len(there), -1, np.float32)
        if not len(some):
            return np.full(len(self.met), -1, np.float32)
        y, x = np.divmod(np.flatnonzero(there >= 0), len(columns))
        rays = _FEW_RAYS if sent is None else _NARROW_RAYS
        first = rays * TILE_ORDER[y % TILE, x % TILE]
        mine = None if sent is None else sent[some]
        arrived, total, _ = self._ask(self.surface.take(some), i, first, rays, sent=mine)
        whole = arrived / np.maximum(total, 1e-20)
        agreed_on = np.where(whole < _SURE, 0, np.where(whole > 1 - _SURE, 1, -1))
        # of a shining mesh near by the few may be points that send next to nothing
        coarse[there >= 0] = np.where(total > (0 if sent is None else _TELLING), agreed_on, -1)
        told = _undisputed(coarse.reshape(len(rows), -1), self.guide.group[np.ix_(rows, columns)])
        made = agreed(told, rows, columns, STEP, self.guide)
        return made.reshape(-1)[self.met]

    def _asked(
        self,
        i: int,
        many: int,
        known: np.ndarray | None = None,
        sent: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(N,) light that arrived from the points that were asked for, all that would have, and
        (N,) int32 a point whose light did arrive, if any: one ray of the tile's pattern each, and
        `many` where neighbours do not agree (M,).

        known: (N,) what is foretold of it, -1 = nothing. sent: (N,) irradiance that the amounts are
        parts of, None = they are irradiance themselves.
        """
        known = np.full(len(self.met), -1, np.float32) if known is None else known
        arrived, total, point = self._ask(self.surface, i, self.tile, 1, known, sent)
        whole = self.completed(arrived, total, known < 0)
        mixed = np.flatnonzero((known < 0) & (whole > _SURE) & (whole < 1 - _SURE))
        if len(mixed):
            first = self.tile[mixed] * many
            some = self.surface.take(mixed)
            mine = None if sent is None else sent[mixed]
            made = self._ask(some, i, first, many, sent=mine)
            arrived[mixed], total[mixed], point[mixed] = made
        return arrived, total, point, mixed

    def _ask(
        self,
        surface: Surface,
        i: int,
        first: np.ndarray,
        rays: int,
        known: np.ndarray | None = None,
        sent: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lights = self.lighting.lights
        origins, ways, weights = direct.shadow_rays(surface, lights, i, first, rays)
        if sent is not None:
            weights = weights / sent[:, None]
        wanted = weights.reshape(-1) > 0
        lit: np.ndarray = np.zeros(weights.size, np.float32)
        if known is not None:
            lit = np.where(known < 0, 0, known)
            wanted &= known < 0
        asked = np.flatnonzero(wanted)
        if len(asked) == len(lit):
            lit[:] = ~self.lighting.between.blocked(origins, ways)
        else:
            origins, ways = np.take(origins, asked, axis=0), np.take(ways, asked, axis=0)
            lit[asked] = ~self.lighting.between.blocked(origins, ways)
        lit = lit.reshape(weights.shape)
        if rays == 1:
            return lit[:, 0] * weights[:, 0], weights[:, 0], first.copy()
        point = first + lit.argmax(axis=1).astype(np.int32)
        return np.einsum("nr,nr->n", lit, weights) / rays, weights.mean(axis=1), point

    def completed(
        self, values: np.ndarray, weights: np.ndarray, wanted: np.ndarray | None = None
    ) -> np.ndarray:
        """Values (N,) or (N, C), already times their weights (N,), around each point; wanted: (N,)
        bool, None = all."""
        wide = values.reshape(len(values), math.prod(values.shape[1:]))
        chosen = None if wanted is None else self.image(wanted, False)
        made = complete(self.image(wide), self.image(weights), self.guide, chosen)
        return made.reshape(-1, wide.shape[1])[self.met].reshape(values.shape)

    def completed_wide(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """As `completed`, of all points, and over a wider neighbourhood where they still differ."""
        made = complete(self.image(values), self.image(weights), self.guide)
        return complete_wide(made, self.guide).reshape(-1, values.shape[1])[self.met]

    # ---------------------------------------------------------------------------- reflections

    def _mirrors(self, part: np.ndarray, roughness: np.ndarray) -> np.ndarray:
        """(N, 3) mean radiance in the way of a lobe that reflects `part` (N, 3) of light."""
        wanted = brightest(part) > DULL
        if not wanted.any():
            return np.zeros_like(part)
        radiance, weight = reflection(self.lighting, self.surface, roughness, self.wide, wanted)
        sharp = wanted & (roughness <= LOOKED_AT)
        some = np.flatnonzero(sharp & (roughness > CLEAR))
        if len(some):
            radiance[some] = self._glossy(some, roughness, radiance[some], weight[some])
            radiance[some] = self._shared(some, roughness, radiance)[some]
        weight = weight * ~sharp
        mixed = self.completed_wide(radiance * weight[:, None], weight)
        return np.where(sharp[:, None], radiance, mixed)

    def _shared(self, some: np.ndarray, roughness: np.ndarray, radiance: np.ndarray) -> np.ndarray:
        """(N, 3) the mean of a tile where lobes are so wide that its pixels show the same.

        some: numbers of points with narrow lobes.
        """
        alpha, across = roughness[some] ** 2, TILE * self.samples.spread[self.met[some]]
        turns = 2 * turning(self.guide)[self.met[some]]
        wide = np.zeros(len(roughness), np.float32)
        wide[some] = _WIDER * alpha > across + turns
        shared = self.completed(radiance * wide[:, None], wide)
        return np.where(wide[:, None] > 0, shared, radiance)

    def _glossy(
        self, some: np.ndarray, roughness: np.ndarray, radiance: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """(M, 3) the mean of several ways of narrow lobes, whose neighbours show other things."""
        # runs of ways, all of which are in every tile
        runs = WIDE_TILE * WIDE_TILE // _GLOSSY_RAYS
        turns = np.arange(1, _GLOSSY_RAYS)
        tile = (_GLOSSY_RAYS * (self.tile[some] % runs) + turns[:, None]).ravel()
        again, every = np.tile(some, len(turns)), np.ones(len(tile), bool)
        surface, rough = self.surface.take(again), roughness[again]
        more, share = reflection(self.lighting, surface, rough, tile.astype(np.int32), every)
        by_turn = len(turns), len(some)
        total = radiance * weight[:, None]
        total += (more * share[:, None]).reshape(*by_turn, 3).sum(axis=0)
        weight = weight + share.reshape(by_turn).sum(axis=0)
        return total / np.maximum(weight, 1e-6)[:, None]


def _undisputed(told: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(h, w) what is foretold where none of the eight around of the same group (h, w) says
    otherwise, else -1: in the light of a lamp's small rest, many ask of its hidden part alone."""
    (h, w), made = told.shape, told.copy()
    values, groups = (np.pad(of, 1, mode="edge") for of in (told, group))
    for dy, dx in np.ndindex(3, 3):
        beside = slice(dy, dy + h), slice(dx, dx + w)
        made[(groups[beside] == group) & (values[beside] != told)] = -1
    return made
