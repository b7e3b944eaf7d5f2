# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation scenes under the sky.

Part of a program that a Python with bpy runs by path (`blender_scenes.py`), hence plain imports.
A scene is built into a kit and says how the camera flies.
"""

from __future__ import annotations

import math

import bpy
import numpy as np
from blender_kit import Flight, Kit


def street(k: Kit) -> Flight:
    k.box((-60, -4, -0.3), (60, 4, 0), k.material("asphalt", 0.5, 0.8))
    paint = k.plain((0.8, 0.8, 0.75, 1))
    for i in range(-10, 10):
        k.box((i * 4, -0.08, 0.0), (i * 4 + 2, 0.08, 0.01), paint)
    glass = k.plain((0.03, 0.04, 0.05, 1), 0.08)
    trims = [k.plain(k.color(0.85, 0.1)) for _ in range(3)]
    for side in (-1, 1):
        low, high = sorted((side * 4, side * 7))
        k.box((-60, low, -0.3), (60, high, 0.14), k.material("checker", 0.8, 0.8))
        x = -34.0
        while x < 34:
            x += building(k, x, side, trims, glass)
        for x in range(-30, 31, 12):
            tree(k, x + side, side * 4.6)
            k.tube((x + 6, side * 4.4, 0.14), 0.06, 4.5, k.plain((0.05, 0.05, 0.06, 1), 0.4))
    for i in range(5):
        car(k, -22 + 10.5 * i, 2.9 * (-1 if i % 2 else 1), glass)
    for s in (-1, 1):
        k.box((s * 45 - 5, -30, 0), (s * 45 + 5, 30, 14), k.material("brick", 0.3))
    k.sky((0.15, 0.32, 0.8), (0.7, 0.8, 0.95), 0.9)
    k.sun(math.radians(35), math.radians(42), 4)
    return (
        [(-16, -1.5, 1.7), (-10, 0.4, 1.9), (-3, 1.0, 2.2), (3, -1.0, 2.0)],
        [(0, 2, 2), (4, 4, 2.4), (12, 3, 2.2), (18, -4, 2.2)],
        70,
    )


def building(
    k: Kit, x: float, side: int, trims: list[bpy.types.Material], glass: bpy.types.Material
) -> float:
    """A house whose front begins at x, on one side (-1 or 1) of the street; its width."""
    w, h = k.random.uniform(6, 11), 3.2 * k.random.randint(2, 5) + 0.6
    wall = k.material(
        k.random.choice(["brick", "noise", "stripes", "brick", "cells"]), k.random.uniform(0.3, 1)
    )
    trim = k.random.choice(trims)
    near, far = side * 7.0, side * 16.0
    k.box((x, min(near, far), 0), (x + w - 0.02, max(near, far), h), wall)
    k.box((x - 0.1, near - 0.25, h), (x + w + 0.1, near + 0.25, h + 0.3), trim, 0.03)
    bays = int(w / 2.2)
    for i in range(bays):
        cx = x + w * (i + 0.5) / bays
        for floor in range(1, int(h / 3.2)):
            window(k, cx, near, 3.2 * floor + 0.9, trim, glass)
        if k.random.random() < 0.5:
            door = (cx - 0.5, near - 0.08, 0.1), (cx + 0.5, near + 0.08, 2.3)
            k.box(*door, k.material("wood", 2))
        else:
            poster = (cx - 0.9, near - 0.07, 0.7), (cx + 0.9, near + 0.07, 2.5)
            k.box(*poster, k.picture(k.random.random() < 0.4))
    return w


def window(
    k: Kit, x: float, y: float, z: float, trim: bpy.types.Material, glass: bpy.types.Material
) -> None:
    k.box((x - 0.55, y - 0.06, z), (x + 0.55, y + 0.06, z + 1.6), glass)
    k.box((x - 0.7, y - 0.18, z - 0.12), (x + 0.7, y + 0.18, z), trim)
    k.box((x - 0.04, y - 0.09, z), (x + 0.04, y + 0.09, z + 1.6), trim)


def tree(k: Kit, x: float, y: float) -> None:
    k.tube((x, y, 0.14), 0.14, 2.6, k.material("wood", 3), 0.08)
    for i in range(5):
        at = x + k.random.uniform(-0.7, 0.7), y + k.random.uniform(-0.7, 0.7), 3 + 0.45 * i
        size = k.random.uniform(0.6, 1.1)
        k.ball(at, size, k.plain((0.05, k.random.uniform(0.12, 0.25), 0.03, 1), 0.9), 0.12)


def car(k: Kit, x: float, y: float, glass: bpy.types.Material) -> None:
    body = k.plain(k.color(saturation=0.7), 0.15)
    k.box((x, y - 0.85, 0.35), (x + 4, y + 0.85, 0.95), body, 0.12)
    k.box((x + 0.9, y - 0.75, 0.9), (x + 3, y + 0.75, 1.45), glass, 0.15)
    for wx in (0.75, 3.2):
        for wy in (-0.8, 0.8):
            tyre = k.plain((0.02, 0.02, 0.02, 1))
            wheel = k.tube((x + wx, y + wy, 0.2), 0.32, 0.22, tyre)
            wheel.rotation_euler = (math.pi / 2, 0, 0)


def canyon(k: Kit) -> Flight:
    n, extent = 260, 40.0
    axis = np.linspace(-extent, extent, n)
    x, y = np.meshgrid(axis, axis)
    dice = np.random.default_rng(k.random.randrange(1 << 30))
    rough = np.zeros_like(x)
    for f in np.geomspace(0.12, 3.5, 40):
        a, p = dice.uniform(0, 2 * math.pi, 2)
        rough += np.sin(x * f * math.cos(a) + y * f * math.sin(a) + p) / f**1.1
    wall = np.clip((np.abs(y - 6 * np.sin(x * 0.09)) - 4 - 0.4 * rough) * 0.35, 0, 3.2)
    height = 4 * (np.floor(wall) + np.clip((wall % 1) * 3, 0, 1)) + 0.25 * rough
    k.ground(height, extent, k.material("strata", 0.6, 0.95))

    def at(px: float, py: float) -> float:
        return float(
            height[
                int((py + extent) / (2 * extent) * (n - 1)),
                int((px + extent) / (2 * extent) * (n - 1)),
            ]
        )

    stone, bark = k.material("strata", 1.5, 0.9), k.material("wood", 3)
    for _ in range(45):
        px = k.random.uniform(-25, 30)
        py = 6 * math.sin(px * 0.09) + k.random.gauss(0, 2.5)
        size = k.random.lognormvariate(-1.1, 0.6)
        k.ball((px, py, at(px, py)), (size, size * 0.8, size * 0.7), stone, 0.2)
    for px in (-8, -1, 5, 12, 20):
        py = 6 * math.sin(px * 0.09) + k.random.choice([-2.5, 2.5])
        k.tube((px, py, at(px, py) - 0.2), 0.15, 2.6, bark, 0.06)
        for i in range(4):
            k.ball(
                (
                    px + k.random.uniform(-0.5, 0.5),
                    py + k.random.uniform(-0.5, 0.5),
                    at(px, py) + 2.2 + 0.4 * i,
                ),
                k.random.uniform(0.5, 0.9),
                k.plain((0.1, 0.16, 0.04, 1), 0.9),
                0.15,
            )
    k.sky((0.12, 0.3, 0.8), (0.8, 0.75, 0.7), 0.8)
    k.sun(math.radians(60), math.radians(40), 4.5, (1, 0.85, 0.65))

    def spot(px: float, lift: float) -> tuple:
        py = 6 * math.sin(px * 0.09)
        return (px, py, at(px, py) + lift)

    return (
        [spot(-18, 2.2), spot(-13, 3.5), spot(-7, 4.5), spot(-2, 3.0)],
        [spot(-4, 2), spot(0, 1), spot(6, 1.5), spot(14, 2)],
        65,
    )
