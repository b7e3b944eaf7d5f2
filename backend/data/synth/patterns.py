# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of surface patterns: brick, wood, cloth, stone, facades, lettering and so on.

Each takes a dice and six palette colours (light to dark, the last an accent) and returns sRGB
(SIZE, SIZE, 3) and a height field (SIZE, SIZE) of about unit range for the relief.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np

from .fields import SIZE, Field, U, V, cells, mix, noise, ramp, streaks


def _plaster(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    base = c[rng.integers(0, 3)]
    stains = noise(rng, 1, 12, 1.6)
    grain = noise(rng, 20, 128, 0.4)
    rgb = base * (0.88 + 0.16 * stains + 0.08 * grain)[..., None]
    return rgb, 0.3 * noise(rng, 4, 90, 1.0)


def _concrete(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    grey = np.array([0.55, 0.54, 0.52]) * rng.uniform(0.7, 1.15)
    stains, pores = noise(rng, 1, 30, 1.2), noise(rng, 30, 128, 0.2)
    rgb = mix(grey * 0.72, mix(grey, c[1], np.full(stains.shape, 0.15)), stains * 1.2 - 0.1)
    return rgb * (0.9 + 0.2 * pores)[..., None], 0.5 * stains - (pores > 0.85)


def _wood(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    tone = np.array(
        colorsys.hsv_to_rgb(rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.85))
    )
    if rng.random() < 0.25:
        tone = c[rng.integers(0, 6)]
    grain = streaks(rng, 3, 60)
    rings = 0.5 + 0.5 * np.sin(
        2 * np.pi * (3 * V * rng.integers(1, 4) + 2.5 * noise(rng, 1, 4, 1.5) + grain)
    )
    rgb = mix(tone * 0.55, tone * 1.1, 0.45 * rings + 0.55 * grain)
    return rgb, 0.4 * grain


def _planks(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    rgb, height = _wood(rng, c)
    rows = int(rng.choice([4, 6, 8, 10]))
    row = np.floor(V * rows).astype(int)
    shift = rng.random(rows)
    boards = int(rng.integers(1, 4))
    along = (U + shift[row]) * boards
    tone = rng.uniform(0.7, 1.15, (rows, boards))[row, np.floor(along).astype(int) % boards]
    gap = np.minimum(np.abs((V * rows) % 1 - 0.5), 1) > 0.5 - 0.02 * rows / 8
    gap |= np.abs(along % 1 - 0.5) > 0.5 - 0.004 * boards
    slide = rng.integers(0, SIZE, rows)[row]
    columns = (np.arange(SIZE)[None] + slide) % SIZE
    rgb = rgb[np.arange(SIZE)[:, None], columns] * tone[..., None]
    return np.where(gap[..., None], rgb * 0.3, rgb), np.where(gap, -1.0, height)


def _bricks(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    rows = int(rng.choice([8, 12, 16]))
    columns = max(2, rows // int(rng.choice([2, 2, 3])))
    row = np.floor(V * rows).astype(int)
    along = U * columns + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % columns
    edge = np.minimum(
        0.5 - np.abs(along % 1 - 0.5), (0.5 - np.abs((V * rows) % 1 - 0.5)) * columns / rows
    )
    edge += 0.02 * (noise(rng, 8, 60, 0.8) - 0.5)
    face = np.clip((edge - 0.03) * 40, 0, 1)
    clay = np.array(
        colorsys.hsv_to_rgb(rng.uniform(0.0, 0.09), rng.uniform(0.2, 0.65), rng.uniform(0.4, 0.8))
    )
    clay = c[rng.integers(0, 6)] if rng.random() < 0.35 else clay
    tone = rng.uniform(0.6, 1.2, (rows, columns))[row, column]
    grain = noise(rng, 6, 128, 0.7)
    brick = clay * (tone * (0.75 + 0.5 * grain))[..., None]
    mortar = np.array([0.62, 0.6, 0.57]) * rng.uniform(0.5, 1.2) * (0.85 + 0.3 * grain)[..., None]
    return mix(mortar, brick, face), face + 0.3 * grain


def _tiles(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = int(rng.choice([2, 4, 6, 8]))
    i, j = np.floor(V * n).astype(int), np.floor(U * n).astype(int)
    edge = np.minimum(0.5 - np.abs((V * n) % 1 - 0.5), 0.5 - np.abs((U * n) % 1 - 0.5))
    face = np.clip((edge - 0.02) * 60, 0, 1)
    vein = noise(rng, 2, 60, 1.3)
    tone = rng.uniform(0.85, 1.1, (n, n))[i, j]
    base = mix(c[0], c[1], vein)
    if rng.random() < 0.4:
        base = np.where(
            ((i + j) % 2 == 0)[..., None],
            base,
            c[rng.integers(2, 5)] * (0.8 + 0.4 * vein[..., None]),
        )
    return mix(c[4] * 0.8, base * tone[..., None], face), face * 0.8


def _checker(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = 2 * int(rng.choice([1, 2, 4, 6]))
    odd = (np.floor(V * n) + np.floor(U * n)) % 2 == 0
    rgb = np.where(odd[..., None], c[rng.integers(0, 2)], c[rng.integers(3, 6)])
    return rgb * (0.85 + 0.3 * noise(rng, 3, 100, 0.9))[..., None], np.zeros_like(U)


def _stripes(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    edges = np.sort(rng.random(int(rng.integers(4, 12))))
    axis = U if rng.random() < 0.5 else V
    times = int(rng.choice([1, 2, 4]))
    band = np.searchsorted(edges, (axis * times) % 1) % len(edges)
    pick = rng.integers(0, 6, len(edges) + 1)
    weave = 0.5 + 0.5 * np.sin(2 * np.pi * 64 * U) * np.sin(2 * np.pi * 64 * V)
    rgb = c[pick[band]] * (0.82 + 0.12 * weave + 0.15 * noise(rng, 3, 60, 1.0))[..., None]
    return rgb, 0.2 * weave


def _fabric(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = int(rng.choice([24, 32, 48]))
    weave = np.where(
        (np.floor(U * n) + np.floor(V * n)) % 2 == 0,
        np.sin(np.pi * (U * n % 1)),
        np.sin(np.pi * (V * n % 1)),
    )
    folds = noise(rng, 1, 10, 1.4)
    rgb = mix(c[rng.integers(2, 5)], c[rng.integers(0, 6)], 0.25 + 0.4 * weave)
    return rgb * (0.75 + 0.4 * folds)[..., None], 0.4 * weave + 0.6 * folds


def _rug(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    u, v = np.abs(U - 0.5) * 2, np.abs(V - 0.5) * 2
    frame = np.maximum(u, v)
    n = int(rng.integers(3, 8))
    pattern = np.sin(2 * np.pi * n * u) * np.sin(2 * np.pi * n * v) + np.cos(
        2 * np.pi * n * (u + v)
    )
    rgb = c[rng.permutation(6)[np.digitize(pattern, [-0.6, 0.2, 0.9])]]
    for low, high in ((0.78, 0.82), (0.86, 0.95)):
        rgb = np.where(((frame > low) & (frame < high))[..., None], c[rng.integers(0, 6)], rgb)
    pile = noise(rng, 30, 128, 0.2)
    return rgb * (0.7 + 0.5 * pile)[..., None], 0.3 * pile


def _marble(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    warp = noise(rng, 1, 20, 1.4)
    vein = np.abs(np.sin(2 * np.pi * (U + 2 * V + 3.0 * warp)))
    fine = np.abs(np.sin(2 * np.pi * (2 * V - U + 4.0 * noise(rng, 2, 40, 1.3))))
    rgb = mix(
        c[rng.integers(3, 5)], c[0] * 0.6 + 0.38, np.minimum(vein**0.35, 0.4 + 0.6 * fine**0.3)
    )
    return rgb, np.zeros_like(U)


def _cells(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    near, border, which = cells(rng, int(rng.choice([5, 8, 12, 18])))
    face = np.clip((border - 0.06) * 12, 0, 1)
    rgb = ramp(c[:5], which) * (0.75 + 0.35 * noise(rng, 4, 100, 0.8))[..., None]
    return mix(c[4] * 0.5, rgb, face), face * 1.2 - near * 0.4


def _cobble(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    near, border, which = cells(rng, int(rng.choice([6, 9, 12])), 0.5)
    face = np.clip((border - 0.08) * 8, 0, 1)
    grey = np.array([0.5, 0.48, 0.45]) * 0.7 + c[2] * 0.3
    stone = grey * ((0.6 + 0.6 * which) * (0.8 + 0.35 * noise(rng, 6, 120, 0.6)))[..., None]
    return mix(grey * 0.3, stone, face), 1.5 * face - near


def _grass(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    hue = rng.uniform(0.17, 0.33)
    dark = np.array(colorsys.hsv_to_rgb(hue, 0.6, 0.18))
    light = np.array(
        colorsys.hsv_to_rgb(hue - 0.05, rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.6))
    )
    blades = np.maximum(streaks(rng, 40, 110).T, noise(rng, 30, 128, 0.2) * 0.9)
    dry = mix(light, np.array([0.62, 0.54, 0.32]), noise(rng, 1, 10, 1.3) * 1.6 - 0.6)
    return mix(dark, dry, blades * 1.3 - 0.15), blades


def _gravel(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    near, border, which = cells(rng, int(rng.choice([20, 28, 40])))
    sand = np.array(
        colorsys.hsv_to_rgb(
            rng.uniform(0.05, 0.13), rng.uniform(0.05, 0.4), rng.uniform(0.45, 0.75)
        )
    )
    stone = sand * (0.5 + 0.7 * which)[..., None]
    return stone * (0.55 + 0.55 * np.clip(border * 4, 0, 1) * (1.1 - near))[..., None], 1 - near


def _rock(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    rough = noise(rng, 2, 128, 1.1)
    ridge = 1 - np.abs(2 * noise(rng, 2, 60, 1.3) - 1)
    stone = np.array(
        colorsys.hsv_to_rgb(rng.uniform(0.03, 0.12), rng.uniform(0.08, 0.5), rng.uniform(0.4, 0.7))
    )
    strata = streaks(rng, 2, 24)
    return ramp(
        np.array([0.4, 0.8, 1.0, 1.2])[:, None] * stone, 0.4 * rough + 0.3 * ridge + 0.3 * strata
    ), 1.5 * rough + ridge


def _snow(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    drift = noise(rng, 1, 40, 1.4)
    return mix(np.array([0.72, 0.78, 0.88]), np.array([0.95, 0.96, 0.98]), drift * 1.3), drift


def _leaves(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    near, _, which = cells(rng, int(rng.choice([14, 20, 28])), 1.0)
    hue = rng.choice([0.28, 0.25, 0.33, 0.1, 0.05], p=[0.35, 0.25, 0.2, 0.1, 0.1]) + rng.normal(
        0, 0.015
    )
    leaf = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.45, 0.75), rng.uniform(0.35, 0.6)))
    shade = (0.25 + 0.9 * which) * (1.15 - near) * (0.6 + 0.6 * noise(rng, 2, 20, 1.0))
    return leaf * shade[..., None], 2 * (1 - near)


def _metal(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    brushed = streaks(rng, 2, 110)
    grey = np.array([0.6, 0.61, 0.63]) * rng.uniform(0.6, 1.2)
    rgb = grey * (0.8 + 0.3 * brushed)[..., None]
    rust = np.clip(noise(rng, 2, 60, 1.1) * 3 - 1.9 + rng.uniform(-0.5, 0.4), 0, 1)
    return mix(rgb, np.array([0.42, 0.22, 0.1]), rust), 0.2 * brushed + 0.4 * rust


def _paint(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    base = c[rng.integers(0, 6)]
    return base * (0.92 + 0.1 * noise(rng, 1, 40, 1.3))[..., None], 0.1 * noise(rng, 2, 60, 1.0)


def _damask(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = int(rng.choice([2, 4, 6]))
    u, v = U * n, V * n
    u = u + 0.5 * (np.floor(v) % 2)
    r = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
    angle = np.arctan2(v % 1 - 0.5, u % 1 - 0.5)
    petals = int(rng.integers(3, 9))
    motif = np.cos(angle * petals) * 0.12 + 0.3 - r
    a, b = c[rng.integers(0, 3)], c[rng.integers(0, 6)]
    rgb = mix(a, b, np.clip(motif * 30, 0, 1) * np.clip((r - 0.08) * 30, 0.2, 1))
    return rgb * (0.9 + 0.15 * noise(rng, 2, 100, 1.0))[..., None], 0.3 * np.clip(motif * 30, 0, 1)


def _glyphs(
    rng: np.random.Generator, c: np.ndarray, rows: int | None = None
) -> tuple[np.ndarray, Field]:
    """Rows of text-like marks on paper."""
    rows = rows or int(rng.choice([8, 12, 16, 24]))
    per_row = rows * 2
    strokes = rng.random((rows, per_row, 5, 3)) < 0.55
    strokes[rng.random((rows, per_row)) < 0.18] = False  # spaces between words
    last = rng.integers(per_row // 2, per_row, rows)
    strokes[np.arange(per_row)[None] >= last[:, None]] = False
    y, x = V * rows, U * per_row
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = np.floor((y % 1) * 8).astype(int) - 1, np.floor((x % 1) * 4).astype(int)
    inside = (a >= 0) & (a < 5) & (b < 3)
    ink = inside & strokes[i, j, np.clip(a, 0, 4), np.clip(b, 0, 2)]
    paper = c[0] * 0.5 + 0.45
    rgb = np.where(ink[..., None], c[rng.integers(3, 6)] * 0.5, paper)
    return rgb * (0.94 + 0.1 * noise(rng, 1, 20, 1.3))[..., None], np.zeros_like(U)


def _poster(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    """A framed picture or sign: shapes, a small landscape or lettering."""
    style = rng.integers(0, 4)
    if style == 0:
        rgb = ramp(c[rng.permutation(6)], noise(rng, 1, 30, 1.4))
    elif style == 1:
        horizon = 0.45 + 0.3 * (noise(rng, 1, 20, 1.5)[0] - 0.5)
        rgb = np.where((horizon[None] < V)[..., None], mix(c[3], c[4], V), mix(c[0], c[5], V))
    else:
        rgb = np.broadcast_to(c[rng.integers(0, 6)], (SIZE, SIZE, 3)).copy()
    for _ in range(int(rng.integers(2, 9)) if style > 1 else 1):
        x, y, w, h = rng.uniform(0.1, 0.9, 4)
        if rng.random() < 0.5:
            mask = np.hypot(U - x, V - y) < 0.3 * w
        else:
            mask = (np.abs(U - x) < 0.3 * w) & (np.abs(V - y) < 0.3 * h)
        rgb = np.where(mask[..., None], c[rng.integers(0, 6)], rgb)
    if style == 3:
        text, _ = _glyphs(rng, c, int(rng.choice([8, 12])))
        low = rng.uniform(0.3, 0.7)
        rgb = np.where(
            (np.abs(V - low) < 0.2)[..., None] & (np.abs(U - 0.5) < 0.4)[..., None], text, rgb
        )
    border = np.maximum(np.abs(U - 0.5), np.abs(V - 0.5)) > rng.uniform(0.44, 0.5)
    return np.where(border[..., None], c[rng.choice([0, 4])], rgb), np.where(border, 1.0, 0.0)


def _facade(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    """Windows with frames, sills and sometimes shutters on a wall; v runs downwards in bays."""
    wall, height = FAMILIES[str(rng.choice(["plaster", "bricks", "concrete", "plaster"]))](rng, c)
    n, m = int(rng.choice([2, 3, 4])), int(rng.choice([2, 3]))
    x, y = (U * n) % 1 - 0.5, (V * m) % 1 - 0.5
    i, j = np.floor(V * m).astype(int), np.floor(U * n).astype(int)
    w, h = rng.uniform(0.16, 0.34), rng.uniform(0.22, 0.36)
    pane = (np.abs(x) < w) & (np.abs(y) < h)
    frame = pane & ((np.abs(x) > w - 0.03) | (np.abs(y) > h - 0.025))
    bars_u, bars_v = rng.integers(1, 4, 2)
    bar = pane & (
        (np.abs((x / w + 1) * bars_u / 2 % 1 - 0.5) > 0.46)
        | (np.abs((y / h + 1) * bars_v / 2 % 1 - 0.5) > 0.46)
    )
    inside = rng.uniform(0.05, 0.5, (m, n))[i, j] * (0.5 + 0.5 * (y / h + 1) / 2)
    glass = mix(np.array([0.08, 0.1, 0.13]), np.array([0.5, 0.6, 0.7]), inside)
    curtain = (
        pane
        & (np.abs(x) > w * rng.uniform(0.3, 1.0, (m, n))[i, j])
        & (rng.random((m, n))[i, j] < 0.6)
    )
    glass = np.where(curtain[..., None], c[rng.integers(0, 6)] * 0.8, glass)
    trim = c[rng.choice([0, 0, 4])]
    rgb = np.where(pane[..., None], glass, wall)
    if rng.random() < 0.4:
        shutter = (np.abs(x) >= w) & (np.abs(x) < 1.75 * w) & (np.abs(y) < h)
        rgb = np.where(
            shutter[..., None], c[5] * (0.75 + 0.25 * (np.floor(V * m * 30) % 2))[..., None], rgb
        )
    rgb = np.where((frame | bar)[..., None], trim, rgb)
    sill = (np.abs(x) < w + 0.05) & (y > h) & (y < h + 0.05)
    rgb = np.where(sill[..., None], trim * 0.85, rgb)
    if rng.random() < 0.5:
        rgb = np.where((np.abs(y) > 0.47)[..., None], trim * 0.8, rgb)
    return rgb, np.where(pane, -1.0, 0.3 * height) + sill


def _panels(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    """Doors and wall panelling: nested raised rectangles."""
    n, m = int(rng.choice([1, 2])), int(rng.choice([2, 3]))
    rgb, height = FAMILIES[str(rng.choice(["wood", "paint"]))](rng, c)
    x, y = np.abs((U * n) % 1 - 0.5), np.abs((V * m) % 1 - 0.5)
    inset = np.minimum(0.5 - x, (0.5 - y) * 1.3)
    groove = (np.abs(inset - 0.12) < 0.015) | (np.abs(inset - 0.18) < 0.01)
    return np.where(groove[..., None], rgb * 0.55, rgb), height * 0.3 + np.clip(
        (inset - 0.12) * 15, 0, 1
    )


def _asphalt(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    grain, patch = noise(rng, 30, 128, 0.1), noise(rng, 1, 12, 1.2)
    tone = rng.uniform(0.22, 0.4)
    crack = np.abs(noise(rng, 2, 50, 1.4) - 0.5) < 0.006
    grey = tone * (0.7 + 0.35 * patch) * (0.7 + 0.6 * grain)
    return np.where(crack, grey * 0.4, grey)[..., None] * np.array([1, 1, 1.03]), grain


def _roof(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = int(rng.choice([8, 12, 16]))
    row = np.floor(V * n).astype(int)
    along = U * n + 0.5 * (row % 2)
    tone = rng.uniform(0.65, 1.15, (n, n))[row, np.floor(along).astype(int) % n]
    bulge = np.sin(np.pi * (along % 1)) * (0.4 + 0.6 * ((V * n) % 1))
    clay = np.array(
        colorsys.hsv_to_rgb(rng.uniform(0, 0.08), rng.uniform(0.1, 0.65), rng.uniform(0.35, 0.65))
    )
    return clay * (tone * (0.4 + 0.7 * bulge))[..., None], 2 * bulge


def _water(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    ripple = noise(rng, 3, 50, 1.3)
    return mix(np.array([0.08, 0.2, 0.24]), np.array([0.2, 0.4, 0.42]), ripple), 0.6 * ripple


FAMILIES: dict[str, Callable[[np.random.Generator, np.ndarray], tuple[np.ndarray, Field]]] = {
    "plaster": _plaster, "concrete": _concrete, "wood": _wood, "planks": _planks,
    "bricks": _bricks, "tiles": _tiles, "checker": _checker, "stripes": _stripes,
    "fabric": _fabric, "rug": _rug, "marble": _marble, "cells": _cells, "cobble": _cobble,
    "grass": _grass, "gravel": _gravel, "rock": _rock, "snow": _snow, "leaves": _leaves,
    "metal": _metal, "paint": _paint, "damask": _damask, "glyphs": _glyphs, "poster": _poster,
    "facade": _facade, "panels": _panels, "asphalt": _asphalt, "roof": _roof, "water": _water,
}  # fmt: skip
