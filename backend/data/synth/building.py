# SPDX-License-Identifier: GPL-3.0-or-later
"""What rooms are built of: walls with windows, doors and pictures, and what is outside."""

from __future__ import annotations

import numpy as np

from . import furniture as f
from .scene import FIT, Builder, Lamp

WARM = np.array([1.0, 0.82, 0.6])


def lamp_color(b: Builder) -> np.ndarray:
    """Warm to neutral, (3,) with a largest component of 1."""
    return WARM + (1 - WARM) * b.rng.uniform(0, 1)


def wall(
    b: Builder, a: np.ndarray, z: np.ndarray, height: float, material: int,
    holes: list[tuple[float, float, float, float]],
) -> None:  # fmt: skip
    """A wall from point a to point z (2,), 0.2 m thick, with holes (from, to, low, high)."""
    along = z - a
    length = float(np.linalg.norm(along))
    yaw = float(np.arctan2(along[1], along[0]))
    start, x = b.count, 0.0
    for left, right, low, high in [*sorted(holes), (length, length, 0.0, 0.0)]:
        _piece(b, x, left, 0.0, height, material)
        if right > left:
            _piece(b, left, right, 0.0, low, material)
            _piece(b, left, right, high, height, material)
        x = right
    b.group(start, (a[0], a[1], 0.0), yaw)


def _piece(b: Builder, x0: float, x1: float, z0: float, z1: float, material: int) -> None:
    if x1 - x0 > 1e-3 and z1 - z0 > 1e-3:
        b.span((x0, -0.2, z0), (x1, 0.0, z1), material)


def window(
    b: Builder, a: np.ndarray, z: np.ndarray, hole: tuple[float, float, float, float], m: int
) -> None:
    """Frame, bars and sill in a hole of the wall from (2,) `a` to (2,) `z`, metres."""
    left, right, low, high = hole
    along = z - a
    yaw = float(np.arctan2(along[1], along[0]))
    _daylight(b, a, yaw, hole)
    start, bar = b.count, 0.03
    for x in (left, right):
        b.span((x - bar, -0.14, low), (x + bar, -0.06, high), m)
    for y in (low, high):
        b.span((left, -0.14, y - bar), (right, -0.06, y + bar), m)
    for k in range(1, int(b.rng.integers(2, 4))):
        x = left + (right - left) * k / 2
        if x < right - 0.1:
            b.span((x - bar / 2, -0.12, low), (x + bar / 2, -0.08, high), m)
    if b.rng.random() < 0.5:
        middle = low + (high - low) * b.rng.uniform(0.4, 0.75)
        b.span((left, -0.12, middle - bar / 2), (right, -0.08, middle + bar / 2), m)
    b.span((left - 0.06, -0.06, low - 0.05), (right + 0.06, 0.12, low - 0.01), m)
    if b.rng.random() < 0.5:
        cloth = f.pick(b, ["fabric", "stripes", "damask"], repeat=1.0)
        for x in (left - 0.12, right + 0.12):
            for k in range(4):
                b.tube(
                    (x + 0.07 * (k - 1.5), 0.06, (high + 0.1) / 2),
                    0.05,
                    (high + 0.1) / 2 - 0.02,
                    cloth,
                )
    b.group(start, (a[0], a[1], 0.0), yaw)


def _daylight(
    b: Builder, a: np.ndarray, yaw: float, hole: tuple[float, float, float, float]
) -> None:
    """The sky's light through a window, as a lamp in its opening."""
    left, right, low, high = hole
    along, inward = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    at = a + along * (left + right) / 2 + inward * 0.05
    area = (right - left) * (high - low)
    radiance = 0.5 * (np.array(b.sky.zenith) + np.array(b.sky.horizon))
    b.lamps.append(
        Lamp(
            (at[0], at[1], (low + high) / 2),
            tuple(radiance * area / np.pi),
            float(0.35 * np.sqrt(area)),
            (inward[0], inward[1], -0.2),
        )
    )


def door(b: Builder, at: np.ndarray, yaw: float, leaf: int, trim: int, width: float = 0.9) -> None:
    """A closed door standing on the wall at `at` (2,), facing the side that yaw points to."""
    start, h, w = b.count, 2.05, width / 2
    b.box((0, 0.02, h / 2), (w, 0.02, h / 2), leaf)
    for s in (-1, 1):
        b.box((s * (w + 0.05), 0.03, h / 2 + 0.03), (0.05, 0.03, h / 2 + 0.03), trim)
    b.box((0, 0.03, h + 0.05), (w + 0.1, 0.03, 0.05), trim)
    b.ball((w - 0.08, 0.08, 1.0), (0.05, 0.02, 0.02), f.pick(b, ["metal"]))
    b.group(start, (at[0], at[1], 0.0), yaw)


def picture(
    b: Builder, at: np.ndarray, z: float, yaw: float, w: float, h: float, frame: int
) -> None:
    """A framed picture on a wall at (2,) `at`, its face towards the local +y; w x h metres."""
    start = b.count
    art = b.surface(
        str(b.rng.choice(["poster", "poster", "poster", "marble", "glyphs"])), mapping=FIT
    )
    b.box((0, 0.015, z), (w / 2 + 0.03, 0.015, h / 2 + 0.03), frame)
    b.box((0, 0.025, z), (w / 2, 0.01, h / 2), art)
    b.group(start, (at[0], at[1], 0.0), yaw)


def shell(
    b: Builder, w: float, d: float, h: float, windows: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Floor, ceiling and four walls of a w x d x h room about the origin; returns the walls.

    A wall is the (2,) start and end of its foot, metres; the room lies on its left, local +y.
    windows: how likely a wall has some.
    """
    floor = f.pick(b, f.FLOORS, repeat=float(b.rng.uniform(1.2, 3)))
    main = f.pick(b, f.WALLS, repeat=float(b.rng.uniform(1.2, 3)))
    ceiling = f.pick(
        b, ["plaster", "plaster", "paint", "planks", "panels"], tint=(1.15, 1.15, 1.15)
    )
    trim = f.pick(b, ["paint", "wood"], repeat=1.0)
    b.span((-w / 2 - 0.2, -d / 2 - 0.2, -0.2), (w / 2 + 0.2, d / 2 + 0.2, 0), floor)
    b.span((-w / 2 - 0.2, -d / 2 - 0.2, h), (w / 2 + 0.2, d / 2 + 0.2, h + 0.2), ceiling)
    corners = np.array([[-w, -d], [w, -d], [w, d], [-w, d]]) / 2
    walls = [(corners[i], corners[(i + 1) % 4]) for i in range(4)]
    known = len(b.lamps)
    skirting = b.rng.random() < 0.7
    for i, (a, z) in enumerate(walls):
        length = float(np.linalg.norm(z - a))
        along = (z - a) / length
        out = np.array([-along[1], along[0]])
        material = f.pick(b, f.WALLS) if b.rng.random() < 0.2 else main
        holes = _holes(b, length, h) if b.rng.random() < windows and i != 0 else []
        wall(
            b,
            a - along * 0.2,
            z + along * 0.2,
            h,
            material,
            [(left + 0.2, right + 0.2, lo, hi) for left, right, lo, hi in holes],
        )
        for hole in holes:
            window(b, a, z, hole, trim)
        if skirting:
            middle, yaw = (a + z) / 2 + out * 0.01, float(np.arctan2(along[1], along[0]))
            b.box((*middle, 0.05), (length / 2, 0.015, 0.05), trim, yaw=yaw)
            if b.rng.random() < 0.4:
                b.box((*middle, h - 0.04), (length / 2, 0.03, 0.04), trim, yaw=yaw)
        if not holes:
            _decorate(b, a, z, trim)
    if len(b.lamps) > known:  # there is a window
        _outside(b, w, d)
    if b.rng.random() < 0.25:
        beam = f.pick(b, ["wood"])
        for k in range(int(b.rng.integers(3, 6))):
            b.box((w * ((k + 0.5) / 5 - 0.5), 0, h - 0.08), (0.07, d / 2, 0.09), beam)
    return walls


def _outside(b: Builder, w: float, d: float) -> None:
    """What windows look out on: a garden or a yard, trees, a hedge or houses."""
    rng = b.rng
    level = float(rng.choice([-0.3, -0.5, -3.5, -7.0]))
    ground = f.pick(b, ["grass", "gravel", "asphalt", "tiles"], repeat=3.0, gloss=0.0)
    b.span((-80, -80, level - 0.5), (80, 80, level), ground)
    bark, leaf = f.pick(b, ["wood"], gloss=0.0), f.pick(b, ["leaves"], repeat=1.2)
    for side in range(4):
        angle = side * np.pi / 2
        out = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-out[1], out[0]])
        far = (w if side % 2 == 0 else d) / 2 + float(rng.uniform(6, 16))
        if rng.random() < 0.6:
            for k in (-1, 0, 1):
                house = b.surface("facade", repeat=float(rng.uniform(5, 8)))
                at = out * (far + 4) + across * (k * 12 + rng.normal(0, 1))
                tall = float(rng.uniform(2.5, 7))
                b.box((*at, level + tall), (4, rng.uniform(4, 6.5), tall), house, yaw=angle)
        else:
            hedge = float(rng.uniform(0.5, 1.2))
            b.box((*(out * far), level + hedge), (0.5, 25, hedge), leaf, yaw=angle)
        for _ in range(int(rng.integers(1, 4))):
            at = out * far * rng.uniform(0.7, 0.95) + across * rng.normal(0, 5)
            f.tree(b, (*at, level), float(rng.uniform(3, 7)), bark, leaf)


def _holes(b: Builder, length: float, h: float) -> list[tuple[float, float, float, float]]:
    count = int(b.rng.integers(1, max(2, int(length / 2))))
    width = min(float(b.rng.uniform(0.7, 1.8)), length / count - 0.5)
    low = float(b.rng.choice([0.1, 0.8, 0.9, 1.0]))
    high = min(h - 0.25, float(b.rng.uniform(2.0, 2.5)))
    middles = (np.arange(count) + 0.5) / count * length
    return [(m - width / 2, m + width / 2, low, high) for m in middles if width > 0.4]


def _decorate(b: Builder, a: np.ndarray, z: np.ndarray, trim: int) -> None:
    """Doors, pictures and wall lamps on a wall without windows."""
    length = float(np.linalg.norm(z - a))
    along = (z - a) / length
    yaw = float(np.arctan2(along[1], along[0]))
    x = 0.6
    while x < length - 0.6:
        roll = b.rng.random()
        at = a + along * x
        if roll < 0.2 and length - x > 1.0:
            door(b, at, yaw, b.surface("panels", mapping=FIT), trim)
            x += 1.2
        elif roll < 0.65:
            w, tall = b.rng.uniform(0.3, 0.9, 2)
            picture(b, at + along * w / 2, float(b.rng.uniform(1.4, 1.7)), yaw, w, tall, trim)
            x += w + 0.3
        x += float(b.rng.uniform(0.3, 1.0))
