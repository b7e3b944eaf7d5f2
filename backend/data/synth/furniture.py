# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that stand in scenes: furniture, lamps, trees, cars, small objects.

Each is built around the origin with its front towards -y, then turned and moved into place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .scene import FIT, Builder, Lamp

WALLS = [
    "plaster",
    "plaster",
    "damask",
    "stripes",
    "bricks",
    "concrete",
    "paint",
    "tiles",
    "panels",
]
FLOORS = ["planks", "planks", "tiles", "checker", "marble", "concrete", "cells", "fabric"]
SOLIDS = ["wood", "wood", "paint", "metal", "marble", "fabric", "plaster", "cells", "stripes"]


def pick(b: Builder, families: list[str], **look: Any) -> int:
    """A new material of one of the families, with a random scale and highlight."""
    family = str(b.rng.choice(families))
    shiny = {
        "metal": 0.6,
        "marble": 0.4,
        "tiles": 0.35,
        "paint": 0.25,
        "planks": 0.15,
        "wood": 0.15,
    }
    look.setdefault("repeat", float(b.rng.uniform(0.8, 2.5)))
    look.setdefault("gloss", shiny.get(family, 0.0) * float(b.rng.uniform(0, 1.4)))
    look.setdefault("shine", float(b.rng.choice([15, 30, 60, 120])))
    return b.surface(family, **look)


def table(b: Builder, origin: Any, yaw: float, size: tuple[float, float, float], m: int) -> None:
    start, (w, d, h) = b.count, size
    top = float(b.rng.uniform(0.015, 0.04))
    if b.rng.random() < 0.25:
        r = min(w, d) / 2
        b.tube((0, 0, h - top), r, top, m)
        b.tube((0, 0, h / 2), 0.05, h / 2 - top, m)
        b.tube((0, 0, 0.02), r * 0.55, 0.02, m)
    else:
        b.box((0, 0, h - top), (w / 2, d / 2, top), m)
        leg = float(b.rng.uniform(0.02, 0.045))
        for sx in (-1, 1):
            for sy in (-1, 1):
                at = (sx * (w / 2 - leg * 1.5), sy * (d / 2 - leg * 1.5), h / 2 - top)
                b.box(at, (leg, leg, h / 2 - top), m)
        if b.rng.random() < 0.4:
            b.box((0, 0, h - 2 * top - 0.04), (w / 2 - 0.08, d / 2 - 0.08, 0.04), m)
    b.group(start, origin, yaw)


def chair(b: Builder, origin: Any, yaw: float, m: int, seat: int) -> None:
    start = b.count
    h, w = float(b.rng.uniform(0.42, 0.5)), float(b.rng.uniform(0.2, 0.25))
    b.box((0, 0, h), (w, w, 0.025), seat)
    for sx in (-1, 1):
        b.box((sx * (w - 0.025), -w + 0.025, h / 2), (0.02, 0.02, h / 2), m)
        b.box((sx * (w - 0.025), w - 0.025, h), (0.02, 0.02, h), m)
    if b.rng.random() < 0.5:
        b.box((0, w - 0.025, h * 1.65), (w - 0.04, 0.015, 0.2), seat)
    else:
        for k in range(3):
            b.box((0, w - 0.025, h * (1.3 + 0.3 * k)), (w - 0.04, 0.012, 0.04), m)
    b.group(start, origin, yaw)


def sofa(b: Builder, origin: Any, yaw: float, width: float, m: int, pillow: int) -> None:
    start, w = b.count, width / 2
    b.box((0, 0, 0.22), (w, 0.42, 0.2), m)
    b.box((0, 0.34, 0.6), (w, 0.1, 0.26), m, tilt=-0.12)
    for s in (-1, 1):
        b.box((s * (w - 0.09), 0, 0.42), (0.1, 0.42, 0.2), m)
    seats = max(1, round(width / 0.75))
    for k in range(seats):
        x = (k + 0.5) / seats * (width - 0.4) - w + 0.2
        b.box((x, -0.05, 0.47), ((width - 0.42) / seats / 2 - 0.01, 0.34, 0.07), m)
        if b.rng.random() < 0.6:
            b.ball((x, 0.16, 0.66), (0.2, 0.08, 0.18), pillow, tilt=-0.3)
    b.group(start, origin, yaw)


def shelf(b: Builder, origin: Any, yaw: float, size: tuple[float, float, float], m: int) -> None:
    """An open bookcase with books and things on its boards."""
    start, (w, d, h) = b.count, size
    for s in (-1, 1):
        b.box((s * w / 2, 0, h / 2), (0.015, d / 2, h / 2), m)
    b.box((0, d / 2, h / 2), (w / 2, 0.01, h / 2), m)
    levels = int(b.rng.integers(3, 6))
    books = [pick(b, ["paint", "stripes", "fabric", "glyphs"], repeat=0.4) for _ in range(3)]
    for k in range(levels + 1):
        z = h * k / levels
        b.box((0, 0, max(z, 0.015)), (w / 2, d / 2, 0.012), m)
        if k == levels:
            continue
        x = -w / 2 + 0.04
        while x < w / 2 - 0.12 and b.rng.random() < 0.9:
            run = float(b.rng.uniform(0.05, 0.3))
            tall = float(b.rng.uniform(0.5, 0.85)) * h / levels
            run = min(run, w / 2 - 0.05 - x)
            b.box(
                (x + run / 2, 0.02, z + tall / 2),
                (run / 2, d / 2 - 0.06, tall / 2),
                int(b.rng.choice(books)),
            )
            x += run + float(b.rng.choice([0.01, 0.01, 0.15]))
    b.group(start, origin, yaw)


def cabinet(b: Builder, origin: Any, yaw: float, size: tuple[float, float, float], m: int) -> None:
    start, (w, d, h) = b.count, size
    foot = 0.08
    b.box((0, 0, (h + foot) / 2), (w / 2, d / 2, (h - foot) / 2), m)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.box((sx * (w / 2 - 0.05), sy * (d / 2 - 0.05), foot / 2), (0.025, 0.025, foot / 2), m)
    columns, rows = max(1, round(w / 0.5)), max(1, round(h / 0.45))
    front = b.variant(m, mapping=FIT) if b.rng.random() < 0.3 else m
    knob = pick(b, ["metal"])
    for i in range(columns):
        for j in range(rows):
            cw, ch = w / columns, (h - foot) / rows
            x, z = -w / 2 + cw * (i + 0.5), foot + ch * (j + 0.5)
            b.box((x, -d / 2 - 0.008, z), (cw / 2 - 0.012, 0.01, ch / 2 - 0.012), front)
            b.ball((x + 0.3 * cw, -d / 2 - 0.03, z), 0.015, knob)
    b.group(start, origin, yaw)


def bed(b: Builder, origin: Any, yaw: float, m: int, cover: int, pillow: int) -> None:
    start, w = b.count, float(b.rng.uniform(0.5, 0.95))
    b.box((0, 0, 0.18), (w, 1.0, 0.12), m)
    b.box((0, 0, 0.4), (w - 0.02, 0.98, 0.11), cover)
    b.box((0, 1.02, 0.5), (w + 0.03, 0.03, 0.5), m)
    for s in (-0.5, 0.5):
        b.ball((s * w, 0.72, 0.56), (w * 0.42, 0.2, 0.09), pillow)
    b.group(start, origin, yaw)


def floor_lamp(b: Builder, origin: Any, color: Any, power: float) -> None:
    x, y, z = origin
    h = float(b.rng.uniform(1.3, 1.8))
    pole = pick(b, ["metal", "wood"])
    shade = b.surface("fabric", repeat=0.5, emission=1.2 * power, tint=tuple(color))
    b.tube((x, y, z + 0.015), 0.15, 0.015, pole)
    b.tube((x, y, z + h / 2), 0.014, h / 2, pole)
    b.tube((x, y, z + h), 0.2, 0.13, shade, taper=float(b.rng.uniform(0.5, 1)))
    b.lamps.append(Lamp((x, y, z + h + 0.45), tuple(power * np.array(color)), 0.1))


def ceiling_lamp(b: Builder, origin: Any, drop: float, color: Any, power: float) -> None:
    """Hangs from `origin` (on the ceiling) or sits flat on it when drop is small."""
    x, y, z = origin
    glow = b.surface("plaster", emission=2.0, tint=tuple(0.5 + 0.5 * np.array(color)))
    if drop < 0.15:
        b.tube((x, y, z - 0.04), 0.22, 0.04, glow)
        b.lamps.append(Lamp((x, y, z - 0.2), tuple(power * np.array(color)), 0.12))
        return
    cord = pick(b, ["metal"])
    b.tube((x, y, z - drop / 2), 0.008, drop / 2, cord)
    if b.rng.random() < 0.5:
        b.ball((x, y, z - drop), 0.14, glow)
    else:
        b.tube((x, y, z - drop), 0.24, 0.1, pick(b, ["paint", "metal", "fabric"]), taper=0.4)
        b.ball((x, y, z - drop - 0.1), 0.07, glow)
    b.lamps.append(Lamp((x, y, z - drop - 0.28), tuple(power * np.array(color)), 0.1))


def tree(b: Builder, origin: Any, height: float, bark: int, leaf: int) -> None:
    x, y, z = origin
    if b.rng.random() < 0.3:  # a conifer
        b.tube((x, y, z + height * 0.15), 0.035 * height, height * 0.2, bark)
        for k in range(3):
            b.tube(
                (x, y, z + height * (0.35 + 0.22 * k)),
                height * (0.26 - 0.06 * k),
                height * 0.17,
                leaf,
                taper=0.08,
            )
        return
    trunk = height * float(b.rng.uniform(0.2, 0.35))
    lean = b.rng.normal(0, 0.05, 2)
    b.tube(
        (x, y, z + trunk * 0.8),
        0.03 * height,
        trunk * 0.95,
        bark,
        taper=0.6,
        tilt=lean[0],
        roll=lean[1],
    )
    for _ in range(int(b.rng.integers(7, 14))):
        r = height * float(b.rng.uniform(0.08, 0.19))
        a, reach = b.rng.uniform(0, 2 * np.pi), height * float(b.rng.uniform(0, 0.22))
        top = z + trunk * 1.6 + height * float(b.rng.uniform(0.0, 0.4))
        b.ball((x + reach * np.cos(a), y + reach * np.sin(a), top), (r, r, r * 0.8), leaf)


def plant(b: Builder, origin: Any, size: float) -> None:
    x, y, z = origin
    pot, leaf = pick(b, ["paint", "cells", "plaster"], repeat=0.5), pick(b, ["leaves"], repeat=0.5)
    b.tube((x, y, z + 0.2 * size), 0.14 * size, 0.2 * size, pot, taper=1.3)
    for _ in range(int(b.rng.integers(3, 7))):
        a, lean = b.rng.uniform(0, 6.28), float(b.rng.uniform(0.1, 0.6))
        h = float(b.rng.uniform(0.25, 0.45)) * size
        at = (x + 0.18 * size * np.cos(a), y + 0.18 * size * np.sin(a), z + 0.4 * size + h * 0.8)
        b.ball(at, (0.03 * size + 0.02, 0.1 * size, h), leaf, yaw=a + 1.57, tilt=0, roll=lean)


def car(b: Builder, origin: Any, yaw: float) -> None:
    start = b.count
    body = b.surface("paint", gloss=0.7, shine=80, repeat=3, bump=0.1)
    glass = b.surface("metal", tint=(0.08, 0.1, 0.12), gloss=0.9, shine=150, bump=0.1)
    tyre = b.surface("asphalt", tint=(0.25, 0.25, 0.25))
    reach, w, h = float(b.rng.uniform(1.9, 2.4)), 0.88, float(b.rng.uniform(1.35, 1.8))
    b.box((0, 0, 0.58), (reach, w, 0.28), body)
    b.box((-0.15 * reach, 0, (0.86 + h) / 2), (reach * 0.55, w * 0.9, (h - 0.86) / 2 - 0.02), glass)
    b.box((-0.15 * reach, 0, h), (reach * 0.5, w * 0.86, 0.04), body)
    light = b.surface("plaster", emission=0.5)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.tube((sx * reach * 0.62, sy * w * 0.92, 0.33), 0.33, 0.12, tyre, tilt=np.pi / 2)
            b.box((sx * reach, sy * w * 0.7, 0.62), (0.03, 0.14, 0.07), light)
    b.group(start, origin, yaw)


def trinket(b: Builder, origin: Any, size: float, m: int) -> None:
    """One small object standing on `origin`: vase, cup, box, stack, ball, bottle, bowl."""
    x, y, z = origin
    yaw = float(b.rng.uniform(0, 6.28))
    kind = b.rng.integers(0, 8)
    if kind == 0:  # vase
        b.tube((x, y, z + 0.3 * size), 0.16 * size, 0.3 * size, m, taper=1.5)
        b.tube((x, y, z + 0.75 * size), 0.24 * size, 0.15 * size, m, taper=0.4)
    elif kind == 1:  # cup with a saucer
        b.tube((x, y, z + 0.02 * size), 0.35 * size, 0.02 * size, m, taper=1.2)
        b.tube((x, y, z + 0.25 * size), 0.18 * size, 0.2 * size, m, taper=1.25)
    elif kind == 2:
        b.box(
            (x, y, z + 0.25 * size),
            size * b.rng.uniform(0.15, 0.4, 3) * [1, 1, 0] + [0, 0, 0.25 * size],
            m,
            yaw=yaw,
        )
    elif kind == 3:  # books
        top = z
        for _ in range(int(b.rng.integers(2, 5))):
            t = size * float(b.rng.uniform(0.05, 0.1))
            book = b.surface(
                str(b.rng.choice(["paint", "fabric", "glyphs", "poster"])), mapping=FIT
            )
            b.box(
                (x, y, top + t), (0.3 * size, 0.22 * size, t), book, yaw=yaw + b.rng.normal(0, 0.2)
            )
            top += 2 * t
    elif kind == 4:
        b.ball((x, y, z + 0.25 * size), 0.25 * size, m)
    elif kind == 5:  # bottle
        b.tube((x, y, z + 0.35 * size), 0.14 * size, 0.35 * size, m)
        b.ball((x, y, z + 0.7 * size), (0.14 * size, 0.14 * size, 0.12 * size), m)
        b.tube((x, y, z + 0.9 * size), 0.05 * size, 0.15 * size, m)
    elif kind == 6:  # bowl of fruit
        b.tube((x, y, z + 0.1 * size), 0.2 * size, 0.1 * size, m, taper=1.8)
        fruit = b.surface("plaster", tint=tuple(b.rng.uniform(0.2, 1.2, 3)), gloss=0.3, repeat=0.3)
        for k in range(4):
            at = (
                x + 0.16 * size * np.cos(k * 1.57),
                y + 0.16 * size * np.sin(k * 1.57),
                z + 0.27 * size,
            )
            b.ball(at, 0.12 * size, fruit)
    else:
        b.tube(
            (x, y, z + 0.3 * size), 0.25 * size, 0.3 * size, m, taper=float(b.rng.uniform(0, 0.6))
        )
