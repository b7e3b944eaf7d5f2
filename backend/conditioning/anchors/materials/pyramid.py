# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures at all sizes, and filtered lookups in them.

Level 0 is the texture's own array; each further level has half its width and height, averaged
in linear light weighted by alpha and encoded as level 0 is. As in Cycles, 8-bit pixels of level 0
are interpolated as they are stored and decoded afterwards, and colours count times their alpha.
What is averaged is such interpolated light, which is darker than the pixels' own where neighbours
differ (3 % in pictures of gravel); further levels are decoded before they are interpolated.
"""

from __future__ import annotations

import math
import threading
from weakref import WeakKeyDictionary

import numpy as np

from ....shared.scene import Texture
from ...jit import kernel
from ...threads import in_pieces

REPEAT, EXTEND, CLIP, MIRROR = range(4)
EXTENSIONS = {"REPEAT": REPEAT, "EXTEND": EXTEND, "CLIP": CLIP, "MIRROR": MIRROR}
ROWS = 512
"""Rows of level 0 that are averaged at once: bounds the memory that takes."""


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """(...) float32 of codes (...), 1 = white: IEC 61966-2-1, values beyond 1 included."""
    curve = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, curve).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """(...) float32 of linear values (...): the inverse of `srgb_to_linear`."""
    curve = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curve).astype(np.float32)


class TexturePyramid:
    """One texture at all sizes.

    base: (H, W, 4) uint8 or float32. rest: (M, 4), the smaller levels one after another.
    levels: (L, 3) int64, offset in `rest` (0 for level 0, which is `base`), height and width.
    table: (257,) float32 that decodes 8-bit colours; empty for float32.
    """

    def __init__(self, texture: Texture) -> None:
        pixels = np.ascontiguousarray(texture.pixels)
        if pixels.dtype == np.uint8:
            codes = np.arange(257, dtype=np.float32) / 255
            self.table = srgb_to_linear(codes) if texture.srgb else codes
        else:
            pixels = np.nan_to_num(pixels.astype(np.float32), posinf=65504, neginf=-65504)
            if texture.srgb:
                pixels[..., :3] = srgb_to_linear(pixels[..., :3])
            self.table = np.zeros(0, np.float32)
        self.base = pixels
        self.has_alpha = texture.has_alpha
        self.srgb = texture.srgb
        self._lock = threading.Lock()
        self._rest: tuple[np.ndarray, np.ndarray] | None = None
        self._mean: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return self.base.shape[0], self.base.shape[1]

    def mean(self) -> np.ndarray:
        """(4,) linear colour times alpha, and alpha: the smallest level."""
        self.levels()
        assert self._mean is not None
        return self._mean

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """`rest` (M, 4) and `levels` (L, 3) int64; made when first asked for, by whichever thread
        asks."""
        with self._lock:
            if self._rest is None:
                self._rest = self._build()
        return self._rest

    def _build(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.size
        table, parts, offset = [(0, height, width)], [], 0
        current = None
        while height * width > 1:
            current = self._first() if current is None else halve(current)
            height, width = current.shape[:2]
            table.append((offset, height, width))
            offset += height * width
            parts.append(self._encode(current).reshape(-1, 4))
        if current is None:
            current = self._linear()
        self._mean = current[0, 0]
        rest = np.concatenate(parts) if parts else np.zeros((1, 4), self.base.dtype)
        return rest, np.array(table, np.int64)

    def _linear(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Linear colours times alpha, float32, of what is shown of rows `first` to `last`."""
        pixels = self.base[first:last]
        if self.table.size:
            linear = np.empty(pixels.shape, np.float32)

            def work(part: slice) -> None:
                start, stop = first + part.start, first + part.stop
                _shown(self.base, self.table, start, stop, self.has_alpha, linear[part])

            in_pieces(work, len(pixels), piece=16)
            return linear
        linear = pixels.copy()
        if self.has_alpha:
            linear[..., :3] *= linear[..., 3:]
        return linear

    def _first(self) -> np.ndarray:
        """Level 1, in strips so that level 0 is never whole in float32."""
        height = self.base.shape[0]
        if height % 2 or height <= ROWS:
            return halve(self._linear())
        strips = range(0, height, ROWS)
        return np.concatenate([halve(self._linear(row, row + ROWS)) for row in strips])

    def _encode(self, level: np.ndarray) -> np.ndarray:
        straight = level.copy()
        if self.has_alpha:
            straight[..., :3] /= np.maximum(straight[..., 3:], 1e-6)
        if not self.table.size:
            return straight
        if self.srgb:
            straight[..., :3] = linear_to_srgb(straight[..., :3])
        return np.clip(straight * 255 + 0.5, 0, 255).astype(np.uint8)

    def lookup(
        self, uv: np.ndarray, width: np.ndarray, extension: str, closest: bool, straight: bool
    ) -> np.ndarray:
        """(N, 4) linear colours and alpha.

        uv: (N, 2), v upwards. width: (N,) of the footprint in texture coordinates. straight:
        give colours back as they are, not times their alpha.
        """
        rest, levels = self.levels()
        out = np.empty((len(uv), 4), np.float32)
        premultiply = self.has_alpha
        _lookup(
            self.base,
            rest,
            levels,
            self.table,
            np.ascontiguousarray(uv, np.float32),
            np.ascontiguousarray(width, np.float32),
            EXTENSIONS.get(extension, REPEAT),
            closest,
            premultiply,
            straight,
            out,
        )
        return out


def halve(image: np.ndarray) -> np.ndarray:
    """(H, W, C) averaged to half its size, odd sizes with three weights a pixel."""
    return _halve_rows(_halve_rows(image).swapaxes(0, 1)).swapaxes(0, 1)


def _halve_rows(image: np.ndarray) -> np.ndarray:
    count = len(image)
    if count == 1:
        return image
    half = count // 2
    if count % 2 == 0:
        return (image[0::2] + image[1::2]) * np.float32(0.5)
    at = np.arange(half, dtype=np.float32).reshape(-1, *[1] * (image.ndim - 1))
    first, last = image[0:-1:2] * (half - at), image[2::2] * (at + 1)
    return ((first + image[1::2] * np.float32(half) + last) / np.float32(count)).astype(np.float32)


class Pyramids:
    """The pyramid of each texture, the same for every material that uses it. Not thread-safe."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Texture, TexturePyramid] = WeakKeyDictionary()

    def of(self, texture: Texture) -> TexturePyramid:
        """Made once, and kept for as long as the texture is."""
        made = self._known.get(texture)
        if made is None:
            made = self._known[texture] = TexturePyramid(texture)
        return made


@kernel
def _wrap(at, size, extension):
    """A texel's place inside the picture; -1 for none."""
    if 0 <= at < size:
        return at
    if extension == 1:
        return 0 if at < 0 else size - 1
    if extension == 2:
        return -1
    if extension == 3:
        at = at % (2 * size)
        return at if at < size else 2 * size - 1 - at
    return at % size


@kernel
def _texel(pixels, row, column, weight, unit, premultiply):
    """One texel's colour (times alpha) and alpha, times weight; nothing outside (-1)."""
    if row < 0 or column < 0:
        return np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    at = row + column
    alpha = weight * (pixels[at, 3] * unit)
    times = alpha if premultiply else weight
    return times * pixels[at, 0], times * pixels[at, 1], times * pixels[at, 2], alpha


@kernel
def _around(height, width, u, v):
    """Column and row of the texel left of and above (u, v), and how far it is past its middle."""
    x = u * np.float32(width) - np.float32(0.5)
    y = (np.float32(1) - v) * np.float32(height) - np.float32(0.5)
    left, top = np.int64(np.floor(x)), np.int64(np.floor(y))
    return left, top, x - np.float32(left), y - np.float32(top)


@kernel
def _bilinear(pixels, start, height, width, u, v, extension, unit, premultiply):
    """Interpolated between the four texels around (u, v), as they are stored."""
    left, top, fx, fy = _around(height, width, u, v)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    c0, c1 = _wrap(left, width, extension), _wrap(left + 1, width, extension)
    r0, r1 = _wrap(top, height, extension), _wrap(top + 1, height, extension)
    r0 = start + r0 * width if r0 >= 0 else -1
    r1 = start + r1 * width if r1 >= 0 else -1
    a0, a1, a2, a3 = _texel(pixels, r0, c0, gx * gy, unit, premultiply)
    b0, b1, b2, b3 = _texel(pixels, r0, c1, fx * gy, unit, premultiply)
    d0, d1, d2, d3 = _texel(pixels, r1, c0, gx * fy, unit, premultiply)
    e0, e1, e2, e3 = _texel(pixels, r1, c1, fx * fy, unit, premultiply)
    return a0 + b0 + d0 + e0, a1 + b1 + d1 + e1, a2 + b2 + d2 + e2, a3 + b3 + d3 + e3


@kernel
def _blended(pixels, table, start, height, width, u, v, extension, premultiply):
    """Linear colours (times alpha) between the four texels around (u, v), each decoded first."""
    left, top, fx, fy = _around(height, width, u, v)
    r = g = b = a = np.float32(0)
    for corner in range(4):
        down, right = corner >> 1, corner & 1
        row, column = _wrap(top + down, height, extension), _wrap(left + right, width, extension)
        if row < 0 or column < 0:
            continue
        weight = (fy if down else np.float32(1) - fy) * (fx if right else np.float32(1) - fx)
        at = start + row * width + column
        alpha = weight * pixels[at, 3] * np.float32(1 / 255)
        times = alpha if premultiply else weight
        r += times * table[np.int64(pixels[at, 0])]
        g += times * table[np.int64(pixels[at, 1])]
        b += times * table[np.int64(pixels[at, 2])]
        a += alpha
    return r, g, b, a


@kernel
def _shown(base, table, first, last, has_alpha, out):
    """Linear colours times alpha (last - first, W, 4), the mean of what Cycles shows in each of
    these rows' texels: of four lookups, at Gauss' points between texels' middles."""
    height, width = base.shape[:2]
    aside = np.float32(0.5 - 0.5 / math.sqrt(3.0))
    near, unit, quarter = np.float32(1) - aside, np.float32(1 / 255), np.float32(0.25)
    line = np.empty((width + 2, 4), np.float32)
    out[:] = 0
    for row in range(first, last):
        shown = out[row - first]
        for down in (-1, 1):
            other = min(max(row + down, 0), height - 1)
            for column in range(width):
                for c in range(4):
                    code = near * base[row, column, c] + aside * base[other, column, c]
                    line[column + 1, c] = code
                if has_alpha:
                    own = near * base[row, column, 3] * unit
                    far = aside * base[other, column, 3] * unit
                    for c in range(3):
                        line[column + 1, c] = (
                            own * base[row, column, c] + far * base[other, column, c]
                        )
            line[0], line[width + 1] = line[1], line[width]
            for right in (-1, 1):
                for column in range(width):
                    share, over = quarter, np.float32(1)
                    a = near * line[column + 1, 3] + aside * line[column + 1 + right, 3]
                    if has_alpha:
                        share *= a * unit
                        over = np.float32(1) / max(a * unit, np.float32(1e-6))
                    for c in range(3):
                        code = near * line[column + 1, c] + aside * line[column + 1 + right, c]
                        shown[column, c] += share * _decoded(code * over, table)
                    shown[column, 3] += quarter * a * unit


@kernel
def _nearest(pixels, height, width, u, v, extension, unit, premultiply):
    """The texel under (u, v) of level 0."""
    column = np.int64(np.floor(u * np.float32(width)))
    row = np.int64(np.floor((np.float32(1) - v) * np.float32(height)))
    row, column = _wrap(row, height, extension), _wrap(column, width, extension)
    row = row * width if row >= 0 else -1
    return _texel(pixels, row, column, np.float32(1), unit, premultiply)


@kernel
def _decoded(value, table):
    """Linear light of an interpolated 8-bit code."""
    value = min(max(value, np.float32(0)), np.float32(255))
    code = np.int64(value)
    low = table[code]
    return low + (value - np.float32(code)) * (table[code + 1] - low)


@kernel
def _wrapped(at, extension):
    """A coordinate near 0, so that its texel is exact: the same but for whole repeats."""
    if extension == 0 or extension == 3:
        return at - np.floor(at * np.float32(0.5)) * np.float32(2)
    return min(max(at, np.float32(-4)), np.float32(5))


@kernel
def _lookup(base, rest, levels, table, uv, widths, extension, closest, premultiply, straight, out):
    """`TexturePyramid.lookup`."""
    top = base.reshape(-1, 4)
    coded = len(table) > 0
    unit = np.float32(1.0 / 255.0) if coded else np.float32(1)
    texels = np.sqrt(np.float32(levels[0, 1]) * np.float32(levels[0, 2]))
    last = np.float32(len(levels) - 1)
    for n in range(len(uv)):
        out[n, 0] = out[n, 1] = out[n, 2] = out[n, 3] = np.float32(0)
        u, v = uv[n, 0], uv[n, 1]
        if not (np.isfinite(u) and np.isfinite(v)):
            continue
        u, v = _wrapped(u, extension), _wrapped(v, extension)
        size = widths[n] * texels
        level = min(np.log2(size), last) if size > np.float32(1) else np.float32(0)
        lower = np.int64(level)
        fraction = level - np.float32(lower)
        for step in range(2):
            share = fraction if step else np.float32(1) - fraction
            if share == 0:
                continue
            which = lower + step
            height, width = levels[which, 1], levels[which, 2]
            decoded = which > 0 and coded and (straight or not premultiply)
            if decoded:
                start = levels[which, 0]
                r, g, b, a = _blended(
                    rest, table, start, height, width, u, v, extension, premultiply
                )
            elif which > 0:
                start = levels[which, 0]
                r, g, b, a = _bilinear(
                    rest, start, height, width, u, v, extension, unit, premultiply
                )
            elif closest:
                r, g, b, a = _nearest(top, height, width, u, v, extension, unit, premultiply)
            else:
                r, g, b, a = _bilinear(top, 0, height, width, u, v, extension, unit, premultiply)
            if straight and premultiply and a > 0:
                r, g, b = r / a, g / a, b / a
            if coded and not decoded:
                r, g, b = _decoded(r, table), _decoded(g, table), _decoded(b, table)
            out[n, 0] += share * r
            out[n, 1] += share * g
            out[n, 2] += share * b
            out[n, 3] += share * a
