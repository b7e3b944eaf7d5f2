# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural, tileable textures as small images: colour, slope and gloss, with mip levels.

A texture is (SIZE, SIZE, 6) float32: linear rgb, slope along u and v, gloss factor.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import cv2
import numpy as np

SIZE = 256
LEVELS = 9  # SIZE, SIZE / 2, ..., 1
CHANNELS = 6
_VARIANTS = 4  # textures of one family in a scene
_PHOTO_SHARE = 0.35
_KEPT = ("facade", "leaves", "water", "snow")  # a photo would make no sense of these

Field = np.ndarray
_U, _V = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE)
_FREQUENCY = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]) * SIZE


class TextureSet:
    """The textures of one scene; `photos` (H, W, 3) uint8, if any, stand in for some of them."""

    def __init__(self, rng: np.random.Generator, photos: Sequence[np.ndarray] = ()) -> None:
        self.rng = rng
        self.photos = photos
        self.images: list[np.ndarray] = []
        self.known: dict[str, list[int]] = {}
        self.palette = palette(rng)

    def add(self, family: str) -> int:
        """A texture of `family` (in FAMILIES): new, or one made before when there are many."""
        known = self.known.setdefault(family, [])
        if len(known) >= _VARIANTS:
            return int(self.rng.choice(known))
        colors = self.palette if self.rng.random() < 0.6 else palette(self.rng)
        if self.photos and family not in _KEPT and self.rng.random() < _PHOTO_SHARE:
            rgb, height = _photo(self.rng, self.photos)
        else:
            rgb, height = FAMILIES[family](self.rng, colors)
        self.images.append(_finish(self.rng, rgb, height))
        known.append(len(self.images) - 1)
        return known[-1]

    def pyramid(self) -> np.ndarray:
        """(T, sum of level sizes, CHANNELS) float32: every mip level of every texture, flat."""
        count = len(self.images)
        out = np.empty((count, sum((SIZE >> k) ** 2 for k in range(LEVELS)), CHANNELS), np.float32)
        start = 0
        for k in range(LEVELS):
            stop = start + (SIZE >> k) ** 2
            for i, image in enumerate(self.images):
                if k > 0:  # the mean of 2 x 2 texels of the level before
                    side = SIZE >> (k - 1)
                    above = out[i, start - side * side : start].reshape(
                        side, side // 2, 2, CHANNELS
                    )
                    rows = above.sum(2)
                    image = 0.25 * (rows[::2] + rows[1::2])
                out[i, start:stop] = image.reshape(-1, CHANNELS)
            start = stop
        return out


def palette(rng: np.random.Generator) -> np.ndarray:
    """(6, 3) sRGB colours that go together: one hue family and an accent, light to dark."""
    hue = rng.random()
    saturation = rng.choice([0.04, 0.14, 0.3, 0.6], p=[0.3, 0.35, 0.25, 0.1])
    hues = hue + rng.normal(0, 0.05, 6)
    hues[5] = hue + rng.choice([0.5, 0.33, -0.33, 0.1])
    values = np.array([0.92, 0.78, 0.6, 0.42, 0.24, 0.65]) * rng.uniform(0.85, 1.08, 6)
    saturations = np.clip(saturation * rng.uniform(0.6, 1.4, 6), 0, 0.95)
    saturations[5] = min(1.0, saturation + 0.3)
    triples = zip(hues % 1, saturations, np.clip(values, 0, 1), strict=True)
    return np.array([colorsys.hsv_to_rgb(*triple) for triple in triples])


def noise(rng: np.random.Generator, low: float, high: float, power: float = 1.0) -> Field:
    """Tileable noise in [0, 1] with frequencies low..high cycles a tile, amplitude f^-power."""
    gain = np.where((low <= _FREQUENCY) & (high >= _FREQUENCY), (_FREQUENCY + 1e-9) ** -power, 0)
    phase = rng.random(_FREQUENCY.shape)
    field = np.fft.irfft2(gain * np.exp(2j * np.pi * phase), s=(SIZE, SIZE))
    return np.clip(0.5 + 0.2 * field / (field.std() + 1e-12), 0, 1)


def streaks(rng: np.random.Generator, along: float, across: float) -> Field:
    """Noise drawn out along u: about `along` cycles along u and `across` along v."""
    fu = np.abs(np.fft.rfftfreq(SIZE)[None]) * SIZE / along
    fv = np.abs(np.fft.fftfreq(SIZE)[:, None]) * SIZE / across
    gain = np.exp(-0.5 * (fu**2)) * (fv < 1) * np.minimum(1, fv * 8)
    spectrum = gain * np.exp(2j * np.pi * rng.random(gain.shape))
    field = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return np.clip(0.5 + 0.2 * field / (field.std() + 1e-12), 0, 1)


def cells(rng: np.random.Generator, count: int, jitter: float = 0.9) -> tuple[Field, Field, Field]:
    """Voronoi: distance to the nearest seed, to the border (both in cells), id in [0, 1)."""
    spots = (0.5 + jitter * (rng.random((count, count, 2)) - 0.5)).astype(np.float32)
    ids = rng.random((count, count))
    u, v = _U * count, _V * count
    i, j = np.floor(v).astype(int), np.floor(u).astype(int)
    near = np.full(u.shape, 9.0)
    second, which = near.copy(), near.copy()
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            spot = spots[(i + a) % count, (j + b) % count]
            dist = np.hypot(i + a + spot[..., 0] - v, j + b + spot[..., 1] - u)
            closer = dist < near
            second = np.where(closer, near, np.minimum(second, dist))
            which = np.where(closer, ids[(i + a) % count, (j + b) % count], which)
            near = np.where(closer, dist, near)
    return near, second - near, which


def mix(a: np.ndarray, b: np.ndarray, t: Field) -> np.ndarray:
    """Colours a, b (3,) or (S, S, 3) blended by t (S, S)."""
    return a + (b - a) * np.clip(t, 0, 1)[..., None]


def ramp(colors: np.ndarray, t: Field) -> np.ndarray:
    """Colours (n, 3) interpolated along t in [0, 1]."""
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, at, colors[:, c]) for c in range(3)], -1)


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
        2 * np.pi * (3 * _V * rng.integers(1, 4) + 2.5 * noise(rng, 1, 4, 1.5) + grain)
    )
    rgb = mix(tone * 0.55, tone * 1.1, 0.45 * rings + 0.55 * grain)
    return rgb, 0.4 * grain


def _planks(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    rgb, height = _wood(rng, c)
    rows = int(rng.choice([4, 6, 8, 10]))
    row = np.floor(_V * rows).astype(int)
    shift = rng.random(rows)
    boards = int(rng.integers(1, 4))
    along = (_U + shift[row]) * boards
    tone = rng.uniform(0.7, 1.15, (rows, boards))[row, np.floor(along).astype(int) % boards]
    gap = np.minimum(np.abs((_V * rows) % 1 - 0.5), 1) > 0.5 - 0.02 * rows / 8
    gap |= np.abs(along % 1 - 0.5) > 0.5 - 0.004 * boards
    slide = rng.integers(0, SIZE, rows)[row]
    columns = (np.arange(SIZE)[None] + slide) % SIZE
    rgb = rgb[np.arange(SIZE)[:, None], columns] * tone[..., None]
    return np.where(gap[..., None], rgb * 0.3, rgb), np.where(gap, -1.0, height)


def _bricks(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    rows = int(rng.choice([8, 12, 16]))
    columns = max(2, rows // int(rng.choice([2, 2, 3])))
    row = np.floor(_V * rows).astype(int)
    along = _U * columns + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % columns
    edge = np.minimum(
        0.5 - np.abs(along % 1 - 0.5), (0.5 - np.abs((_V * rows) % 1 - 0.5)) * columns / rows
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
    i, j = np.floor(_V * n).astype(int), np.floor(_U * n).astype(int)
    edge = np.minimum(0.5 - np.abs((_V * n) % 1 - 0.5), 0.5 - np.abs((_U * n) % 1 - 0.5))
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
    odd = (np.floor(_V * n) + np.floor(_U * n)) % 2 == 0
    rgb = np.where(odd[..., None], c[rng.integers(0, 2)], c[rng.integers(3, 6)])
    return rgb * (0.85 + 0.3 * noise(rng, 3, 100, 0.9))[..., None], np.zeros_like(_U)


def _stripes(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    edges = np.sort(rng.random(int(rng.integers(4, 12))))
    axis = _U if rng.random() < 0.5 else _V
    times = int(rng.choice([1, 2, 4]))
    band = np.searchsorted(edges, (axis * times) % 1) % len(edges)
    pick = rng.integers(0, 6, len(edges) + 1)
    weave = 0.5 + 0.5 * np.sin(2 * np.pi * 64 * _U) * np.sin(2 * np.pi * 64 * _V)
    rgb = c[pick[band]] * (0.82 + 0.12 * weave + 0.15 * noise(rng, 3, 60, 1.0))[..., None]
    return rgb, 0.2 * weave


def _fabric(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    n = int(rng.choice([24, 32, 48]))
    weave = np.where(
        (np.floor(_U * n) + np.floor(_V * n)) % 2 == 0,
        np.sin(np.pi * (_U * n % 1)),
        np.sin(np.pi * (_V * n % 1)),
    )
    folds = noise(rng, 1, 10, 1.4)
    rgb = mix(c[rng.integers(2, 5)], c[rng.integers(0, 6)], 0.25 + 0.4 * weave)
    return rgb * (0.75 + 0.4 * folds)[..., None], 0.4 * weave + 0.6 * folds


def _rug(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    u, v = np.abs(_U - 0.5) * 2, np.abs(_V - 0.5) * 2
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
    vein = np.abs(np.sin(2 * np.pi * (_U + 2 * _V + 3.0 * warp)))
    fine = np.abs(np.sin(2 * np.pi * (2 * _V - _U + 4.0 * noise(rng, 2, 40, 1.3))))
    rgb = mix(
        c[rng.integers(3, 5)], c[0] * 0.6 + 0.38, np.minimum(vein**0.35, 0.4 + 0.6 * fine**0.3)
    )
    return rgb, np.zeros_like(_U)


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
    u, v = _U * n, _V * n
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
    y, x = _V * rows, _U * per_row
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = np.floor((y % 1) * 8).astype(int) - 1, np.floor((x % 1) * 4).astype(int)
    inside = (a >= 0) & (a < 5) & (b < 3)
    ink = inside & strokes[i, j, np.clip(a, 0, 4), np.clip(b, 0, 2)]
    paper = c[0] * 0.5 + 0.45
    rgb = np.where(ink[..., None], c[rng.integers(3, 6)] * 0.5, paper)
    return rgb * (0.94 + 0.1 * noise(rng, 1, 20, 1.3))[..., None], np.zeros_like(_U)


def _poster(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    """A framed picture or sign: shapes, a small landscape or lettering."""
    style = rng.integers(0, 4)
    if style == 0:
        rgb = ramp(c[rng.permutation(6)], noise(rng, 1, 30, 1.4))
    elif style == 1:
        horizon = 0.45 + 0.3 * (noise(rng, 1, 20, 1.5)[0] - 0.5)
        rgb = np.where((horizon[None] < _V)[..., None], mix(c[3], c[4], _V), mix(c[0], c[5], _V))
    else:
        rgb = np.broadcast_to(c[rng.integers(0, 6)], (SIZE, SIZE, 3)).copy()
    for _ in range(int(rng.integers(2, 9)) if style > 1 else 1):
        x, y, w, h = rng.uniform(0.1, 0.9, 4)
        if rng.random() < 0.5:
            mask = np.hypot(_U - x, _V - y) < 0.3 * w
        else:
            mask = (np.abs(_U - x) < 0.3 * w) & (np.abs(_V - y) < 0.3 * h)
        rgb = np.where(mask[..., None], c[rng.integers(0, 6)], rgb)
    if style == 3:
        text, _ = _glyphs(rng, c, int(rng.choice([8, 12])))
        low = rng.uniform(0.3, 0.7)
        rgb = np.where(
            (np.abs(_V - low) < 0.2)[..., None] & (np.abs(_U - 0.5) < 0.4)[..., None], text, rgb
        )
    border = np.maximum(np.abs(_U - 0.5), np.abs(_V - 0.5)) > rng.uniform(0.44, 0.5)
    return np.where(border[..., None], c[rng.choice([0, 4])], rgb), np.where(border, 1.0, 0.0)


def _facade(rng: np.random.Generator, c: np.ndarray) -> tuple[np.ndarray, Field]:
    """Windows with frames, sills and sometimes shutters on a wall; v runs downwards in bays."""
    wall, height = FAMILIES[str(rng.choice(["plaster", "bricks", "concrete", "plaster"]))](rng, c)
    n, m = int(rng.choice([2, 3, 4])), int(rng.choice([2, 3]))
    x, y = (_U * n) % 1 - 0.5, (_V * m) % 1 - 0.5
    i, j = np.floor(_V * m).astype(int), np.floor(_U * n).astype(int)
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
            shutter[..., None], c[5] * (0.75 + 0.25 * (np.floor(_V * m * 30) % 2))[..., None], rgb
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
    x, y = np.abs((_U * n) % 1 - 0.5), np.abs((_V * m) % 1 - 0.5)
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
    row = np.floor(_V * n).astype(int)
    along = _U * n + 0.5 * (row % 2)
    tone = rng.uniform(0.65, 1.15, (n, n))[row, np.floor(along).astype(int) % n]
    bulge = np.sin(np.pi * (along % 1)) * (0.4 + 0.6 * ((_V * n) % 1))
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


def _photo(rng: np.random.Generator, photos: Sequence[np.ndarray]) -> tuple[np.ndarray, Field]:
    """A square of a photo, mirrored so that it tiles."""
    photo = photos[int(rng.integers(len(photos)))]
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    half = SIZE // 2
    crop = cv2.resize(photo[y : y + side, x : x + side], (half, half), interpolation=cv2.INTER_AREA)
    quarter = crop.astype(np.float64) / 255
    top = np.concatenate([quarter, quarter[:, ::-1]], 1)
    rgb = np.concatenate([top, top[::-1]], 0)
    return rgb, 0.5 * rgb.mean(2)


def _finish(rng: np.random.Generator, rgb: np.ndarray, height: Field) -> np.ndarray:
    """Wear, contrast and conversion to linear; slopes by central differences."""
    wear = 1 - rng.uniform(0, 0.25) * noise(rng, 1, 30, 1.3)
    rgb = np.clip(rgb * wear[..., None], 0.015, 0.92)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    slope_u = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 0.5
    slope_v = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 0.5
    gloss = 0.6 + 0.4 * wear
    out = np.dstack([linear, slope_u, slope_v, gloss])
    return out.astype(np.float32)
