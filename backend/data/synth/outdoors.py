# SPDX-License-Identifier: GPL-3.0-or-later
"""Open scenes: streets and landscapes."""

from __future__ import annotations

import numpy as np

from . import furniture as f
from .fields import SIZE, noise
from .scene import FIT, Builder, Terrain

BUILDINGS = ["plaster", "plaster", "bricks", "bricks", "concrete", "paint", "tiles", "stripes"]


def street(b: Builder) -> None:
    """A street between facades, with kerbs, markings, cars, trees and lamps."""
    rng = b.rng
    length, road, walk = (
        float(rng.uniform(40, 70)),
        float(rng.uniform(5, 9)),
        float(rng.uniform(1.8, 3.5)),
    )
    asphalt = f.pick(
        b, ["asphalt", "asphalt", "cobble", "concrete"], repeat=float(rng.uniform(3, 6)), gloss=0.0
    )
    paving = f.pick(
        b, ["tiles", "cobble", "concrete", "bricks"], repeat=float(rng.uniform(1.5, 3)), gloss=0.0
    )
    kerb = f.pick(b, ["concrete"])
    b.span((-length, -60, -0.5), (length, 60, 0), asphalt)
    for s in (-1, 1):
        inner, outer = s * road / 2, s * (road / 2 + walk + 12)
        b.span((-length, min(inner, outer), -0.1), (length, max(inner, outer), 0.12), paving)
        b.box((0, inner, 0.065), (length, 0.09, 0.065), kerb)
        _facades(b, s, road / 2 + walk, length)
        _pavement(b, s, road / 2, walk, length)
    if rng.random() < 0.8:
        paint = b.surface("plaster", tint=(1.3, 1.3, 1.25))
        for k in range(int(length / 2.5)):
            b.box((k * 5 - length, 0, 0.002), (1.2, 0.07, 0.004), paint)
        if rng.random() < 0.6:
            x = float(rng.uniform(-15, 15))
            for k in range(int(road / 1.0)):
                b.box((x, -road / 2 + 0.6 + k, 0.002), (1.5, 0.25, 0.005), paint)
    for s in (-1, 1):
        if rng.random() < 0.6:  # a building closes the street
            m = b.surface("facade", repeat=float(rng.uniform(5, 9)))
            b.box((s * (length + 6), 0, 9), (6, 30, float(rng.uniform(5, 12))), m)
    b.fog = float(rng.choice([0, 0, 0.004, 0.015]))
    b.fog_color = tuple(0.7 * np.array(b.sky.horizon))
    b.near = 0.6
    reach = length * 0.55
    top = float(rng.choice([2.2, 2.5, 6.0]))
    side = road / 2 + walk - 0.8
    b.room = np.array([[-reach, -side, 1.2], [reach, side, top]])


def _facades(b: Builder, side: int, distance: float, length: float) -> None:
    rng = b.rng
    x = -length
    while x < length:
        w, h = (
            float(rng.uniform(6, 14)),
            float(rng.choice([1, 2, 3, 4, 5]) * 3.1 + rng.uniform(0.5, 1.5)),
        )
        setback = float(rng.choice([0, 0, 0.4, 1.0]))
        if rng.random() < 0.08:
            x += float(rng.uniform(2, 5))  # an alley
            continue
        _house(b, x, w, h, side, distance + setback)
        x += w


def _house(b: Builder, x: float, w: float, h: float, side: int, distance: float) -> None:
    """One building whose front stands at y = side * distance, from x to x + w."""
    rng = b.rng
    start, d = b.count, float(rng.uniform(6, 10))
    trim = f.pick(b, ["paint", "concrete", "plaster"], gloss=0.0)
    near = abs(x + w / 2) < 28  # geometry where cameras come close
    if near and rng.random() < 0.65:
        _modelled_front(b, w, h, d, trim)
    else:
        face = b.surface("facade", repeat=float(rng.uniform(5, 8)), gloss=0.05)
        b.span((0, 0, 0), (w, d, h), face)
        b.span((-0.02, -0.06, 0), (w + 0.02, 0.1, float(rng.uniform(0.4, 1.0))), trim)
    b.span((-0.05, -0.2, h - 0.05), (w + 0.05, d, h + 0.2), trim)
    if rng.random() < 0.4:
        roof = b.surface("roof", repeat=3.0)
        b.box((w / 2, d / 2, h + 0.6), (w / 2 + 0.3, d / 2, 0.12), roof, tilt=0.45)
    if near:
        _shop(b, w, trim)
    # local front faces -y; on the left side of the street it must face the other way
    if side > 0:
        b.group(start, (x, distance, 0), 0.0)
    else:
        b.group(start, (x + w, -distance, 0), np.pi)


def _modelled_front(b: Builder, w: float, h: float, d: float, trim: int) -> None:
    rng = b.rng
    wall = f.pick(b, BUILDINGS, repeat=float(rng.uniform(2, 4)), gloss=0.0)
    glass = b.surface(
        "poster" if rng.random() < 0.2 else "marble",
        tint=(0.12, 0.15, 0.2),
        gloss=0.9,
        shine=120,
        repeat=1.5,
        bump=0,
    )
    b.span((0, 0, 0), (w, d, h), wall)
    bays, floors = max(2, int(w / rng.uniform(1.8, 3))), int(h / 3.1)
    hw, hh = float(rng.uniform(0.4, 0.65)), float(rng.uniform(0.55, 0.95))
    balcony = rng.random() < 0.3
    shutters = f.pick(b, ["paint", "planks"], repeat=0.6) if rng.random() < 0.35 else None
    for i in range(bays):
        for j in range(1, floors):
            x, z = w * (i + 0.5) / bays, j * 3.1 + 1.5
            b.box((x, 0.01, z), (hw, 0.03, hh), glass)
            b.box((x, -0.04, z - hh - 0.04), (hw + 0.1, 0.08, 0.04), trim)
            b.box((x, -0.025, z + hh + 0.04), (hw + 0.06, 0.045, 0.05), trim)
            b.box((x, -0.02, z), (0.025, 0.025, hh), trim)
            if shutters is not None:
                for s in (-1, 1):
                    b.box((x + s * hw * 1.45, -0.02, z), (hw * 0.42, 0.025, hh), shutters)
            if balcony and i % 2 == 0:
                b.box((x, -0.4, z - hh - 0.1), (hw + 0.3, 0.4, 0.06), trim)
                b.box((x, -0.78, z - hh + 0.75), (hw + 0.3, 0.02, 0.03), trim)
                for k in range(-2, 3):
                    b.box(
                        (x + k * (hw + 0.28) / 2, -0.78, z - hh + 0.35), (0.012, 0.012, 0.4), trim
                    )


def _shop(b: Builder, w: float, trim: int) -> None:
    """Ground floor: doors, shop windows, signs and awnings."""
    rng = b.rng
    x = 0.5
    while x < w - 1.8:
        roll = rng.random()
        if roll < 0.35:
            b.box((x + 0.55, -0.03, 1.05), (0.5, 0.04, 1.05), b.surface("panels", mapping=FIT))
            b.box((x + 0.55, -0.05, 2.18), (0.62, 0.06, 0.08), trim)
            x += 1.6
        elif roll < 0.8:
            half = float(min(rng.uniform(0.7, 1.5), (w - x) / 2 - 0.2))
            goods = b.surface(
                str(rng.choice(["poster", "cells", "glyphs", "stripes"])),
                mapping=FIT,
                gloss=0.7,
                shine=120,
                bump=0,
                tint=(0.6, 0.6, 0.65),
            )
            b.box((x + half, -0.02, 1.4), (half, 0.03, 0.85), goods)
            for s in (-1, 1):
                b.box((x + half + s * half, -0.04, 1.4), (0.05, 0.05, 0.9), trim)
            if rng.random() < 0.5:
                cloth = b.surface("stripes", repeat=float(rng.uniform(0.8, 1.6)))
                b.box((x + half, -0.5, 2.5), (half + 0.2, 0.6, 0.03), cloth, tilt=0.35)
            else:
                b.box((x + half, -0.07, 2.6), (half, 0.06, 0.22), b.surface("glyphs", repeat=2.4))
            x += 2 * half + 0.5
        x += float(rng.uniform(0.2, 1.2))


def _pavement(b: Builder, side: int, road: float, walk: float, length: float) -> None:
    """Trees, lamps, cars, benches, bollards along one kerb."""
    rng = b.rng
    bark, leaf = (
        f.pick(b, ["wood", "rock"], repeat=0.8, gloss=0.0),
        f.pick(b, ["leaves"], repeat=float(rng.uniform(1, 2))),
    )
    metal = f.pick(b, ["metal", "paint"])
    trees, lamps, cars = rng.random() < 0.6, rng.random() < 0.6, rng.random() < 0.7
    y = side * (road + 0.5)
    for k in range(int(length / 6)):
        x = k * 12 - length + float(rng.uniform(-1.5, 1.5))
        if abs(x) > 45:
            continue
        if trees and rng.random() < 0.75:
            f.tree(b, (x, y, 0.12), float(rng.uniform(3.5, 6.5)), bark, leaf)
        if lamps and k % 2 == 0:
            b.tube((x + 3, y, 2.4), 0.05, 2.4, metal, taper=0.6)
            b.box((x + 3, y - side * 0.5, 4.75), (0.06, 0.55, 0.05), metal)
            b.box(
                (x + 3, y - side * 0.9, 4.68), (0.1, 0.22, 0.05), b.surface("plaster", emission=0.6)
            )
        if cars and rng.random() < 0.5:
            f.car(b, (x + 6, side * (road - 1.1), 0), float(rng.choice([0, np.pi])))
        if rng.random() < 0.35:
            b.box((x + 8, side * (road + walk - 0.7), 0.55), (0.8, 0.22, 0.04), bark)
            for s in (-1, 1):
                b.box((x + 8 + 0.6 * s, side * (road + walk - 0.7), 0.32), (0.04, 0.2, 0.22), metal)
        if rng.random() < 0.4:
            for j in range(4):
                b.tube((x + 1 + j * 1.2, y, 0.55), 0.06, 0.45, metal)


def landscape(b: Builder) -> None:
    """Hills, a canyon, dunes or a snowy range, with trees, rocks and a hut or two."""
    rng = b.rng
    style = str(rng.choice(["hills", "canyon", "dunes", "range"], p=[0.35, 0.35, 0.1, 0.2]))
    extent = {"hills": 60.0, "canyon": 45.0, "dunes": 60.0, "range": 120.0}[style]
    height, top = _heights(rng, style)
    cell = 2 * extent / (SIZE - 1)
    gy, gx = np.gradient(height, cell)
    ground = {
        "hills": ["grass"],
        "canyon": ["gravel", "rock"],
        "dunes": ["gravel"],
        "range": ["grass", "gravel"],
    }[style]
    flat = f.pick(b, ground, repeat=float(rng.uniform(2.5, 5)), bump=0.8)
    steep = f.pick(b, ["rock"], repeat=float(rng.uniform(4, 9)))
    high = f.pick(b, ["snow"], repeat=4.0) if style == "range" else flat
    b.terrain = Terrain(
        height.astype(np.float32),
        extent,
        float(np.hypot(gx, gy).max()),
        (flat, steep, high),
        0.55 * top if style == "range" else 1e6,
    )
    b.fog = float(rng.uniform(0.5, 4)) / (extent * 8)
    b.fog_color = tuple(0.75 * np.array(b.sky.horizon))
    _scatter(b, extent * 0.7, style)
    b.near = 1.0
    _camera_zone(b, style, extent)
    if style != "canyon" and rng.random() < 0.35:
        water = b.surface("water", repeat=4.0, gloss=0.5, shine=80)
        level = float(np.percentile(height, 20))
        b.span((-extent, -extent, level - 1), (extent, extent, level), water)


def _heights(rng: np.random.Generator, style: str) -> tuple[np.ndarray, float]:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    broad = noise(rng, 1, 6, 1.6) - 0.5
    rough = noise(rng, 3, 90, 1.7) - 0.5
    if style == "hills":
        h = 22 * broad + 2.5 * rough
    elif style == "dunes":
        h = 9 * np.abs(broad) + 0.5 * rough + 1.5 * np.abs(noise(rng, 2, 9, 1.3) - 0.5)
    elif style == "range":
        ridge = 1 - 2 * np.abs(noise(rng, 1, 16, 1.7) - 0.5)
        h = 40 * (np.hypot(x, y) ** 1.3) * ridge**2 + 8 * broad + 3 * rough
    else:
        bend = 0.28 * np.sin(2.2 * x + rng.uniform(0, 6)) + 0.08 * np.sin(6 * x + 1)
        wall = np.abs(y - bend) - 0.16 - 0.1 * broad
        step = np.clip(wall * rng.uniform(6, 11), 0, None)
        terraces = int(rng.integers(2, 6))
        step = np.minimum(step, 1.0)
        step = (np.floor(step * terraces) + np.clip((step * terraces % 1) * 2.5, 0, 1)) / terraces
        h = 16 * step + 3.5 * broad + 2.5 * rough + 0.5 * (noise(rng, 10, 120, 1.0) - 0.5)
    return h, float(h.max())


def _scatter(b: Builder, reach: float, style: str) -> None:
    rng = b.rng
    bark, leaf = f.pick(b, ["wood", "rock"], gloss=0.0), f.pick(b, ["leaves"], repeat=1.5)
    stone = f.pick(b, ["rock", "concrete"], repeat=2.0, gloss=0.0)
    terrain = b.terrain
    assert terrain is not None
    trees = {"hills": 40, "canyon": 12, "dunes": 4, "range": 45}[style]
    for _ in range(int(trees * rng.uniform(0.3, 1))):
        x, y = rng.normal(0, 0.45, 2) * reach
        z = float(terrain.at(x, y))
        slope = abs(float(terrain.at(x + 0.5, y)) - z) + abs(float(terrain.at(x, y + 0.5)) - z)
        if slope < 0.6:
            f.tree(b, (x, y, z - 0.1), float(rng.uniform(2, 6)), bark, leaf)
    for _ in range(int(rng.integers(15, 45))):
        x, y = rng.normal(0, 0.35, 2) * reach
        r = float(rng.lognormal(-0.6, 0.6))
        b.ball(
            (x, y, float(terrain.at(x, y))),
            r * rng.uniform(0.6, 1.2, 3),
            stone,
            yaw=float(rng.uniform(0, 6)),
        )
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.normal(0, 0.3, 2) * reach
        z = float(terrain.at(x, y))
        b.focus.append((x, y, z + 1.5))
        _hut(b, (x, y, z), float(rng.uniform(0, 6.28)))
    for _ in range(4):
        x, y = rng.normal(0, 0.4, 2) * reach
        b.focus.append((x, y, float(terrain.at(x, y)) + 1.0))


def _hut(b: Builder, origin: tuple[float, float, float], yaw: float) -> None:
    rng, start = b.rng, b.count
    w, d, h = float(rng.uniform(1.8, 3.5)), float(rng.uniform(1.5, 3)), float(rng.uniform(2.2, 3.2))
    wall, roof = (
        f.pick(b, ["planks", "plaster", "bricks", "rock"]),
        f.pick(b, ["roof", "planks"], repeat=2.0),
    )
    b.span((-w, -d, -2), (w, d, h), wall)
    for s in (-1, 1):
        b.box((0, s * d * 0.55, h + 0.42 * d), (w + 0.3, d * 0.8, 0.08), roof, tilt=-s * 0.72)
    b.box((0, 0, h + 0.2 * d), (w - 0.05, d * 0.45, 0.3 * d), wall)
    b.box((0.3 * w, -d - 0.02, 1.0), (0.45, 0.04, 1.0), b.surface("panels", mapping=FIT))
    b.box((-0.4 * w, -d - 0.02, 1.4), (0.4, 0.04, 0.4), b.surface("facade", mapping=FIT))
    b.group(start, origin, yaw)


def _camera_zone(b: Builder, style: str, extent: float) -> None:
    rng, terrain = b.rng, b.terrain
    assert terrain is not None
    centre = rng.uniform(-0.3, 0.3, 2) * extent
    if style == "canyon":  # on its floor
        xs = np.full(200, centre[0])
        ys = np.linspace(-0.6, 0.6, 200) * extent
        centre[1] = ys[int(np.argmin(terrain.at(xs, ys)))]
    ground = float(terrain.at(*centre))
    reach = np.array([0.22, 0.09 if style == "canyon" else 0.22]) * extent
    low = (*(centre - reach), ground - 2)
    high = (*(centre + reach), ground + float(rng.choice([3.0, 6.0, 12.0])))
    b.room = np.array([low, high])
