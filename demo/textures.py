# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo scene's pictures from numpy: (H, W, 3) float32 sRGB in [0, 1], row 0 on top."""

from __future__ import annotations

import numpy as np


def value_noise(size: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth periodic noise in [0, 1], (size, size), with `cells` random values along each side."""
    grid = rng.random((cells, cells))
    at = np.arange(size) * cells / size
    low = at.astype(int)
    part = at - low
    part = part * part * (3 - 2 * part)
    high = (low + 1) % cells
    rows = grid[low] * (1 - part)[:, None] + grid[high] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, high] * part


def clouds(size: int, seed: int, octaves: int = 5, cells: int = 4) -> np.ndarray:
    """Fractal noise in [0, 1], (size, size)."""
    rng = np.random.default_rng(seed)
    total = sum(value_noise(size, cells << i, rng) * 0.5**i for i in range(octaves))
    return (total - total.min()) / (total.max() - total.min())


def tint(shade: np.ndarray, dark: tuple, light: tuple) -> np.ndarray:
    """Colours between `dark` and `light` by `shade` in [0, 1]."""
    dark, light = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    return (dark + (light - dark) * shade[..., None]).astype(np.float32)


def wood_floor(size: int = 1024, planks: int = 8) -> np.ndarray:
    """Planks along x with joints, each of its own tone and grain."""
    rng = np.random.default_rng(1)
    row = np.arange(size) * planks // size
    column = (np.arange(size)[None, :] / size * 2 + row[:, None] * 0.37) % 2
    board = row[:, None] * 2 + column.astype(int)
    tone = rng.random(planks * 2 + 2)[board]
    grain = np.repeat(clouds(size, 2, 6, 16)[:, : size // 16], 16, axis=1)
    picture = tint(0.55 * tone + 0.45 * grain, (0.36, 0.22, 0.12), (0.70, 0.49, 0.30))
    across = np.arange(size) * planks % size < planks * 3
    along = column % 1 < 0.004
    picture[across[:, None] | along] *= 0.45
    return picture


def plaster(size: int = 512) -> np.ndarray:
    return tint(clouds(size, 3, 6, 8), (0.80, 0.77, 0.70), (0.90, 0.88, 0.83))


def wallpaper(size: int = 512, stripes: int = 8) -> np.ndarray:
    """Two blues in stripes with a row of small diamonds."""
    x, y = np.meshgrid(np.arange(size) / size, np.arange(size) / size)
    picture = tint(
        np.repeat((np.arange(size) * stripes // size % 2)[None].astype(float), size, 0),
        (0.23, 0.36, 0.44),
        (0.29, 0.43, 0.51),
    )
    diamond = np.abs(x * stripes % 2 - 0.5) + np.abs(y * stripes % 2 - 0.5) < 0.2
    picture[diamond] = (0.80, 0.69, 0.45)
    return picture * (0.92 + 0.08 * clouds(size, 4)[..., None]).astype(np.float32)


def fabric(dark: tuple, light: tuple, size: int = 512, threads: int = 48) -> np.ndarray:
    """A plain weave."""
    wave = np.sin(np.arange(size) * 2 * np.pi * threads / size)
    shade = 0.5 + 0.25 * wave[:, None] * wave[None, :] + 0.5 * (clouds(size, 5) - 0.5)
    return tint(np.clip(shade, 0, 1), dark, light)


def rug(size: int = 512) -> np.ndarray:
    """Concentric frames around a star."""
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    square = np.maximum(np.abs(x), np.abs(y))
    palette = np.array(
        [(0.55, 0.13, 0.12), (0.86, 0.76, 0.58), (0.16, 0.22, 0.36), (0.62, 0.20, 0.15)]
    )
    band = (square * 8).astype(int).clip(0, 7)
    picture = palette[(band + (band > 5)) % 4]
    star = np.abs(x) ** 0.6 + np.abs(y) ** 0.6 < 0.75
    picture[star] = (0.88, 0.79, 0.60)
    teeth = (band == 6) & ((np.floor((x + y) * 16) % 2) == 0)
    picture[teeth] = (0.16, 0.22, 0.36)
    return (picture * (0.8 + 0.2 * clouds(size, 6, 6, 16)[..., None])).astype(np.float32)


def painting(size: int = 512) -> np.ndarray:
    """An evening landscape: sun, sky and three ranges of hills."""
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    picture = tint(y**0.8, (0.16, 0.22, 0.45), (0.98, 0.66, 0.38))
    picture[(x - 0.66) ** 2 + (y - 0.47) ** 2 < 0.008] = (1.0, 0.90, 0.62)
    for level, (base, colour) in enumerate(
        [(0.55, (0.42, 0.33, 0.48)), (0.68, (0.25, 0.26, 0.38)), (0.82, (0.12, 0.17, 0.20))]
    ):
        ridge = (
            base + 0.06 * np.sin(x * (7 + 4 * level) + level) + 0.03 * np.sin(x * 23 + 2 * level)
        )
        picture[y > ridge] = colour
    return (picture * (0.85 + 0.15 * clouds(size, 7, 6, 8)[..., None])).astype(np.float32)


def grass(size: int = 1024) -> np.ndarray:
    patches = 0.6 * clouds(size, 8, 7, 8) + 0.4 * clouds(size, 9, 3, 128)
    return tint(patches, (0.16, 0.27, 0.08), (0.47, 0.58, 0.24))


def bricks(size: int = 512, rows: int = 16) -> np.ndarray:
    rng = np.random.default_rng(10)
    y = np.arange(size) * rows / size
    x = np.arange(size)[None, :] * (rows / 2) / size + 0.5 * (y.astype(int) % 2)[:, None]
    tone = rng.random((rows, rows))[y.astype(int)[:, None], x.astype(int) % rows]
    picture = tint(0.6 * tone + 0.4 * clouds(size, 11), (0.42, 0.18, 0.13), (0.72, 0.39, 0.28))
    picture[((y % 1) < 0.12)[:, None] | ((x % 1) < 0.06)] = (0.74, 0.71, 0.66)
    return picture


def book_spines(size: int = 512, books: int = 26) -> np.ndarray:
    """A shelf's worth of upright books, with the shadow above the shorter ones."""
    rng = np.random.default_rng(12)
    edges = np.concatenate([[0], np.cumsum(rng.uniform(0.5, 1.5, books))])
    book = np.searchsorted(edges / edges[-1], np.arange(size) / size, side="right") - 1
    colour = rng.uniform(0.12, 0.75, (books, 3)) * rng.choice([0.6, 1.0], (books, 1))
    picture = np.repeat(colour[book][None], size, axis=0).astype(np.float32)
    top = rng.uniform(0.04, 0.22, books)[book]
    y = (np.arange(size) / size)[:, None]
    picture[(y > top + 0.10) & (y < top + 0.14)] = (0.85, 0.74, 0.46)
    picture[:, np.flatnonzero(np.diff(book))] *= 0.3
    picture[y[:, 0][:, None] < top[None]] = (0.07, 0.05, 0.04)
    return picture


def sky(width: int = 1024) -> np.ndarray:
    """An equirectangular sky with clouds above the horizon, (width // 2, width, 3)."""
    height = width // 2
    up = 1 - 2 * (np.arange(height) + 0.5) / height  # +1 zenith, -1 nadir
    picture = tint(
        np.clip(up, 0, 1)[:, None].repeat(width, 1) ** 0.6, (0.80, 0.88, 0.96), (0.28, 0.50, 0.84)
    )
    cover = clouds(width, 13, 7, 4)[:height]
    weight = (np.clip(cover * 2.4 - 1.2, 0, 1) * np.clip(up * 5, 0, 1)[:, None])[..., None]
    picture = picture * (1 - weight) + np.float32(0.97) * weight
    picture[up < 0] = (0.42, 0.44, 0.38)
    return picture.astype(np.float32)
