# SPDX-License-Identifier: GPL-3.0-or-later
"""What a memory frame saw beside what light alone gives there: a ratio on every surface it saw."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from ..anchors.geometry import Geometry
from ..light.cache import Bounced
from ..light.frame import LitFrame, render
from ..light.gathered import STEP
from ..light.shade import Lighting
from ..light.window import Guide, complete, complete_wide, spread
from .past_scenes import PastScene, same_light

LONGEST = 512
"""Pixels along the longer side of what is kept of a memory frame."""
FLOOR = 0.1
"""Light that is added to both sides of a ratio, as part of the usual: it keeps the dark calm."""
SHARPEST = 2.5
"""Largest size of a ratio's logarithm."""
SAME_PLACE = 2.0
"""Pixels' widths by which a surface may lie off the one that memory saw."""
_PRECISE = 2e-3
DARKEST = 0.01
"""Base colour that counts as black."""
_EXPLAINED = 0.3
_QUIET = 1e-4
_NOISY = 3.0
"""Times the median square of noise that the mean around a pixel stays below."""
_CLIPPED = 254
_CHANCE = 0.15

RATIO, DETAIL, BASE, MATTE, UNEXPLAINED = slice(0, 3), slice(3, 6), slice(6, 9), 9, 10
CHANNELS = 11


@dataclass(frozen=True, eq=False)
class Points:
    """N points of surfaces in the middles of pixels, float32 unless said.

    triangle: (N,) int32. u, v: (N,). back: (N,) bool, seen from behind. width: (N,) metres that a
    pixel covers across. position: (N, 3). facing: (N, 3) unit normal of the triangle, on the
    viewer's side. owner: (N,) int32 instance.
    """

    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    back: np.ndarray
    width: np.ndarray
    position: np.ndarray
    facing: np.ndarray
    owner: np.ndarray

    def take(self, index: np.ndarray) -> Points:
        """The points that `index` picks: (K,) int numbers or (N,) bool marks of the N there are."""
        return Points(*(getattr(self, f.name)[index] for f in fields(self)))

    def standing(self, geometry: Geometry) -> Points:
        """The same points of triangles that stand elsewhere."""
        flat = geometry.flat[self.triangle]
        return replace(
            self,
            position=geometry.at(self.triangle, self.u, self.v),
            facing=np.where(self.back[:, None], -flat, flat),
        )

    def toward(self, camera: Camera) -> np.ndarray:
        """(N, 3) float32 unit vectors to a camera."""
        if camera.is_orthographic:
            back = -camera.c2w[:3, 2].astype(np.float32)
            return np.broadcast_to(back, self.position.shape)
        away = camera.position.astype(np.float32) - self.position
        return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True, eq=False)
class Remembered:
    """A memory frame beside its lit picture, in the pixels of `camera`.

    values: (H, W, CHANNELS) float32. RATIO: the logarithm of (seen + floor) / (lit + floor),
    smooth along the surface; floor is `FLOOR` of the usual light on the base colour. DETAIL: the
    logarithm of what was seen over its smooth self. BASE: the logarithm of the base colour,
    smooth. MATTE: see `LitFrame`. UNEXPLAINED: the part of the detail that was not lit so.
    known: (H, W) float32, 1 where memory saw the surface, else 0. guide: the surfaces as they
    stood, with the triangles' normals and with instances as groups. points: the same in rows.
    light: (H, W, 3) float32, lit + floor, smooth along the surface.
    """

    camera: Camera
    values: np.ndarray
    known: np.ndarray
    guide: Guide
    points: Points
    then: PastScene
    light: np.ndarray

    @classmethod
    def of(cls, then: PastScene, frame: MemoryFrame) -> Remembered:
        """Of a frame that saw the scene `then`."""
        camera, seen, depth, clipped = _at_most(frame, LONGEST)
        lit = render(then.lighting, camera)
        usable = ~clipped
        if depth is not None:
            usable &= ~_elsewhere(then.geometry, camera, depth, lit)
        return cls.compared(then, camera, seen, usable, lit)

    @classmethod
    def compared(
        cls, then: PastScene, camera: Camera, seen: np.ndarray, usable: np.ndarray, lit: LitFrame
    ) -> Remembered:
        """seen: (H, W, 3) linear. usable: (H, W) bool. lit: of `camera`."""
        points = points_of(then.geometry, camera, lit)
        guide = grid_of(points, lit.triangle >= 0)
        usual = usual_light(then.lighting)
        seen_at_all = usable & guide.valid & (lit.alpha > 0.5)
        seen_at_all[guide.valid] &= then.fits[points.owner] & ~then.touched(points.position)
        usable = seen_at_all & ~outlines(guide)
        weight = usable.astype(np.float32)
        floor = FLOOR * usual * lit.base
        light = np.concatenate([np.maximum(seen, 0) + floor, np.maximum(lit.color, 0) + floor], 2)
        least = np.float32(1e-6 * max(usual, 1e-6))
        both = np.concatenate([np.maximum(light, least), lit.base], axis=2)
        smooth = smoothed(both, weight, guide)
        beside = complete(weight[..., None], weight, guide)[..., 0] > 0
        known = seen_at_all & beside
        smooth[..., :6] = np.maximum(smooth[..., :6], least)
        detail = np.log(both[..., :6] / smooth[..., :6])
        detail = np.clip(detail, -SHARPEST, SHARPEST) * weight[..., None]
        values = np.empty((*known.shape, CHANNELS), np.float32)
        ratio = np.log(smooth[..., :3] / smooth[..., 3:6])
        values[..., RATIO] = np.clip(ratio, -SHARPEST, SHARPEST)
        values[..., DETAIL] = detail[..., :3]
        values[..., BASE] = np.log(np.maximum(smooth[..., 6:], DARKEST))
        values[..., MATTE] = lit.matte
        values[..., UNEXPLAINED] = _unexplained(detail, weight, guide)
        return cls(camera, values, known.astype(np.float32), guide, points, then, smooth[..., 3:6])

    def under(self, now: Lighting) -> Remembered:
        """The same, had the scene then been lit with the bounced light of now.

        Caches of bounced light differ by chance, a little, which is not memory's to tell; where
        they differ much it is because something moved.
        """
        then = self.then.lighting
        if now.bounced is then.bounced or not same_light(now.geometry.scene, then.geometry.scene):
            return self
        back = np.zeros(self.guide.shape, bool)
        back[self.guide.valid] = self.points.back
        more = bounced_on(self.guide, back, now.bounced)
        more -= bounced_on(self.guide, back, then.bounced)
        more *= np.exp(self.values[..., BASE]) * then.geometry.scene.film.exposure
        values = self.values.copy()
        part = np.log(np.maximum(1 + more / self.light, 0.1))
        part *= np.exp(-((part / _CHANCE) ** 2))
        values[..., RATIO] = np.clip(values[..., RATIO] - part, -SHARPEST, SHARPEST)
        return replace(self, values=values)


def _elsewhere(geometry: Geometry, camera: Camera, depth: np.ndarray, lit: LitFrame) -> np.ndarray:
    """(H, W) bool: pixels in which memory, of `depth`, saw another surface, and those beside."""
    met = lit.triangle >= 0
    rays = camera.rays()[met]
    facing = np.abs(np.einsum("ni,ni->n", geometry.flat[lit.triangle[met]], rays))
    off = np.zeros(met.shape, np.float32)
    with np.errstate(invalid="ignore"):
        off[met] = np.abs(depth[met] - lit.depth[met]) * facing
    focal = 0.5 * (camera.K[0, 0] + camera.K[1, 1])
    far = np.where(met, lit.depth, 1)
    width = 1 / focal if camera.is_orthographic else far / focal
    other = met & (depth > 0) & (off > SAME_PLACE * width + _PRECISE * far)
    return cv2.dilate(other.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def bounced_on(guide: Guide, back: np.ndarray, bounced: Bounced) -> np.ndarray:
    """(H, W, 3) what bounces to surfaces, found at every few pixels; 0 where it is not found.

    back: (H, W) bool, triangles seen from behind.
    """
    height, width = guide.shape
    rows, columns = np.arange(STEP // 2, height, STEP), np.arange(STEP // 2, width, STEP)
    chosen = np.ix_(rows, columns)
    valid = guide.valid[chosen]
    coarse = np.zeros((*valid.shape, 3), np.float32)
    if valid.any():
        place, facing = guide.position[chosen][valid], guide.normal[chosen][valid]
        coarse[valid] = bounced.light(place, facing, back[chosen][valid])
    return spread(coarse, rows, columns, STEP, guide)[0]


def usual_light(lighting: Lighting) -> float:
    """Radiance of a white surface in the light that most surfaces have."""
    return lighting.bounced.usual * lighting.geometry.scene.film.exposure


def smoothed(values: np.ndarray, weight: np.ndarray, guide: Guide) -> np.ndarray:
    """Values (H, W, C) of pixels of weight (H, W), means of some twelve pixels along surfaces; zero
    where none of weight is near."""
    known = np.concatenate([values, np.ones_like(values[..., :1])], axis=2)
    made = complete_wide(complete(known * weight[..., None], weight, guide), guide)
    # parts of a thin surface may have no pixel of weight near by
    return made[..., :-1] / np.maximum(made[..., -1:], 1e-6)


def _unexplained(detail: np.ndarray, weight: np.ndarray, guide: Guide) -> np.ndarray:
    """(H, W) the part of the detail seen (its first three channels) that was lit otherwise, and is
    more than the noise of a picture that was not denoised."""
    other = detail[..., :3] - detail[..., 3:]
    differs, varies = (other**2).sum(axis=2), (detail[..., :3] ** 2).sum(axis=2)
    around = complete(np.stack([differs, varies], axis=2) * weight[..., None], weight, guide)
    part = np.maximum(around[..., 0] - _NOISY * _noise(other, weight), 0)
    part /= around[..., 1] + _QUIET
    return np.clip((part - _EXPLAINED) / (1 - _EXPLAINED), 0, 1) * weight


def _noise(other: np.ndarray, weight: np.ndarray) -> float:
    """Square, over all channels of (H, W, 3), of what differs from pixel to pixel nearly
    everywhere: textures that light does not know are somewhere, noise is on most surfaces."""
    inner = (slice(1, -1), slice(1, -1))
    sides = (other[:-2, 1:-1] + other[2:, 1:-1] + other[1:-1, :-2] + other[1:-1, 2:]) / 4
    alone = ((other[inner] - sides) ** 2).sum(axis=2) / 1.25
    known = cv2.erode(weight, np.ones((3, 3), np.uint8))[inner] > 0
    return float(np.median(alone[known])) if known.any() else 0.0


def points_of(geometry: Geometry, camera: Camera, lit: LitFrame) -> Points:
    """What the middles of the pixels of a lit frame show, in rows; pixels without are left out."""
    met = lit.triangle >= 0
    triangle, u, v = lit.triangle[met], lit.u[met], lit.v[met]
    flat = geometry.flat[triangle]
    back = np.einsum("ni,ni->n", flat, camera.rays()[met]) > 0
    focal = 0.5 * (camera.K[0, 0] + camera.K[1, 1])
    width = np.full(len(triangle), 1 / focal, np.float32)
    if not camera.is_orthographic:
        width = (lit.depth[met] / focal).astype(np.float32)
    facing = np.where(back[:, None], -flat, flat)
    position = geometry.at(triangle, u, v)
    return Points(triangle, u, v, back, width, position, facing, geometry.owner[triangle])


def grid_of(points: Points, met: np.ndarray) -> Guide:
    """Points on the grid (H, W) whose pixels `met` they are, with instances as groups."""

    def grid(values: np.ndarray, fill: float = 0) -> np.ndarray:
        made = np.full((*met.shape, *values.shape[1:]), fill, values.dtype)
        made[met] = values
        return made

    return Guide(
        met, grid(points.position), grid(points.facing), grid(points.width), grid(points.owner, -1)
    )


def outlines(guide: Guide) -> np.ndarray:
    """(H, W) bool: pixels beside another surface, which may show some of it."""
    marked = np.zeros(guide.shape, bool)
    for axis in (0, 1):
        one = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        other = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        gap = guide.position[other] - guide.position[one]
        off = np.maximum(
            np.abs(np.einsum("hwc,hwc->hw", gap, guide.normal[one])),
            np.abs(np.einsum("hwc,hwc->hw", gap, guide.normal[other])),
        )
        width = np.maximum(guide.width[one], guide.width[other])
        turned = np.einsum("hwc,hwc->hw", guide.normal[one], guide.normal[other]) < 0.7
        both = guide.valid[one] & guide.valid[other]
        differs = (guide.group[one] != guide.group[other]) | (both & ((off > 3 * width) | turned))
        marked[one] |= differs
        marked[other] |= differs
    return marked


def _at_most(
    frame: MemoryFrame, longest: int
) -> tuple[Camera, np.ndarray, np.ndarray | None, np.ndarray]:
    """Camera, linear colours, depth and marks of clipped pixels, at most so large."""
    camera, seen, depth = frame.camera, frame.linear(), frame.depth
    clipped: np.ndarray = np.zeros(seen.shape[:2], bool)
    if frame.radiance is None:
        clipped = np.asarray((frame.rgb >= _CLIPPED).any(axis=2))
    scale = longest / max(camera.width, camera.height)
    if scale < 1:
        size = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
        camera = camera.resized(*size)
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
        clipped = cv2.resize(clipped.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        if depth is not None:
            depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    return camera, seen, depth, clipped
