# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed scenes: interiors, corridors and still lives."""

from __future__ import annotations

import numpy as np

from . import furniture as f
from .building import lamp_color, shell
from .scene import FIT, Builder


def interior(b: Builder) -> None:
    """A furnished room with windows to the outside."""
    rng = b.rng
    w, d, h = float(rng.uniform(3.5, 8)), float(rng.uniform(3.5, 8)), float(rng.uniform(2.4, 3.4))
    walls = shell(b, w, d, h, 0.6)
    b.near = 0.3
    b.room = np.array(
        [[-w / 2 + 0.35, -d / 2 + 0.35, 0.7], [w / 2 - 0.35, d / 2 - 0.35, min(2.1, h - 0.35)]]
    )
    for _ in range(int(rng.integers(1, 3))):
        at = (rng.uniform(-0.3, 0.3) * w, rng.uniform(-0.3, 0.3) * d, h)
        f.ceiling_lamp(
            b, at, float(rng.choice([0.05, 0.5, 0.7])), lamp_color(b), float(rng.uniform(1.5, 4))
        )
    wood, cloth, accent = (
        f.pick(b, ["wood", "paint"]),
        f.pick(b, ["fabric", "stripes", "damask"]),
        f.pick(b, f.SOLIDS),
    )
    for a, z in walls:
        _along_wall(b, a, z, wood, cloth, accent)
    _centre(b, w, d, wood, cloth, accent)
    if rng.random() < 0.5:
        at = (rng.choice([-1, 1]) * (w / 2 - 0.4), rng.choice([-1, 1]) * (d / 2 - 0.4), 0.0)
        f.floor_lamp(b, at, lamp_color(b), float(rng.uniform(0.5, 1.5)))


def _along_wall(
    b: Builder, a: np.ndarray, z: np.ndarray, wood: int, cloth: int, accent: int
) -> None:
    rng = b.rng
    length = float(np.linalg.norm(z - a))
    along = (z - a) / length
    inward = np.array([-along[1], along[0]])
    yaw = float(np.arctan2(along[1], along[0])) + np.pi  # backs to the wall
    x = float(rng.uniform(0.5, 1.2))
    while x < length - 1.2:
        kind = rng.choice(
            ["sofa", "shelf", "cabinet", "plant", "bed", "desk", "none"],
            p=[0.14, 0.18, 0.2, 0.1, 0.06, 0.12, 0.2],
        )
        size = {
            "sofa": 1.7,
            "shelf": 1.0,
            "cabinet": 1.2,
            "plant": 0.5,
            "bed": 1.8,
            "desk": 1.3,
            "none": 0.7,
        }[str(kind)]
        size *= float(rng.uniform(0.8, 1.2))
        if x + size > length - 0.4:
            break
        middle = a + along * (x + size / 2)
        if kind == "sofa":
            f.sofa(b, (*(middle + inward * 0.5), 0), yaw, size, cloth, accent)
        elif kind == "shelf":
            f.shelf(
                b,
                (*(middle + inward * 0.2), 0),
                yaw,
                (size, 0.3, float(rng.uniform(1.0, 2.1))),
                wood,
            )
        elif kind == "cabinet":
            tall = float(rng.uniform(0.5, 1.2))
            f.cabinet(b, (*(middle + inward * 0.28), 0), yaw, (size, 0.42, tall), wood)
            for _ in range(int(rng.integers(0, 3))):
                spot = middle + inward * 0.25 + along * rng.uniform(-0.4, 0.4) * size
                f.trinket(b, (*spot, tall), float(rng.uniform(0.2, 0.4)), accent)
        elif kind == "plant":
            f.plant(b, (*(middle + inward * 0.4), 0), float(rng.uniform(0.8, 1.6)))
        elif kind == "bed":
            f.bed(b, (*(middle + inward * 1.15), 0), yaw, wood, cloth, accent)
        elif kind == "desk":
            f.table(b, (*(middle + inward * 0.4), 0), yaw, (size, 0.6, 0.74), wood)
            f.chair(
                b, (*(middle + inward * 0.85), 0), yaw + np.pi + rng.normal(0, 0.3), wood, cloth
            )
            f.trinket(b, (*(middle + inward * 0.35), 0.74), 0.3, accent)
        b.focus.append((*(middle + inward * 0.3), float(rng.uniform(0.5, 1.4))))
        x += size + float(rng.uniform(0.1, 0.5))


def _centre(b: Builder, w: float, d: float, wood: int, cloth: int, accent: int) -> None:
    rng = b.rng
    at = np.array([rng.uniform(-0.12, 0.12) * w, rng.uniform(-0.12, 0.12) * d])
    if rng.random() < 0.6:
        rug = b.surface(str(rng.choice(["rug", "rug", "fabric", "stripes"])), mapping=FIT)
        b.box(
            (*at, 0.008),
            (rng.uniform(0.8, 1.6), rng.uniform(0.6, 1.2), 0.008),
            rug,
            yaw=float(rng.choice([0, 1.5708, 0.4])),
        )
    if rng.random() < 0.75:
        yaw = float(rng.choice([0, 1.5708, rng.uniform(0, 6.28)]))
        size = (
            float(rng.uniform(0.8, 1.8)),
            float(rng.uniform(0.6, 0.95)),
            float(rng.choice([0.42, 0.75, 0.75])),
        )
        f.table(b, (*at, 0.0), yaw, size, wood)
        if size[2] > 0.6:
            for k in range(int(rng.integers(1, 5))):
                side = yaw + k * np.pi / 2
                reach = (size[1] if k % 2 == 0 else size[0]) / 2 + 0.15
                spot = at + reach * np.array([np.sin(side), -np.cos(side)])
                f.chair(b, (*spot, 0.0), side + np.pi + rng.normal(0, 0.15), wood, cloth)
        for _ in range(int(rng.integers(1, 4))):
            f.trinket(
                b,
                (*(at + rng.uniform(-0.2, 0.2, 2)), size[2]),
                float(rng.uniform(0.2, 0.4)),
                accent,
            )
    b.focus.append((*at, 0.7))


def corridor(b: Builder) -> None:
    """A long passage with doors, lamps, pictures, columns and things along the walls."""
    rng = b.rng
    length, w, h = (
        float(rng.uniform(9, 20)),
        float(rng.uniform(1.8, 3.6)),
        float(rng.uniform(2.3, 3.6)),
    )
    walls = shell(b, length, w, h, 0.25)
    b.near = 0.3
    b.room = np.array(
        [
            [-length / 2 + 0.6, -w / 2 + 0.4, 0.9],
            [length / 2 - 0.6, w / 2 - 0.4, min(2.0, h - 0.35)],
        ]
    )
    lamps = int(length / rng.uniform(3, 5))
    drop, color, power = (
        float(rng.choice([0.05, 0.05, 0.5])),
        lamp_color(b),
        float(rng.uniform(1.0, 2.5)),
    )
    for k in range(lamps):
        f.ceiling_lamp(b, (length * ((k + 0.5) / lamps - 0.5), 0, h), drop, color, power)
    style = rng.choice(["columns", "arches", "pipes", "plain"])
    m = f.pick(b, ["plaster", "marble", "concrete", "bricks", "metal", "wood"])
    if style in ("columns", "arches"):
        count = int(length / rng.uniform(2, 3.5))
        for k in range(count):
            x = length * ((k + 0.5) / count - 0.5)
            for s in (-1, 1):
                if style == "columns":
                    b.tube((x, s * (w / 2 - 0.12), h / 2), 0.12, h / 2, m)
                    b.box((x, s * (w / 2 - 0.12), 0.08), (0.17, 0.14, 0.08), m)
                    b.box((x, s * (w / 2 - 0.12), h - 0.08), (0.17, 0.14, 0.08), m)
                else:
                    b.box((x, s * (w / 2 - 0.08), h / 2), (0.15, 0.09, h / 2), m)
            if style == "arches":
                b.box((x, 0, h - 0.15), (0.15, w / 2, 0.16), m)
    elif style == "pipes":
        for _ in range(int(rng.integers(2, 5))):
            y, z = rng.uniform(-0.45, 0.45) * w, h - rng.uniform(0.08, 0.3)
            b.tube(
                (0, y, z),
                float(rng.uniform(0.02, 0.07)),
                length / 2,
                f.pick(b, ["metal", "paint"]),
                roll=np.pi / 2,
            )
    if rng.random() < 0.4:
        runner = b.surface("rug", repeat=1.5)
        b.box((0, 0, 0.006), (length / 2 - 0.3, w * 0.27, 0.006), runner)
    wood, cloth, accent = f.pick(b, ["wood", "paint"]), f.pick(b, ["fabric"]), f.pick(b, f.SOLIDS)
    if w > 2.4:
        for start, end in walls[::2]:
            _along_wall(b, start, end, wood, cloth, accent)
    b.focus += [(s * length / 2, 0.0, 1.3) for s in (-1, 1)]


def still_life(b: Builder) -> None:
    """Objects on a table before a wall or a draped backdrop."""
    rng = b.rng
    w, d, h = float(rng.uniform(2.5, 4)), float(rng.uniform(2.5, 4)), float(rng.uniform(2.3, 2.8))
    shell(b, w, d, h, 0.5)
    b.near = 0.12
    tw, td, th = float(rng.uniform(1.1, 1.8)), float(rng.uniform(0.8, 1.1)), 0.75
    top = f.pick(
        b,
        ["wood", "planks", "marble", "fabric", "tiles", "stripes"],
        repeat=float(rng.uniform(0.4, 1)),
    )
    at = np.array([rng.uniform(-0.1, 0.1) * w, 0.1 * d])
    f.table(b, (*at, 0), 0.0, (tw, td, th), top)
    if rng.random() < 0.4:
        b.box((*at, th + 0.002), (tw * 0.3, td * 0.52, 0.003), b.surface("rug", mapping=FIT))
    things = [
        f.pick(
            b,
            [*f.SOLIDS, "tiles", "damask", "rock", "leaves", "glyphs"],
            repeat=float(rng.uniform(0.15, 0.6)),
        )
        for _ in range(5)
    ]
    spots: list[np.ndarray] = []
    for _ in range(int(rng.integers(6, 14))):
        spot = at + rng.uniform(-0.42, 0.42, 2) * [tw, td]
        size = float(rng.uniform(0.15, 0.42))
        if all(np.linalg.norm(spot - other) > 0.17 for other in spots):
            spots.append(spot)
            f.trinket(b, (*spot, th), size, int(rng.choice(things)))
            b.focus.append((*spot, th + size * 0.4))
    b.focus = b.focus or [(*at, th)]
    color = lamp_color(b)
    f.ceiling_lamp(
        b,
        (at[0] + rng.uniform(-0.8, 0.8), at[1] + rng.uniform(-0.6, 0.6), h),
        float(rng.choice([0.05, 0.6])),
        color,
        float(rng.uniform(1, 3)),
    )
    reach = float(rng.uniform(0.75, 1.15))
    b.room = np.array(
        [[at[0] - reach, at[1] - reach, th + 0.12], [at[0] + reach, at[1] + reach, th + 0.85]]
    )
    half = np.array([w, d]) / 2 - 0.2
    b.room[:, :2] = np.clip(b.room[:, :2], -half, half)
