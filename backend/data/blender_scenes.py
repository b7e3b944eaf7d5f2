# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders one validation scene with Cycles; run by path in a Python that has bpy.

    python blender_scenes.py --scene room --out FOLDER --views 16 --size 256 --samples 48

Writes images/NNNN.png (Standard view transform), depth/NNNN.npy (z-depth of the surface at each
pixel's centre, +inf = sky) and, last of all, transforms.json. Views already there are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from blender_kit import Kit
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

Flight = tuple[list[tuple], list[tuple], float]  # knots of the camera, of its target, fov degrees


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
    for x in (-0.62, 0.62):
        for y in (-0.42, 0.32):
            k.box((x - 0.03, y - 0.03, 0), (x + 0.03, y + 0.03, 0.68), wood)
    k.tube((0.2, 0, 0.72), 0.07, 0.25, k.plain(roughness=0.2), 0.12)
    k.ball((-0.3, -0.1, 0.8), 0.08, k.material("noise", 6))
    k.monkey((-0.35, 0.2, 0.86), 0.28, k.plain(roughness=0.3), 0.6)
    for side in (-1, 1):
        k.box((side * 1.15 - 0.22, -0.25, 0.4), (side * 1.15 + 0.22, 0.2, 0.45), cloth, 0.02)
        k.box((side * 1.35 - 0.03, -0.25, 0.45), (side * 1.35 + 0.03, 0.2, 0.95), wood, 0.01)
        for x in (-0.18, 0.18):
            for y in (-0.2, 0.16):
                k.tube((side * 1.15 + x, y, 0), 0.02, 0.4, wood)
    k.box((-2.98, -2.2, 0), (-2.6, -0.6, 1.9), wood, 0.01)
    for i in range(4):
        for j in range(7):
            y = -2.1 + j * 0.2
            k.box((-2.62, y, 0.12 + i * 0.45), (-2.52, y + 0.15, 0.4 + i * 0.45), k.plain())
    k.box((1.2, -2.45, 0.1), (2.9, -1.6, 0.45), cloth, 0.06)
    k.box((1.2, -2.48, 0.4), (2.9, -2.2, 0.95), cloth, 0.06)
    for i, x in enumerate((-1.6, -0.4, 1.9)):
        k.box((x - 0.35, -2.5, 1.3), (x + 0.35, -2.46, 1.9), k.picture(i == 1))
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


SCENES: dict[str, Callable[[Kit], Flight]] = {
    "room": room, "corridor": corridor, "street": street, "canyon": canyon,
    "still_life": still_life, "abstract": abstract,
}  # fmt: skip


def bezier(knots: list[tuple], t: float) -> Vector:
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    return sum((w * Vector(k) for w, k in zip(weights, knots, strict=True)), Vector((0, 0, 0)))


def surfaces() -> BVHTree:
    """Every face of the scene, with modifiers, in world space."""
    graph = bpy.context.evaluated_depsgraph_get()
    points: list[Vector] = []
    faces: list[tuple[int, ...]] = []
    for instance in graph.object_instances:
        if instance.object.type != "MESH":
            continue
        mesh, matrix, first = instance.object.to_mesh(), instance.matrix_world.copy(), len(points)
        points += [matrix @ vertex.co for vertex in mesh.vertices]
        faces += [tuple(first + i for i in polygon.vertices) for polygon in mesh.polygons]
        instance.object.to_mesh_clear()
    return BVHTree.FromPolygons(points, faces, epsilon=0.0)


def depth_of(tree: BVHTree, camera: Matrix, focal: float, size: int) -> np.ndarray:
    """(size, size) float32 z-depth at pixel centres, +inf where nothing is hit."""
    depth = np.full((size, size), np.inf, np.float32)
    origin, turn = camera.translation, camera.to_3x3()
    for row in range(size):
        for column in range(size):
            ray = Vector(((column + 0.5 - size / 2) / focal, (size / 2 - row - 0.5) / focal, -1.0))
            distance = tree.ray_cast(origin, turn @ ray.normalized())[3]
            if distance is not None:
                depth[row, column] = distance / ray.length
    return depth


def prepare(scene: bpy.types.Scene, size: int, samples: int) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = samples, True
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 4
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = (
        "FIXED",
        max(1, int(os.environ.get("OMP_NUM_THREADS", "0")) or os.cpu_count() or 1),
    )
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", choices=sorted(SCENES), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kit = Kit(options.seed + 100 * sorted(SCENES).index(options.scene))
    position, target, fov = SCENES[options.scene](kit)
    scene = kit.scene
    prepare(scene, options.size, options.samples)
    data = bpy.data.cameras.new("camera")
    data.angle = math.radians(fov)
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.context.view_layer.update()
    tree = surfaces()
    focal = options.size / 2 / math.tan(math.radians(fov) / 2)
    frames = []
    for folder in ("images", "depth"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    for view in range(options.views):
        t = view / max(1, options.views - 1)
        at = bezier(position, t)
        facing = (bezier(target, t) - at).to_track_quat("-Z", "Y")
        camera.matrix_world = Matrix.Translation(at) @ facing.to_matrix().to_4x4()
        bpy.context.view_layer.update()
        name = f"{view:04d}"
        picture, depth = (
            options.out / "images" / f"{name}.png",
            options.out / "depth" / f"{name}.npy",
        )
        if not depth.exists():
            scene.render.filepath = str(picture)
            bpy.ops.render.render(write_still=True)
            np.save(
                depth.with_suffix(".part.npy"),
                depth_of(tree, camera.matrix_world, focal, options.size),
            )
            os.replace(depth.with_suffix(".part.npy"), depth)
        frames.append({
            "file_path": f"images/{name}.png", "depth_file_path": f"depth/{name}.npy",
            "transform_matrix": [list(row) for row in camera.matrix_world],
        })  # fmt: skip
        print(f"view {view + 1} of {options.views}", flush=True)
    half = options.size / 2
    header = {
        "fl_x": focal,
        "fl_y": focal,
        "cx": half,
        "cy": half,
        "w": options.size,
        "h": options.size,
        "frames": frames,
    }
    (options.out / "transforms.json").write_text(json.dumps(header, indent=1), encoding="utf-8")


main()
