# SPDX-License-Identifier: GPL-3.0-or-later
"""Abstract sets: solids in a stage."""

from __future__ import annotations

import numpy as np

from . import furniture as f
from .scene import Builder, Lamp

FORMS = sorted(
    [*f.SOLIDS, "bricks", "tiles", "checker", "glyphs", "damask", "rug", "leaves", "rock"]
)


def abstract(b: Builder) -> None:
    """Solids floating or standing in a stage: pure form, colour and light."""
    rng = b.rng
    open_air = rng.random() < 0.6
    size = float(rng.uniform(4, 9))
    floors = [*f.FLOORS, "cells", "checker", "stripes", "water", "cobble"]
    ground = f.pick(b, floors, repeat=float(rng.uniform(1, 4)))
    b.span((-4 * size, -4 * size, -1), (4 * size, 4 * size, 0), ground)
    if not open_air:
        _stage(b, size)
    looks = [
        f.pick(b, FORMS, repeat=float(rng.uniform(0.5, 2.5)))
        for _ in range(int(rng.integers(4, 9)))
    ]
    for _ in range(int(rng.integers(15, 50))):
        at = rng.normal(0, 0.42, 3) * size
        at[2] = abs(at[2]) * 0.8
        _solid(b, at, size, int(rng.choice(looks)))
        b.focus.append(tuple(at))
    for _ in range(int(rng.integers(1, 4))):
        at = rng.uniform(-0.8, 0.8, 3) * size
        color = rng.uniform(0.3, 1, 3)
        b.lamps.append(
            Lamp((at[0], at[1], abs(at[2]) + 0.8), tuple(color * size * rng.uniform(0.3, 1.5)), 0.2)
        )
    b.fog = float(rng.choice([0, 0, 0, 0.1])) / size * 0.3
    b.fog_color = tuple(0.6 * np.array(b.sky.horizon))
    b.near = 0.35
    b.room = np.array([[-1.2 * size, -1.2 * size, 0.5], [1.2 * size, 1.2 * size, 0.55 * size]])


def _stage(b: Builder, size: float) -> None:
    """Four walls and a ceiling around a stage."""
    rng = b.rng
    walls = [*f.WALLS, "cells", "glyphs", "checker"]
    wall = f.pick(b, walls, repeat=float(rng.uniform(1.5, 4)))
    h, away = size * float(rng.uniform(0.6, 1.2)), 1.5 * size
    for sign in (1, -1):
        b.box((sign * away, 0, h), (0.3, away, h), wall)
        b.box((0, sign * away, h), (away, 0.3, h), wall)
    roof = 1.6 * size
    b.span((-roof, -roof, 2 * h), (roof, roof, 2 * h + 0.3), f.pick(b, ["plaster", "panels"]))


def _solid(b: Builder, at: np.ndarray, size: float, m: int) -> None:
    rng = b.rng
    turn = {"yaw": float(rng.uniform(0, 6.28))}
    if rng.random() < 0.5:
        turn |= {"tilt": float(rng.normal(0, 0.5)), "roll": float(rng.normal(0, 0.5))}
    scale = size * float(rng.lognormal(-2.3, 0.6))
    kind = rng.integers(0, 7)
    if kind <= 1:
        b.box(at, scale * rng.uniform(0.4, 1.8, 3), m, **turn)
    elif kind == 2:
        b.ball(at, scale * (rng.uniform(0.5, 1.4, 3) if rng.random() < 0.5 else 1.0), m, **turn)
    elif kind == 3:
        b.tube(
            at,
            scale * 0.6,
            scale * float(rng.uniform(0.5, 3)),
            m,
            taper=float(rng.choice([1, 1, 0.0, 0.4])),
            **turn,
        )
    elif kind == 4:  # a stair
        start = b.count
        for k in range(int(rng.integers(4, 9))):
            b.box(
                (k * 0.3 * scale, 0, 0.12 * scale * (k + 1)),
                (0.15 * scale, 0.6 * scale, 0.12 * scale * (k + 1)),
                m,
            )
        b.group(start, (at[0], at[1], 0.0), turn["yaw"])
    elif kind == 5:  # a column
        b.tube((at[0], at[1], scale * 2), scale * 0.3, scale * 2, m)
        b.box((at[0], at[1], scale * 4.1), (scale * 0.45, scale * 0.45, scale * 0.12), m)
        b.box((at[0], at[1], scale * 0.1), (scale * 0.45, scale * 0.45, scale * 0.1), m)
    else:  # a slab or frame
        start, r = b.count, scale
        for s in (-1, 1):
            b.box((s * r, 0, 1.2 * r), (0.12 * r, 0.12 * r, 1.2 * r), m)
        b.box((0, 0, 2.4 * r), (1.25 * r, 0.15 * r, 0.15 * r), m)
        b.group(start, (at[0], at[1], 0.0), turn["yaw"])
