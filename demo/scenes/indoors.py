# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms: lamps and a window, a wall cut away, an isometric one, a corridor lit by strips."""

from __future__ import annotations

from .. import textures
from ..shapes import box, glow, lathe
from .stage import (
    Stage,
    add,
    ball,
    camera,
    empty,
    lamp,
    plane,
    principled,
    shots,
    travel,
    tube,
    world,
)

WIDE, DEEP, HIGH = 5.0, 4.0, 2.6


def room() -> Stage:
    """Two area lamps and a window with sun."""
    empty()
    _shell(window=True)
    _furniture()
    lamp("AREA", (0.9, -0.5, HIGH - 0.02), (0.9, -0.5, 0), 45.0, size=1.0, color=(1, 0.86, 0.7))
    lamp("AREA", (-1.6, 0.6, HIGH - 0.02), (-1.6, 0.6, 0), 25.0, size=0.5)
    lamp("SUN", (1.5, 6.0, 4.0), (-0.5, 0.5, 0.2), 4.0, angle=0.01, color=(1, 0.93, 0.82))
    world((0.5, 0.65, 0.9), 1.2)
    camera("Door", (2.2, -1.7, 1.6), (-0.6, 0.8, 0.9), 22.0)
    camera("Corner", (-2.2, -1.7, 1.5), (0.8, 1.0, 0.8), 22.0)
    camera("Middle", (0.2, -1.8, 1.5), (0.1, 1.0, 0.9), 22.0)
    camera("Close", (-0.2, -0.9, 1.2), (0.7, 0.5, 0.7), 32.0)
    film = travel(
        "Film",
        [((1.4, -1.8, 1.6), (-0.4, 0.9, 0.9)), ((-0.4, -1.7, 1.5), (0.4, 1.0, 0.85))],
        22.0,
    )
    return Stage(shots("Door", "Corner"), shots("Middle", "Close"), film)


def cut_away() -> Stage:
    """A room without ceiling light, looked into through a hidden wall and by a near clip plane."""
    empty()
    _shell(window=False)
    _furniture()
    front = box(
        "Front wall",
        (0, -DEEP / 2 - 0.05, HIGH / 2),
        (WIDE + 0.2, 0.1, HIGH),
        principled("Front", (0.7, 0.68, 0.62)),
    )
    front.visible_camera = False
    lamp("AREA", (0, 0, HIGH - 0.02), (0, 0, 0), 70.0, size=1.2)
    lamp("POINT", (-1.8, 1.2, 1.3), (0, 0, 0), 20.0, shadow_soft_size=0.1, color=(1, 0.75, 0.5))
    world((0.2, 0.22, 0.25))
    camera("Through", (0.6, -5.2, 1.9), (0, 0.3, 0.9), 35.0)
    above = camera("Clipped", (3.4, -4.6, 6.2), (0, 0.2, 0.5), 40.0)
    above.data.clip_start = 4.6
    camera("Left", (-1.6, -4.8, 1.8), (0, 0.3, 0.9), 35.0)
    camera("Right", (2.4, -4.8, 2.2), (0, 0.3, 0.9), 35.0)
    return Stage(shots("Left", "Right"), shots("Through", "Clipped"))


def isometric() -> Stage:
    """A room in orthographic projection from above its open corner."""
    empty()
    _shell(window=False, ceiling=False)
    _furniture()
    lamp("SUN", (-2.0, -3.0, 5.0), (0, 0, 0), 3.0, angle=0.03)
    lamp("AREA", (1.0, -1.0, 2.4), (0.3, 0.2, 0.4), 25.0, size=0.8, color=(1, 0.85, 0.65))
    world((0.4, 0.45, 0.55), 0.8)
    for name, at, scale in (
        ("Iso", (6.0, -6.0, 5.6), 6.6),
        ("Closer", (6.0, -6.0, 5.0), 4.0),
        ("Turned", (4.2, -7.6, 5.2), 6.4),
    ):
        made = camera(name, at, (0.0, 0.1, 0.8))
        made.data.type, made.data.ortho_scale = "ORTHO", scale
    return Stage(shots("Turned"), shots("Iso", "Closer"))


def corridor() -> Stage:
    """Lit by emissive strips alone."""
    empty()
    wall = principled("Wall", textures.plaster(), Roughness=0.8)
    tiles = principled(
        "Tiles",
        textures.tint(textures.clouds(512, 31, 3, 16), (0.3, 0.32, 0.34), (0.5, 0.52, 0.54)),
        Roughness=0.2,
    )
    length, half = 12.0, 1.2
    plane("Floor", (0, 0, 0), length, tiles, 1.0)
    box("Left", (0, half + 0.05, 1.3), (length, 0.1, 2.6), wall, 2.0)
    box("Right", (0, -half - 0.05, 1.3), (length, 0.1, 2.6), wall, 2.0)
    box(
        "Ceiling",
        (0, 0, 2.65),
        (length, 2 * half + 0.2, 0.1),
        principled("White", (0.75, 0.75, 0.75)),
    )
    for x in (-length / 2, length / 2):
        box("End", (x, 0, 1.3), (0.1, 2 * half, 2.6), principled("End", (0.25, 0.4, 0.5)))
    warm, cold = (
        glow("Warm strip", (1.0, 0.8, 0.55), 20.0),
        glow("Cold strip", (0.5, 0.75, 1.0), 15.0),
    )
    for i, x in enumerate((-4.5, -1.5, 1.5, 4.5)):
        box("Strip", (x, 0, 2.58), (1.2, 0.12, 0.03), warm if i % 2 else cold)
    box("Rail light", (0, half - 0.02, 0.15), (length - 1, 0.02, 0.04), cold)
    door = principled(
        "Door", textures.tint(textures.clouds(256, 22, 6), (0.3, 0.18, 0.1), (0.46, 0.3, 0.18))
    )
    for x in (-3.2, 0.0, 3.2):
        box("Door", (x, -half + 0.01, 1.05), (0.95, 0.06, 2.1), door, bevel=0.01)
        ball(
            "Knob",
            (x + 0.38, -half + 0.08, 1.0),
            0.03,
            principled("Knob", (0.8, 0.7, 0.4), Metallic=1.0, Roughness=0.2),
        )
    box("Bench", (1.6, 0.85, 0.22), (1.4, 0.4, 0.44), door, bevel=0.02)
    tube(
        "Bin",
        (-1.8, 0.9, 0),
        0.18,
        0.6,
        principled("Bin", (0.6, 0.6, 0.62), Metallic=1.0, Roughness=0.35),
    )
    world((0.0, 0.0, 0.0))
    camera("Start", (-5.4, 0.3, 1.5), (0, -0.1, 1.2), 22.0)
    camera("Middle", (-2.4, -0.5, 1.5), (2.5, 0.3, 1.0), 22.0)
    camera("Back", (3.6, 0.5, 1.6), (-1.0, -0.3, 1.0), 22.0)
    film = travel(
        "Film", [((-4.6, 0.2, 1.5), (0, 0, 1.2)), ((-3.2, -0.2, 1.5), (1.5, 0.1, 1.1))], 22.0
    )
    return Stage(shots("Start", "Back"), shots("Middle"), film)


def _shell(window: bool, ceiling: bool = True) -> None:
    paper = principled("Wallpaper", textures.wallpaper(), Roughness=0.9)
    plaster = principled("Plaster", textures.plaster(), Roughness=0.9)
    floor = principled("Floor", textures.wood_floor(512, 8), Roughness=0.4)
    box("Floor", (0, 0, -0.05), (WIDE, DEEP, 0.1), floor, 2.0)
    if ceiling:
        box(
            "Ceiling",
            (0, 0, HIGH + 0.05),
            (WIDE, DEEP, 0.1),
            principled("Ceiling", (0.8, 0.8, 0.78)),
        )
    box("Left wall", (-WIDE / 2 - 0.05, 0, HIGH / 2), (0.1, DEEP + 0.2, HIGH), paper, 1.5)
    y = DEEP / 2 + 0.05
    if not window:
        box("Back wall", (0, y, HIGH / 2), (WIDE, 0.1, HIGH), plaster, 2.0)
        return
    box("Right wall", (WIDE / 2 + 0.05, 0, HIGH / 2), (0.1, DEEP + 0.2, HIGH), paper, 1.5)
    box("Front wall", (0, -y, HIGH / 2), (WIDE, 0.1, HIGH), plaster, 2.0)
    for name, x, z, sx, sz in (
        ("below", 0, 0.45, WIDE, 0.9), ("above", 0, 2.35, WIDE, 0.5),
        ("left", -1.6, 1.5, 1.8, 1.2), ("right", 1.85, 1.5, 1.3, 1.2),
    ):  # fmt: skip
        box(f"Wall {name}", (x, y, z), (sx, 0.1, sz), plaster, 2.0)
    wood = principled("Frame", (0.6, 0.58, 0.54))
    for x in (-0.67, 0.25, 1.17):
        box("Window bar", (x, y, 1.5), (0.05, 0.06, 1.2), wood)


def _furniture() -> None:
    oak = principled(
        "Oak",
        textures.tint(textures.clouds(256, 20, 6), (0.35, 0.22, 0.12), (0.58, 0.4, 0.24)),
        Roughness=0.35,
    )
    cloth = principled("Sofa", textures.fabric((0.2, 0.32, 0.3), (0.36, 0.5, 0.46)), Roughness=0.95)
    rug = box("Rug", (0.3, 0.0, 0.006), (1.8, 1.4, 0.012), principled("Rug", textures.rug()), 1.8)
    rug.rotation_euler.z = 0.1
    box("Table", (0.7, 0.4, 0.7), (1.1, 0.7, 0.04), oak, 0.6, 0.01)
    for dx in (-0.48, 0.48):
        for dy in (-0.28, 0.28):
            box("Leg", (0.7 + dx, 0.4 + dy, 0.34), (0.06, 0.06, 0.68), oak)
    box("Sofa base", (-1.9, 0.5, 0.22), (0.8, 1.8, 0.44), cloth, 0.5, 0.05)
    box("Sofa back", (-2.22, 0.5, 0.55), (0.2, 1.8, 0.7), cloth, 0.5, 0.05)
    shelf = principled("Shelf", (0.25, 0.14, 0.08))
    books = principled("Books", textures.book_spines())
    box("Shelf", (-0.4, 1.8, 0.45), (1.4, 0.3, 0.9), shelf, bevel=0.01)
    box("Books", (-0.4, 1.75, 1.05), (1.2, 0.2, 0.3), books, 1.2)
    paint = principled("Painting", textures.painting())
    box("Painting", (-WIDE / 2 + 0.03, -0.6, 1.5), (0.03, 0.9, 0.6), paint, 0.9)
    clay = principled("Clay", (0.55, 0.25, 0.12), Roughness=0.6)
    add(
        "Pot",
        lathe("Pot", [(0.06, 0), (0.1, 0.12), (0.07, 0.2), (0.05, 0.19), (0, 0.05)], clay),
        (0.5, 0.45, 0.72),
    )
    ball(
        "Steel",
        (0.95, 0.3, 0.8),
        0.08,
        principled("Steel", (0.8, 0.8, 0.82), Metallic=1.0, Roughness=0.15),
    )
