# SPDX-License-Identifier: GPL-3.0-or-later
"""Lit pictures corrected by what memory frames saw beside what light alone gave there."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np

from ...shared.camera import Camera
from ..light.frame import LitFrame
from ..light.gathered import STEP
from ..light.shade import Lighting
from ..light.window import Guide, spread
from .agreement import agreement
from .lookup import fetch
from .past_scenes import PastScene
from .remembered import (
    BASE,
    DARKEST,
    DETAIL,
    FLOOR,
    MATTE,
    RATIO,
    UNEXPLAINED,
    Points,
    Remembered,
    grid_of,
    outlines,
    points_of,
    smoothed,
    usual_light,
)
from .smoothed import Smoothed

NEAR = 0.04
"""1 - cosine between two views of a point at which about a third of a reflection is shared."""
OTHER = 0.3
"""Difference of base colours' logarithms from which a texture is not what memory saw."""
CARRIED = 0.4
"""How much of what is special about a place of a thing is its own and goes where it goes."""
COARSE = 0.5
"""Pixels of memory to one of the picture, along a side, from which it saw all there is."""
_BESIDE = 0.12
"""What of its neighbour a pixel at an outline shows, along one axis."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """color: (H, W, 3) float32. confidence: (H, W) float32, 1 = memory saw it. frame: (H, W)
    float32 number of the memory frame that tells most, from 1; 0 = none."""

    color: np.ndarray
    confidence: np.ndarray
    frame: np.ndarray


@dataclass(eq=False)
class _Seen:
    """What all frames together know of N points.

    ratio, detail, base: (N, 3) sums; weight, sharp, fine: (N,) their weights. known: (N,) how far
    it holds. frame: (N,) float32 number of the one that tells most, from 1.
    """

    ratio: np.ndarray
    detail: np.ndarray
    base: np.ndarray
    weight: np.ndarray
    sharp: np.ndarray
    fine: np.ndarray
    known: np.ndarray
    frame: np.ndarray

    @classmethod
    def nothing(cls, count: int) -> _Seen:
        colors = (np.zeros((count, 3), np.float32) for _ in range(3))
        return cls(*colors, *(np.zeros(count, np.float32) for _ in range(5)))

    def means(self) -> None:
        """Sums become means; weights become parts of the whole."""
        for values, weight in (
            (self.ratio, self.weight), (self.detail, self.sharp), (self.base, self.fine)
        ):  # fmt: skip
            values /= np.maximum(weight, 1e-9)[:, None]
        self.sharp *= self.known / np.maximum(self.weight, 1e-9)
        self.fine *= self.known / np.maximum(self.weight, 1e-9)


@dataclass(frozen=True, eq=False)
class _Pose:
    """Of I instances then. turns: (I, 3, 3) float32. moved: (I,) bool."""

    turns: np.ndarray
    moved: np.ndarray


class Memory:
    """Memory frames beside the scene's light."""

    def __init__(self, lighting: Lighting, remembered: dict[int, Remembered]) -> None:
        """remembered: by the numbers of frames, from 1."""
        self.geometry, self.usual = lighting.geometry, usual_light(lighting)
        self.remembered = {n: one.under(lighting) for n, one in remembered.items()}
        self.smoothed = Smoothed(
            list(self.remembered.values()), self.geometry, lighting.bounced.scale
        )
        self._poses: dict[int, _Pose] = {}
        self.agreement = agreement(list(self.remembered.values()), self.smoothed, self.geometry)

    def carried(self, lighting: Lighting) -> Memory | None:
        """The same beside triangles of which some stand elsewhere, or in other light, for drafts:
        at no cost, and without what a move changes in bounced light. None where they are not the
        same triangles."""
        now = lighting.geometry
        if not np.array_equal(self.geometry.first, now.first) or not np.array_equal(
            self.geometry.material, now.material
        ):
            return None
        mine, theirs = self.geometry.scene.instances, now.scene.instances
        if any(one.key != other.key for one, other in zip(mine, theirs, strict=True)):
            return None
        made = copy(self)
        made.geometry, made.usual, made._poses = now, usual_light(lighting), {}
        return made

    def _pose(self, number: int) -> _Pose | None:
        """How instances stood when a frame saw them; None: as they do."""
        then = self.remembered[number].then
        if then.geometry is self.geometry:
            return None
        if number not in self._poses:
            self._poses[number] = _Pose(then.turns(self.geometry), then.moved(self.geometry))
        return self._poses[number]

    def corrected(self, lit: LitFrame, camera: Camera) -> Corrected:
        """The lit picture of a camera with memory's ratios."""
        points = points_of(self.geometry, camera, lit)
        met = lit.triangle >= 0
        guide = grid_of(points, met)
        matte = lit.matte[met]
        material = self.geometry.material[points.triangle]
        usual, _ = self.smoothed.of_material(material)
        seen = self._seen(points, camera, matte, usual)
        floor = FLOOR * self.usual * lit.base * lit.alpha[..., None]
        light = np.maximum(lit.color, 0) + floor
        marked = outlines(guide)
        smooth = _smooth_along(np.concatenate([light, lit.base], axis=2), marked, guide)
        seen.ratio = usual + self.agreement[material][:, None] * (seen.ratio - usual)
        ratio = seen.ratio + _texture(seen, light[met], smooth[met], ~marked[met])
        unseen = np.flatnonzero(seen.known < 1)
        if len(unseen):
            part = seen.known[unseen][:, None]
            around = self._smooth(guide, points, unseen) * matte[unseen][:, None]
            ratio[unseen] = part * ratio[unseen] + (1 - part) * around
        own = smooth[..., :3]
        own = np.where(own > 0, own, lit.base * lit.light * lit.alpha[..., None] + floor)
        own = np.where(marked[..., None], np.minimum(own, light), light)
        more = _at_outlines(own * np.expm1(_grid(ratio, met)), marked)
        color = np.where(more == 0, lit.color, np.maximum(lit.color + more, 0))
        return Corrected(color.astype(np.float32), _grid(seen.known, met), _grid(seen.frame, met))

    def _seen(self, points: Points, camera: Camera, matte: np.ndarray, usual: np.ndarray) -> _Seen:
        seen = _Seen.nothing(len(points.position))
        most = np.zeros(len(points.position), np.float32)
        back = points.toward(camera)
        cosine = np.abs(np.einsum("ni,ni->n", back, points.facing))
        across = points.width / np.sqrt(np.maximum(cosine, 0.02))
        for number, one in self.remembered.items():
            pose = self._pose(number)
            stood, view = _as_then(points, back, one.then, pose)
            found = fetch(one, stood)
            alike = np.exp(-(1 - np.einsum("ni,ni->n", view, found.toward)) / NEAR)
            steady = np.minimum(found.values[:, MATTE], matte)
            fine = np.minimum(across / found.width, 1)
            holds = found.known * (steady + (1 - steady) * alike) * np.minimum(fine / COARSE, 1)
            weight = holds * (0.02 + fine * fine) * (0.05 + alike)
            sharp = weight * fine**4
            seen.fine += sharp
            seen.base += sharp[:, None] * found.values[:, BASE]
            sharp = sharp * found.values[:, UNEXPLAINED]
            seen.sharp += sharp
            seen.detail += sharp[:, None] * found.values[:, DETAIL]
            seen.weight += weight
            ratio = found.values[:, RATIO]
            if pose is not None:
                moved = pose.moved[points.owner][:, None]
                ratio = np.where(moved, usual + CARRIED * (ratio - usual), ratio)
            seen.ratio += weight[:, None] * ratio
            seen.known = np.maximum(seen.known, holds)
            better = weight > most
            seen.frame[better], most[better] = number, weight[better]
        seen.means()
        return seen

    def _smooth(self, guide: Guide, points: Points, wanted: np.ndarray) -> np.ndarray:
        """(M, 3) what is known around points `wanted`, found at every few pixels."""
        height, width = guide.shape
        rows, columns = np.arange(STEP // 2, height, STEP), np.arange(STEP // 2, width, STEP)
        asked = np.zeros(guide.shape, bool)
        asked.ravel()[np.flatnonzero(guide.valid)[wanted]] = True
        chosen = np.zeros((len(rows), len(columns)), bool)
        for dy in range(-STEP, STEP + 1):
            for dx in range(-STEP, STEP + 1):
                r, c = np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)
                chosen |= asked[np.ix_(r, c)]
        chosen &= guide.valid[np.ix_(rows, columns)]
        place = np.cumsum(guide.valid.ravel()).reshape(guide.shape) - 1
        coarse = np.zeros((*chosen.shape, 3), np.float32)
        coarse[chosen] = self.smoothed.at(points.take(place[np.ix_(rows, columns)][chosen]))
        made, found = spread(coarse, rows, columns, STEP, guide)
        made, found = made[guide.valid][wanted], found[guide.valid][wanted]
        rest = np.flatnonzero(~found)
        made[rest] = self.smoothed.at(points.take(wanted[rest]))
        return made


def _as_then(
    points: Points, back: np.ndarray, then: PastScene, pose: _Pose | None
) -> tuple[Points, np.ndarray]:
    """Points as they stood then, and the unit ways (N, 3) `back` to the viewer, turned alike."""
    if pose is None:
        return points, back
    back = np.einsum("nij,nj->ni", pose.turns[points.owner], back)
    back /= np.maximum(np.linalg.norm(back, axis=1, keepdims=True), 1e-9)
    return points.standing(then.geometry), back


def _smooth_along(values: np.ndarray, marked: np.ndarray, guide: Guide) -> np.ndarray:
    """Values (H, W, C) smooth along surfaces, of pixels that are not `marked` (H, W) bool."""
    return smoothed(values, (guide.valid & ~marked).astype(np.float32), guide)


def _texture(seen: _Seen, light: np.ndarray, smooth: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """(N, 3) what to add to `seen.ratio`: memory's detail in place of detail that light does not
    explain, and less of the ratio where the texture is another than memory saw.

    light: (N, 3) lit colours. smooth: (N, 6) these and base colours, smooth along surfaces.
    usable: (N,) bool, pixels that show one surface alone.
    """
    own = np.log(np.maximum(light, 1e-9) / np.maximum(smooth[:, :3], 1e-9))
    added = (seen.sharp * usable)[:, None] * (seen.detail - own)
    apart = np.abs(seen.base - np.log(np.maximum(smooth[:, 3:], DARKEST))).max(axis=1)
    doubt = np.clip(apart / OTHER - 1, 0, 1) * seen.fine * smooth[:, 3:].any(axis=1)
    return added - doubt[:, None] * seen.ratio


def _grid(values: np.ndarray, met: np.ndarray) -> np.ndarray:
    made = np.zeros((*met.shape, *values.shape[1:]), np.float32)
    made[met] = values
    return made


def _at_outlines(more: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """What surfaces send more than they were lit with (H, W, 3), mixed at outlines, `marked`
    (H, W) bool, as the pixel filter mixes the surfaces: of each its own, whatever is beside it."""
    taps = (_BESIDE, 1 - 2 * _BESIDE, _BESIDE)
    height, width = marked.shape
    padded = np.pad(more, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across: np.ndarray = np.zeros((height + 2, width, 3), np.float32)
    mixed: np.ndarray = np.zeros((height, width, 3), np.float32)
    for i, weight in enumerate(taps):
        across += np.float32(weight) * padded[:, i : i + width]
    for i, weight in enumerate(taps):
        mixed += np.float32(weight) * across[i : i + height]
    return np.where(marked[..., None], mixed, more)
