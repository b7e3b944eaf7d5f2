# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds one picture, continued from what it shows: mirrored at its border and softened.

On a sphere about the camera, upright, the picture is folded over at its border, sideways and then
up and down. At equal elevation ground stays ground, whatever the direction, sky stays sky and the
horizon goes on; nothing ends at the border. Upwards and downwards surfaces go on as what they are
there, level or upright. The farther from the border, the less is known and the softer it gets.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from ...shared.camera import Camera, facing, intrinsics
from ...shared.frame import MemoryFrame

WIDTH = 1536
"""Columns of the sphere's raster, 360 degrees; half as many rows."""

FACE = 448
"""Pixels of a side of the views that surroundings are handed on as."""

FOV = math.radians(96)
"""Views overlap by a few degrees."""

SOFTNESS = 0.07
"""Standard deviation of the blur up and down, in parts of the angle to the border."""

SIDEWAYS = 2.5
"""How many times farther it goes sideways: what is mirrored is soon a mirrored thing no more, and
ground, horizon, rows of windows and ceilings go on."""

LEVELS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Standard deviations in pixels of the sphere between which the blur is interpolated."""

INSET = 2
"""Pixels of the raster beside the border that belong to the continuation already: a picture's own
last pixels are often half another's."""

LEAST_SPAN = 0.7
"""A column of the raster is folded into if the picture covers this part of the tallest's height."""

ROOM = 0.35
"""Part of a column's rows that is mirrored upwards and downwards."""

NOT_ALL = 0.6
"""Part of the sky, or of what is below it, that is mirrored: softening mixes what is farther."""

TOGETHER = 12
"""Columns to either side that are continued alike."""

PLANE_STEP = 6
"""Rows of the raster over which the slope of a surface at the border is taken."""


@dataclass(frozen=True, eq=False)
class Panorama:
    """All directions about a camera. to_world: (3, 3), columns right, forward and up.

    rgb: (H, 2 H, 3) uint8 sRGB. reach: (H, 2 H) float32, metres along the ray, +inf = sky, 0 =
    unknown. seen: (H, 2 H) bool, where the picture itself shows it. Row 0 is the zenith; the
    columns in the middle are in front.
    """

    position: np.ndarray
    to_world: np.ndarray
    rgb: np.ndarray
    reach: np.ndarray
    seen: np.ndarray

    def views(self) -> list[tuple[Camera, np.ndarray, np.ndarray]]:
        """Six cameras with (S, S, 3) uint8 and (S, S) z-depth: to all sides, 0 where seen."""
        quarters = [(turn, 0) for turn in range(4)] + [(0, 1), (0, -1)]
        turns = [facing(0.5 * math.pi * yaw, 0.5 * math.pi * pitch) for yaw, pitch in quarters]
        return [self._view(turn.round()) for turn in turns]

    def _view(self, turn: np.ndarray) -> tuple[Camera, np.ndarray, np.ndarray]:
        c2w = np.eye(4)
        c2w[:3, :3], c2w[:3, 3] = self.to_world @ turn, self.position
        camera = Camera(intrinsics(FOV, FACE, FACE), c2w, FACE, FACE)
        local = camera.rays() @ self.to_world  # at z-depth 1
        length = np.linalg.norm(local, axis=-1)
        x, y = _raster_places(local / length[..., None], self.reach.shape[0])
        # its columns meet behind the camera
        rgb = cv2.remap(self.rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        at = (
            np.clip((y + 0.5).astype(int), 0, self.reach.shape[0] - 1),
            (x + 0.5).astype(int) % self.reach.shape[1],
        )
        depth = np.where(self.seen[at], 0.0, self.reach[at] / length).astype(np.float32)
        return camera, rgb, depth


def panorama_of(frame: MemoryFrame) -> Panorama | None:
    """Of a frame with depth; None where it shows too little to be continued."""
    if frame.depth is None or frame.camera.is_orthographic:
        return None
    to_world = _upright(frame.camera)
    rows, columns = WIDTH // 2, WIDTH
    directions = _raster_directions(rows, columns)
    rgb, reach, seen = _on_sphere(frame, directions @ to_world.T)
    folded = _fold(seen, np.isinf(reach))
    if folded is None:
        return None
    continued = _continued(folded, directions, reach)
    angle = _angle_to(seen)
    soft = _softened(rgb[folded.rows, folded.columns].astype(np.float32), angle, SIDEWAYS)
    return Panorama(
        frame.camera.position,
        to_world,
        np.where(seen[..., None], rgb, (soft + 0.5).astype(np.uint8)),
        np.where(seen, reach, _evened(continued, angle)).astype(np.float32),
        seen,
    )


def _upright(camera: Camera) -> np.ndarray:
    """(3, 3) columns: level right, level forward, up."""
    right = camera.c2w[:3, 0] * [1, 1, 0]
    if np.linalg.norm(right) < 1e-3:  # on its side
        right = np.cross(camera.c2w[:3, 2], [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross([0.0, 0.0, 1.0], right), [0.0, 0.0, 1.0]], axis=1)


def _raster_directions(rows: int, columns: int) -> np.ndarray:
    """(H, W, 3) float64 unit vectors: right, forward, up."""
    azimuth = ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi
    elevation = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    level = np.cos(elevation)[:, None]
    return np.stack(
        [
            level * np.sin(azimuth),
            level * np.cos(azimuth),
            np.broadcast_to(np.sin(elevation)[:, None], (rows, columns)),
        ],
        axis=-1,
    )


def _raster_places(directions: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of each, float32, centres at whole numbers."""
    azimuth = np.arctan2(directions[..., 0], directions[..., 1])
    elevation = np.arcsin(np.clip(directions[..., 2], -1, 1))
    x = (azimuth / (2 * np.pi) + 0.5) * 2 * rows - 0.5
    y = (0.5 - elevation / np.pi) * rows - 0.5
    return x.astype(np.float32), y.astype(np.float32)


def _on_sphere(
    frame: MemoryFrame, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture, its distances along the rays, and where it shows them."""
    camera = frame.camera
    local = directions @ camera.c2w[:3, :3]
    z = local[..., 2]
    ahead = z > 1e-3
    uv = (local / np.where(ahead, z, 1.0)[..., None]) @ camera.K.T
    x, y = (uv[..., i].astype(np.float32) for i in (0, 1))
    inside = ahead & (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    inside = cv2.erode(inside.astype(np.uint8), np.ones((2 * INSET + 1,) * 2)) > 0
    # a picture that is finer than the raster is made coarser first, that it does not sparkle
    step = camera.K[0, 0] * 2 * np.pi / WIDTH
    rgb = frame.rgb if step < 1.5 else cv2.GaussianBlur(frame.rgb, (0, 0), 0.4 * step)
    at = np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)
    picture = cv2.remap(rgb, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    depth = np.asarray(frame.depth)[at]
    reach = np.where(inside, depth / np.maximum(z, 1e-3), 0.0).astype(np.float32)
    return picture, reach, inside


@dataclass(frozen=True, eq=False)
class _Folded:
    """For each pixel of the raster the seen one that stands for it: its row and its column.

    first, last: (W,) rows between which the picture shows what a column mirrors.
    """

    rows: np.ndarray
    columns: np.ndarray
    first: np.ndarray
    last: np.ndarray


def _fold(seen: np.ndarray, sky: np.ndarray) -> _Folded | None:
    """Sideways by mirrors, again and again; up and down by one that is stretched more and more,
    and takes no ground for sky. None where too little is seen."""
    height = seen.sum(axis=0)
    tall = np.flatnonzero(height >= max(LEAST_SPAN * height.max(), 4))
    if len(tall) < 4:
        return None
    runs = np.split(tall, np.flatnonzero(np.diff(tall) > 1) + 1)
    run = max(runs, key=len)
    columns = _mirrored(np.arange(seen.shape[1]), run[0], run[-1])
    first = seen.argmax(axis=0)
    last = seen.shape[0] - 1 - seen[::-1].argmax(axis=0)
    above = _room(sky, first, last, run, 1)[columns]
    below = _room(sky, last, first, run, -1)[columns]
    first, last = first[columns], last[columns]
    rows = np.arange(seen.shape[0])[:, None]
    up = first + above * -np.expm1(-np.maximum(first - rows, 0) / above)
    down = last - below * -np.expm1(-np.maximum(rows - last, 0) / below)
    rows = np.where(rows < first, up, np.where(rows > last, down, rows)).astype(int)
    return _Folded(rows, np.broadcast_to(columns, rows.shape), first, last)


def _room(
    sky: np.ndarray, border: np.ndarray, other: np.ndarray, run: np.ndarray, step: int
) -> np.ndarray:
    """(W,) rows from the border of each column of `run` that may be mirrored there."""
    count = np.abs(other - border) + 1
    room = np.full(sky.shape[1], 1.0, np.float32)
    for column in run:
        inside = sky[border[column] :: step, column][: count[column]]
        change = np.flatnonzero(inside != inside[0])
        alike = NOT_ALL * change[0] if len(change) else np.inf
        room[column] = max(min(alike, ROOM * count[column]), 1)
    # neighbours go together, none farther than it may
    span = slice(run[0], run[-1] + 1)
    least = cv2.erode(room[span][None], np.ones((1, 2 * TOGETHER + 1)))
    room[span] = cv2.blur(least, (2 * TOGETHER + 1, 1))[0]
    return np.maximum(room, 1.0)


def _mirrored(index: np.ndarray, first: int, last: int) -> np.ndarray:
    """Indices folded into [first, last] by mirrors at both ends."""
    length = last - first + 1
    part = (index - first) % (2 * length)
    return first + np.where(part < length, part, 2 * length - 1 - part)


def _continued(folded: _Folded, directions: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Distances: mirrored sideways; above the picture surfaces go on level or upright, as they are
    at its border, below it level, and nothing lies below the ground."""
    count = len(reach)
    result = reach[folded.rows, folded.columns]
    up = directions[:, :1, 2]
    level = np.sqrt(1 - up**2)
    rows = np.arange(count)[:, None]
    for border, step, beyond in (
        (folded.first, PLANE_STEP, rows < folded.first),
        (folded.last, -PLANE_STEP, rows > folded.last),
    ):
        inner = np.clip(border + step, 0, count - 1)
        own, other = reach[border, folded.columns[0]], reach[inner, folded.columns[0]]
        solid = np.isfinite(own) & (own > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            rise, run = own * up[border, 0], own * level[border, 0]
            slope = np.abs(rise - other * up[inner, 0]) - np.abs(run - other * level[inner, 0])
            slope = np.where(solid & np.isfinite(slope), slope / np.where(solid, own, 1), 0)
            flat = (_together(slope) < 0) | (step < 0)
            rise, run = (_together(np.where(solid, v, 0)) / _together(solid) for v in (rise, run))
            plane = np.where(flat, rise / up, run / level)
            plane = np.where(flat & (rise * up <= 0), np.inf, plane)  # it ends at the horizon
        plane = np.where(solid & (plane > 0), plane, own)
        result = np.where(beyond, plane, result)
    return _above_ground(result, up, reach)


def _together(values: np.ndarray) -> np.ndarray:
    """The mean of each column and its neighbours."""
    wide = np.pad(values.astype(np.float32), TOGETHER, mode="wrap")
    return cv2.blur(wide[None], (2 * TOGETHER + 1, 1))[0, TOGETHER:-TOGETHER]


def _above_ground(result: np.ndarray, up: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Nothing lies lower than nearly all that the picture shows."""
    solid = np.isfinite(reach) & (reach > 0)
    lowest = float(np.percentile((reach * up)[solid], 1)) if solid.any() else 0.0
    if lowest >= 0:
        return result
    ground = np.where(up < 0, lowest / np.minimum(up, -1e-6), np.inf)
    return np.where(result > 0, np.minimum(result, ground), result)


def _angle_to(seen: np.ndarray) -> np.ndarray:
    """(H, W) float32 pixels of the raster to what is seen, columns wrapped around."""
    count = seen.shape[1]
    wide = np.concatenate([seen, seen, seen], axis=1)
    distance = cv2.distanceTransform((~wide).astype(np.uint8), cv2.DIST_L2, 5)
    return distance[:, count : 2 * count]


def _evened(reach: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Distances (H, W) as soft sideways as the colours there: a plain stays as it is, and surfaces
    have no silhouettes where colours are softened away. It is sky where most around is."""
    solid = np.isfinite(reach) & (reach > 0)
    log = np.log(np.where(solid, reach, 1.0))
    parts = np.stack([log, solid, reach > 0], axis=-1).astype(np.float32)
    log, some, known = np.moveaxis(_softened(parts, angle, SIDEWAYS, across=False), -1, 0)
    surface = np.exp(log / np.maximum(some, 1e-6))
    return np.where(reach > 0, np.where(some > 0.5 * known, surface, np.inf), 0.0)


def _softened(
    values: np.ndarray, distance: np.ndarray, sideways: float, across: bool = True
) -> np.ndarray:
    """(H, W, 3) float32 blurred by SOFTNESS of the distance, `sideways` times as far sideways:
    between the two nearest of some blurred pictures. across: up and down too."""
    margin = int(3 * sideways * LEVELS[-1])
    wide = cv2.copyMakeBorder(values, 0, 0, margin, margin, cv2.BORDER_WRAP)
    wanted = np.minimum(SOFTNESS * distance, LEVELS[-1])
    result = below = values
    for low, high in itertools.pairwise(LEVELS):
        above = _blurred(wide, sideways * high, high if across else 0)[:, margin:-margin]
        part = np.clip((wanted - low) / (high - low), 0, 1)[..., None]
        result = np.where(wanted[..., None] > low, below + part * (above - below), result)
        below = above
    return np.asarray(result, np.float32)


def _blurred(values: np.ndarray, x: float, y: float) -> np.ndarray:
    """Standard deviations x and y; wide ones on fewer columns, which blurs them no worse."""
    step = max(1, int(x / 8))
    size = values.shape[1], values.shape[0]
    small = cv2.resize(values, (-(-size[0] // step), size[1]), interpolation=cv2.INTER_AREA)
    if y > 0:
        small = cv2.GaussianBlur(small, (0, 0), sigmaX=x / step, sigmaY=y)
    else:
        small = cv2.GaussianBlur(small, (0, 1), sigmaX=x / step)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)
