# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things stand on the ground where their feet are: people, carts, cars, furniture.

A coarse guess of depth lays them on the ground, or bends them over it, so that they lean from
aside. Seen along one azimuth the world is a flight of steps, ground and upright pieces by turns
("stixels", Badino, Franke and Pfeiffer, 2009): a closer look says where pieces are, and their feet
how far away.

*Reach* is the logarithm of the distance over the ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.camera import Camera

GROUND = 0.5
"""Probability from which on a place is ground."""
HORIZON = math.radians(1.0)
"""Below it a foot says how far away something is."""
ONE_PIECE = 0.3
"""Difference of a guess from what is below it up to which it belongs to the same upright piece."""
FOOT = 0.5
"""Most that a foot may differ from the guess of what stands on it."""
ALIKE, AROUND = 0.15, math.radians(0.6)
"""Feet that differ less and are nearer than that are smoothed: standard deviations."""
TALLEST = 1.3
"""In camera heights: what is taller is a building, whose lines say more."""
UPRIGHT = 0.6
"""In camera heights: what is as high as that is seen from the side, and so is what is higher than
wide; of the rest the top is seen, which is level."""
LOWEST = 0.1
"""Camera heights that a thing is high, at least."""
THING = 0.35
"""Mean probability of ground of a thing, at most."""
SLIM = 1 / 6
"""Of its height: how wide a thing is at least; slimmer is the edge of another one, or a post."""
ONE_THING = 0.6
"""Part of its greatest height that all of a thing has."""
BETWEEN, SHORTEST = math.radians(0.5), math.radians(3.0)
"""Between the upright lines that are told of a large thing, and how long one is at least."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A view by azimuth and elevation: (H, W) maps whose rows go down.

    reach, ground: the guess and its probability of ground. solid: where something is to be seen.
    shown: what the view shows at all.
    elevation: (H,) of the rows. step: between columns. Radians.
    """

    reach: np.ndarray
    ground: np.ndarray
    solid: np.ndarray
    shown: np.ndarray
    elevation: np.ndarray
    step: float


@dataclass(frozen=True, eq=False)
class Standing:
    """What stands on the ground of a view.

    reach: (H, W) of its pixels, where `things`, (H, W) bool, says that they are small things.
    lines: (N, 3) azimuth and elevation of the upper and of the lower end of what is larger.
    """

    reach: np.ndarray
    things: np.ndarray
    lines: np.ndarray


def stood(columns: Columns, camera_height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H, W) reach of the small things that stand on the ground, bool where there are such, and
    (N, 3) column, upper and lower row of the larger ones' pieces."""
    feet = _pieces(columns, camera_height)
    things = _small(columns, feet, camera_height)
    filled = np.where(things, feet, columns.reach).astype(np.float32)
    size = min(15, 2 * math.ceil(2 * AROUND / columns.step) + 1)
    smooth = cv2.bilateralFilter(filled, size, ALIKE, AROUND / columns.step)
    larger = np.isfinite(feet) & ~things
    return smooth, things, _upright_rows(larger, columns)


def _upright_rows(larger: np.ndarray, columns: Columns) -> np.ndarray:
    """(N, 3) column, first and last row of runs of (H, W), of every so many columns."""
    found = []
    for column in range(0, larger.shape[1], max(1, round(BETWEEN / columns.step))):
        ends = np.flatnonzero(np.diff(np.pad(larger[:, column].astype(np.int8), 1)))
        for top, foot in ends.reshape(-1, 2):
            if columns.elevation[top] - columns.elevation[foot - 1] > SHORTEST:
                found.append((column, top, foot - 1))
    return np.array(found, int).reshape(-1, 3)


def _small(columns: Columns, feet: np.ndarray, camera_height: float) -> np.ndarray:
    """(H, W) bool: pieces side by side that make something small that is seen from the side."""
    standing = np.isfinite(feet).astype(np.uint8)
    standing = cv2.morphologyEx(standing, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, part, stats, _ = cv2.connectedComponentsWithStats(standing, connectivity=8)
    distance = np.exp(np.where(standing > 0, feet, 0)) / camera_height
    height = 1 + distance * np.tan(columns.elevation)[:, None]
    above = np.concatenate([np.zeros_like(columns.shown[:1]), columns.shown[:-1]])
    height = np.where(above, height, np.inf)  # what goes on beyond the view may be a house
    kept = np.zeros(feet.shape, bool)
    for number in range(1, count):
        x, y, w, h = stats[number, :4]
        place = np.s_[y : y + h, x : x + w]
        own = part[place] == number
        if columns.ground[place][own].mean() > THING:
            continue
        top = np.where(own, height[place], 0).max(axis=0)
        near = np.where(own, distance[place], np.inf).min(axis=0)
        kept[place] |= own & _from_the_side(top, near * columns.step)
    return kept


def _from_the_side(top: np.ndarray, width: np.ndarray) -> np.ndarray:
    """(W,) bool: of columns that hang together, those of things that are seen from the side.

    top, width: (W,) of each column, camera heights.
    """
    kept, left = np.zeros(len(top), bool), top > LOWEST
    while left.any():
        high = left & (top >= ONE_THING * top[left].max())
        ends = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]])))
        for start, stop in ends.reshape(-1, 2):
            tall = float(np.sort(top[start:stop])[int(0.8 * (stop - start))])
            wide = float(width[start:stop].sum())
            upright = wide > SLIM * tall and (tall > UPRIGHT or tall > wide)
            kept[start:stop] = upright and LOWEST < tall < TALLEST
        left &= ~high
    return kept


def _pieces(columns: Columns, camera_height: float) -> np.ndarray:
    """(H, W) reach of the foot of the piece that each place belongs to, NaN where to none."""
    height, width = columns.reach.shape
    feet = np.full((height, width), np.nan, np.float32)
    inside, below = np.zeros(width, bool), np.zeros(width, bool)
    foot, total, count = (np.zeros(width) for _ in range(3))
    for row in range(height - 1, -1, -1):
        down = -float(columns.elevation[row])
        reach, solid = columns.reach[row], columns.solid[row]
        ground = solid & (columns.ground[row] > GROUND) & (down > 0)
        begins = below & solid & ~ground & (down > HORIZON)
        if begins.any():
            foot[begins] = math.log(camera_height / math.tan(down))
            total[begins] = count[begins] = 0
        mean = np.where(count > 0, total / np.maximum(count, 1), reach)
        goes_on = np.abs(reach - mean) < ONE_PIECE
        inside = (inside | begins) & solid & ~ground & goes_on
        total[inside] += reach[inside]
        count[inside] += 1
        held = inside & (np.abs(foot - mean) < FOOT)
        feet[row, held] = foot[held]
        below = ground
    return feet


def standing_things(depth: np.ndarray, ground: np.ndarray, camera: Camera) -> Standing:
    """What stands on the ground of a view, by its z-depth (H, W) and probability of ground."""
    rays = camera.rays()
    across = np.maximum(np.hypot(rays[..., 0], rays[..., 1]), 1e-6)
    there, back, azimuth, elevation = _by_azimuth(camera)
    solid = np.isfinite(depth) & (depth > 0)
    reach = np.log(np.where(solid, depth, 1) * across).astype(np.float32)

    def look(values: np.ndarray) -> np.ndarray:
        return cv2.remap(
            values, there[0], there[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT
        )

    seen = Columns(
        look(reach),
        look(ground.astype(np.float32)),
        look(solid.astype(np.uint8)) > 0,
        look(np.ones(depth.shape, np.uint8)) > 0,
        elevation,
        float(azimuth[1] - azimuth[0]),
    )
    feet, things, lines = stood(seen, float(camera.position[2]))
    feet = cv2.remap(feet, back[0], back[1], cv2.INTER_NEAREST)
    things = cv2.remap(things.astype(np.uint8), back[0], back[1], cv2.INTER_NEAREST)
    ends = azimuth[lines[:, 0]], elevation[lines[:, 1]], elevation[lines[:, 2]]
    return Standing(feet, things > 0, np.stack(ends, axis=1))


def depth_standing(depth: np.ndarray, standing: Standing, camera: Camera) -> np.ndarray:
    """(H, W) float32 z-depth of a view, its small things standing on the ground."""
    rays = camera.rays()
    across = np.maximum(np.hypot(rays[..., 0], rays[..., 1]), 1e-6)
    known = np.isfinite(depth) & (depth > 0) & standing.things
    return np.where(known, np.exp(standing.reach) / across, depth).astype(np.float32)


def seen_at(directions: np.ndarray, camera: Camera) -> list[np.ndarray]:
    """Columns and rows, (H, W) float32 from pixel centres, of directions (H, W, 3) in the picture
    of `camera`; far outside where they lie behind it."""
    local = directions @ camera.c2w[:3, :3] @ camera.K.T
    ahead = local[..., 2] > 1e-3
    z = np.where(ahead, local[..., 2], 1)
    return [np.where(ahead, local[..., i] / z - 0.5, -9).astype(np.float32) for i in (0, 1)]


def _by_azimuth(
    camera: Camera,
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """Where in the picture each place by azimuth and elevation is, the other way round (columns and
    rows (H, W) of pixel centres, as many as the picture has), columns' azimuth, rows' elevation."""
    rays = camera.rays()
    ahead = math.atan2(float(camera.c2w[0, 2]), float(camera.c2w[1, 2]))
    azimuth = np.arctan2(rays[..., 0], rays[..., 1]) - ahead
    azimuth = (azimuth + math.pi) % (2 * math.pi) - math.pi
    elevation = np.arctan2(rays[..., 2], np.hypot(rays[..., 0], rays[..., 1]))
    flat = np.linspace(float(azimuth.min()), float(azimuth.max()), camera.width)
    rows = np.linspace(float(elevation.max()), float(elevation.min()), camera.height)
    turned, up = np.meshgrid(flat + ahead, rows)
    directions = np.stack([np.sin(turned) * np.cos(up), np.cos(turned) * np.cos(up), np.sin(up)], 2)
    there = seen_at(directions, camera)
    back = (azimuth - flat[0]) / (flat[1] - flat[0]), (elevation - rows[0]) / (rows[1] - rows[0])
    return there, [x.astype(np.float32) for x in back], flat + ahead, rows
