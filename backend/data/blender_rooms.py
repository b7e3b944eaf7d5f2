# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation scenes indoors and on a table.

Part of a program that a Python with bpy runs by path (`blender_scenes.py`), hence plain imports.
A scene is built into a kit and says how the camera flies.
"""

from __future__ import annotations

import math

from blender_kit import Flight, Kit


def room(k: Kit) -> Flight:
    wall, floor, wood, cloth = (
        k.material("noise", 0.6),
        k.material("wood", 1.2, 0.35),
        k.material("wood", 2.5),
        k.material("cells", 3),
    )
    white = k.plain((0.75, 0.74, 0.7, 1))
    k.box((-3, -2.5, -0.2), (3, 2.5, 0), floor)
    k.box((-3, -2.5, 2.6), (3, 2.5, 2.8), white)
    k.box((-3.2, -2.5, 0), (-3, 2.5, 2.6), k.material("brick"))
    k.box((3, -2.5, 0), (3.2, 2.5, 2.6), wall)
    k.box((-3, -2.7, 0), (3, -2.5, 2.6), wall)
    for low, high in (
        ((-3, 2.5, 0), (-1, 2.7, 2.6)),
        ((1, 2.5, 0), (3, 2.7, 2.6)),
        ((-1, 2.5, 0), (1, 2.7, 0.9)),
        ((-1, 2.5, 2.1), (1, 2.7, 2.6)),
    ):
        k.box(low, high, wall)
    for x in (-1, 0, 1):
        k.box((x - 0.03, 2.52, 0.9), (x + 0.03, 2.58, 2.1), white)
    k.box((-1.1, 2.35, 0.84), (1.1, 2.6, 0.9), white, 0.01)
    k.box((-30, 8, -4), (30, 9, 1.2), k.material("noise", 0.3))
    k.box((-1.4, -1, 0.005), (1.2, 0.9, 0.02), k.material("stripes", 2))
    k.box((-0.7, -0.5, 0.68), (0.7, 0.4, 0.72), wood, 0.01)
    for leg in (-0.62, 0.62):
        for y in (-0.42, 0.32):
            k.box((leg - 0.03, y - 0.03, 0), (leg + 0.03, y + 0.03, 0.68), wood)
    k.tube((0.2, 0, 0.72), 0.07, 0.25, k.plain(roughness=0.2), 0.12)
    k.ball((-0.3, -0.1, 0.8), 0.08, k.material("noise", 6))
    k.monkey((-0.35, 0.2, 0.86), 0.28, k.plain(roughness=0.3), 0.6)
    for side in (-1, 1):
        k.box((side * 1.15 - 0.22, -0.25, 0.4), (side * 1.15 + 0.22, 0.2, 0.45), cloth, 0.02)
        k.box((side * 1.35 - 0.03, -0.25, 0.45), (side * 1.35 + 0.03, 0.2, 0.95), wood, 0.01)
        for leg in (-0.18, 0.18):
            for y in (-0.2, 0.16):
                k.tube((side * 1.15 + leg, y, 0), 0.02, 0.4, wood)
    k.box((-2.98, -2.2, 0), (-2.6, -0.6, 1.9), wood, 0.01)
    for i in range(4):
        for j in range(7):
            y = -2.1 + j * 0.2
            k.box((-2.62, y, 0.12 + i * 0.45), (-2.52, y + 0.15, 0.4 + i * 0.45), k.plain())
    k.box((1.2, -2.45, 0.1), (2.9, -1.6, 0.45), cloth, 0.06)
    k.box((1.2, -2.48, 0.4), (2.9, -2.2, 0.95), cloth, 0.06)
    for i, middle in enumerate((-1.6, -0.4, 1.9)):
        k.box((middle - 0.35, -2.5, 1.3), (middle + 0.35, -2.46, 1.9), k.picture(i == 1))
    k.box((2.96, -0.2, 0), (3.0, 0.8, 2.05), k.material("wood", 2))
    k.tube((2.5, 2.0, 0), 0.03, 1.5, k.plain(metallic=1, roughness=0.3))
    k.tube((2.5, 2.0, 1.45), 0.22, 0.28, k.glow((1, 0.75, 0.45, 1), 4), 0.13)
    k.lamp((2.5, 2.0, 1.9), 60)
    k.lamp((0, 0, 2.3), 130, (1, 0.9, 0.8), 0.2)
    k.scene.view_settings.exposure = 0.5
    k.sky((0.2, 0.4, 0.9), (0.75, 0.85, 1), 1.5)
    k.sun(math.radians(200), math.radians(35), 4)
    return (
        [(2.3, -1.2, 1.6), (1.6, 0.6, 1.5), (0.3, 1.7, 1.45), (-1.7, 1.5, 1.6)],
        [(-0.5, 0, 0.8), (-0.8, -0.6, 0.9), (0, -1, 0.9), (0.8, -1.0, 0.8)],
        68,
    )


def corridor(k: Kit) -> Flight:
    wall, floor, trim = (
        k.material("noise", 0.8),
        k.material("checker", 0.8, 0.25),
        k.plain((0.7, 0.68, 0.62, 1)),
    )
    k.box((-8, -1.3, -0.2), (8, 1.3, 0), floor)
    k.box((-8, -1.3, 2.7), (8, 1.3, 2.9), trim)
    k.box((-8, 1.3, 0), (8, 1.5, 2.7), wall)
    for i in range(5):
        k.box(
            (-8 + 3.4 * i, -1.5, 0),
            (-6 + 3.4 * i, -1.3, 2.7),
            k.material("brick") if i % 2 else wall,
        )
        if i < 4:
            x = -6 + 3.4 * i
            k.box((x, -1.5, 0), (x + 1.4, -1.3, 0.8), wall)
            k.box((x, -1.5, 2.2), (x + 1.4, -1.3, 2.7), wall)
            k.box((x + 0.67, -1.42, 0.8), (x + 0.73, -1.38, 2.2), trim)
    k.box((-8.2, -1.5, 0), (-8, 1.5, 2.7), k.material("stripes", 0.6))
    k.box((8, -1.5, 0), (8.2, 1.5, 2.7), wall)
    k.box((7.96, -0.5, 0), (8, 0.5, 2.1), k.material("wood", 2))
    for i in range(5):
        x = -6.5 + 3.2 * i
        k.box((x - 0.5, 1.25, 0), (x + 0.5, 1.3, 2.1), k.material("wood", 1.5))
        k.box((x - 0.58, 1.22, 2.1), (x + 0.58, 1.3, 2.2), trim)
        k.ball((x + 0.4, 1.2, 1.0), 0.035, k.plain(metallic=1, roughness=0.2))
        k.box((x + 1.2, 1.27, 1.3), (x + 1.9, 1.3, 1.8), k.picture(i % 2 == 0))
        k.tube((x, 0, 2.6), 0.2, 0.1, k.glow((1, 0.85, 0.6, 1), 5))
        k.lamp((x, 0, 2.45), 28)
    k.scene.view_settings.exposure = 0.3
    k.box((-3, -1.25, 0), (-1.6, -0.9, 0.45), k.material("wood", 2), 0.02)
    k.tube((2.6, -1.0, 0), 0.18, 0.4, k.material("cells", 4), 0.25)
    for i in range(7):
        a = i * 0.9
        k.ball(
            (2.6 + 0.18 * math.cos(a), -1.0 + 0.18 * math.sin(a), 0.75 + 0.05 * i),
            (0.05, 0.16, 0.3),
            k.plain((0.05, 0.22, 0.05, 1)),
        )
    for y in (-0.9, -0.7):
        k.box((-8, y - 0.04, 2.5), (8, y + 0.04, 2.58), k.plain(metallic=0.8, roughness=0.35))
    k.box((-40, -20, -0.5), (40, -1.6, -0.2), k.material("noise", 0.2))
    k.sky((0.25, 0.4, 0.8), (0.8, 0.8, 0.85), 1.0)
    k.sun(math.radians(20), math.radians(30), 3)
    return (
        [(-7.0, 0.3, 1.5), (-4, -0.4, 1.55), (-1, 0.4, 1.6), (2.0, 0.1, 1.5)],
        [(0, 0.3, 1.3), (1, 0.4, 1.3), (4, -0.3, 1.2), (6, 0.5, 1.2)],
        72,
    )


def still_life(k: Kit) -> Flight:
    k.box((-2, -2, 0.66), (2, 1.2, 0.72), k.material("wood", 3, 0.3))
    k.box((-3, 1.3, 0), (3, 1.4, 3), k.material("noise", 1.2))
    k.box((-3, -4, -0.1), (3, 1.3, 0), k.material("cells", 1))
    k.box((-0.7, -0.5, 0.72), (0.75, 0.35, 0.726), k.material("stripes", 5))
    k.monkey((0.0, 0.1, 0.96), 0.42, k.material("noise", 5, 0.4), -0.2)
    for i, (x, y) in enumerate(((-0.5, 0.15), (0.5, 0.2), (0.62, -0.25), (-0.35, -0.35))):
        r = 0.07 + 0.02 * i
        k.tube(
            (x, y, 0.725),
            r * 0.8,
            0.22,
            k.material(k.random.choice(["cells", "stripes", "noise"]), 7, 0.25),
            r * 1.3,
        )
        k.tube((x, y, 0.945), r * 1.3, 0.12, k.plain(roughness=0.2), r * 0.5)
    for i in range(6):
        a = i * 1.05
        k.ball(
            (-0.05 + 0.32 * math.cos(a), -0.28 + 0.12 * math.sin(a), 0.785),
            0.058,
            k.plain(k.color(0.8, 0.8), 0.3),
        )
    for i in range(4):
        k.box(
            (0.85, -0.3 - 0.01 * i, 0.72 + 0.05 * i),
            (1.2 - 0.03 * i, 0.2, 0.77 + 0.05 * i),
            k.picture(True),
            0.004,
            0.1 * i,
        )
    k.ring((-0.9, -0.1, 0.86), 0.14, 0.045, k.plain((0.6, 0.4, 0.15, 1), 0.2, 1.0), (1.35, 0, 0.5))
    k.box((-1.3, 0.5, 0.72), (-0.9, 0.7, 1.4), k.picture(), 0.01, 0.35)
    k.sky((0.4, 0.45, 0.55), (0.55, 0.52, 0.5), 0.5)
    k.lamp((-1.4, -1.3, 2.2), 70, (1, 0.85, 0.65), 0.25)
    k.lamp((1.8, -0.8, 1.7), 25, (0.6, 0.75, 1), 0.3)
    return (
        [(-1.0, -1.3, 1.35), (-0.4, -1.5, 1.25), (0.4, -1.5, 1.3), (1.05, -1.1, 1.5)],
        [(0, 0, 0.88), (0, 0, 0.86), (0, 0, 0.86), (0, 0, 0.84)],
        48,
    )


def abstract(k: Kit) -> Flight:
    k.box((-15, -15, -0.5), (15, 15, 0), k.material("checker", 0.4, 0.3))
    k.box((-6, 6, 0), (6, 6.3, 5), k.material("stripes", 0.4))
    k.box((-6.3, -6, 0), (-6, 6, 5), k.material("cells", 0.5))
    kinds = ["noise", "cells", "checker", "stripes", "wood", "brick"]
    for _ in range(26):
        x, y = k.random.uniform(-4.5, 4.5), k.random.uniform(-4.0, 5)
        if math.hypot(x - 2.6, y + 3.2) < 2.2:
            continue
        size = k.random.uniform(0.25, 0.9)
        material = k.material(
            k.random.choice(kinds), k.random.uniform(0.6, 3), k.random.uniform(0.15, 0.9)
        )
        shape = k.random.randrange(6)
        if shape == 0:
            k.box(
                (x, y, 0),
                (x + size, y + size, k.random.uniform(0.4, 3)),
                material,
                0.03,
                k.random.uniform(0, 3),
            )
        elif shape == 1:
            k.ball((x, y, size + k.random.choice([0, 0, 1.2])), size, material)
        elif shape == 2:
            k.tube(
                (x, y, 0),
                size * 0.7,
                k.random.uniform(0.8, 3),
                material,
                k.random.choice([None, 0.0, 0.1]),
            )
        elif shape == 3:
            k.ring(
                (x, y, size + 0.2),
                size,
                size * 0.28,
                material,
                (k.random.uniform(0, 3), k.random.uniform(0, 3), 0),
            )
        elif shape == 4:
            k.monkey((x, y, size), size * 1.3, material, k.random.uniform(0, 6))
        else:
            for i in range(5):
                k.box((x + 0.3 * i, y, 0), (x + 0.3 * i + 0.3, y + 1, 0.25 * (i + 1)), material)
    k.sky((0.1, 0.2, 0.5), (0.9, 0.7, 0.55), 0.8)
    k.sun(math.radians(-50), math.radians(30), 3.5, (1, 0.8, 0.6))
    k.lamp((-2, 0, 3), 150, (0.5, 0.7, 1), 0.3)
    return (
        [(4.2, -4.4, 1.6), (3.2, -4.6, 2.0), (2.2, -3.6, 2.3), (2.0, -2.4, 1.9)],
        [(0, 0.5, 1), (-0.5, 0.8, 1), (-1.5, 1.0, 1), (-2.5, 1.5, 0.9)],
        62,
    )
