# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures at all sizes, and filtered lookups in them.

Level 0 is the texture's own array; each further level has half its width and height, averaged
in linear light weighted by alpha and encoded as level 0 is. As in Cycles, 8-bit pixels are
interpolated as they are stored and decoded afterwards, and colours count times their alpha.
"""

from __future__ import annotations

import threading
import weakref

import numba
import numpy as np

from ....shared.scene import Texture

REPEAT, EXTEND, CLIP, MIRROR = range(4)
EXTENSIONS = {"REPEAT": REPEAT, "EXTEND": EXTEND, "CLIP": CLIP, "MIRROR": MIRROR}
ROWS = 512
"""Rows of level 0 that are averaged at once: bounds the memory that takes."""


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, values beyond 1 included."""
    curve = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, curve).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """The inverse of `srgb_to_linear`."""
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
        return self._mean

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """`rest` and `levels`; made when first asked for, by whichever thread asks."""
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
            current = self._linear(self.base)
        self._mean = current[0, 0]
        rest = np.concatenate(parts) if parts else np.zeros((1, 4), self.base.dtype)
        return rest, np.array(table, np.int64)

    def _linear(self, pixels: np.ndarray) -> np.ndarray:
        """Linear colours times alpha, float32."""
        if not self.table.size:
            linear = pixels.copy()
        else:
            linear = np.empty(pixels.shape, np.float32)
            linear[..., :3] = self.table[pixels[..., :3]]
            linear[..., 3] = pixels[..., 3] * np.float32(1 / 255)
        if self.has_alpha:
            linear[..., :3] *= linear[..., 3:]
        return linear

    def _first(self) -> np.ndarray:
        """Level 1, in strips so that level 0 is never whole in float32."""
        height = self.base.shape[0]
        if height % 2 or height <= ROWS:
            return halve(self._linear(self.base))
        strips = range(0, height, ROWS)
        return np.concatenate([halve(self._linear(self.base[r : r + ROWS])) for r in strips])

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


_known: dict[int, tuple[weakref.ref, TexturePyramid]] = {}
_guard = threading.Lock()


def pyramid_of(texture: Texture) -> TexturePyramid:
    """The pyramid of a texture, the same for every material that uses it."""
    with _guard:
        found = _known.get(id(texture))
        if found is not None and found[0]() is texture:
            return found[1]
        key = id(texture)
        made = TexturePyramid(texture)
        _known[key] = (weakref.ref(texture, lambda _: _known.pop(key, None)), made)
        return made


@numba.njit(nogil=True, cache=True)
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


@numba.njit(nogil=True, cache=True)
def _add(pixels, start, row, column, stride, weight, extension_out, unit, premultiply, sums):
    """Add one texel's colour (times alpha) and alpha."""
    if extension_out:
        return
    at = start + row * stride + column
    alpha = pixels[at, 3] * unit
    times = weight * alpha if premultiply else weight
    sums[0] += pixels[at, 0] * times
    sums[1] += pixels[at, 1] * times
    sums[2] += pixels[at, 2] * times
    sums[3] += alpha * weight


@numba.njit(nogil=True, cache=True)
def _sample(pixels, start, height, width, x, y, extension, closest, unit, premultiply, sums):
    """Interpolated between the four texels around (x, y) in texels, as they are stored."""
    sums[:] = 0.0
    if closest:
        column, row = (
            _wrap(int(np.floor(x)), width, extension),
            _wrap(int(np.floor(y)), height, extension),
        )
        outside = row < 0 or column < 0
        _add(pixels, start, row, column, width, 1.0, outside, unit, premultiply, sums)
        return
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    fx, fy = x - 0.5 - left, y - 0.5 - top
    for down in range(2):
        row = _wrap(int(top) + down, height, extension)
        weight = fy if down else 1.0 - fy
        for right in range(2):
            column = _wrap(int(left) + right, width, extension)
            _add(
                pixels,
                start,
                row,
                column,
                width,
                weight * (fx if right else 1.0 - fx),
                row < 0 or column < 0,
                unit,
                premultiply,
                sums,
            )


@numba.njit(nogil=True, cache=True)
def _lookup(base, rest, levels, table, uv, widths, extension, closest, premultiply, straight, out):
    """`TexturePyramid.lookup`."""
    top = base.reshape(-1, 4)
    unit = np.float32(1.0 / 255.0) if table.size else np.float32(1.0)
    texels = np.sqrt(np.float32(levels[0, 1] * levels[0, 2]))
    sums = np.zeros(4, np.float32)
    for n in range(len(uv)):
        u, v = uv[n, 0], uv[n, 1]
        for c in range(4):
            out[n, c] = 0.0
        if not (np.isfinite(u) and np.isfinite(v)):
            continue
        if extension == 0 or extension == 3:
            u -= np.floor(u * 0.5) * 2.0
            v -= np.floor(v * 0.5) * 2.0
        else:
            u = min(max(u, np.float32(-4.0)), np.float32(5.0))
            v = min(max(v, np.float32(-4.0)), np.float32(5.0))
        level = np.log2(max(widths[n] * texels, np.float32(1e-6)))
        if not level > 0.0:
            level = 0.0
        level = min(level, float(len(levels) - 1))
        lower = int(level)
        fraction = np.float32(level - lower)
        for step in range(2):
            share = fraction if step else np.float32(1.0) - fraction
            if share == 0.0:
                continue
            which = lower + step
            height, width = levels[which, 1], levels[which, 2]
            x, y = u * width, (1.0 - v) * height
            nearest = closest and which == 0
            if which == 0:
                _sample(top, 0, height, width, x, y, extension, nearest, unit, premultiply, sums)
            else:
                _sample(
                    rest,
                    levels[which, 0],
                    height,
                    width,
                    x,
                    y,
                    extension,
                    nearest,
                    unit,
                    premultiply,
                    sums,
                )
            alpha = sums[3]
            undo = np.float32(1.0)
            if straight and premultiply and alpha > 0.0:
                undo = np.float32(1.0) / alpha
            for c in range(3):
                value = sums[c] * undo
                if table.size:
                    value = min(max(value, np.float32(0.0)), np.float32(255.0))
                    code = int(value)
                    value = table[code] + (value - code) * (table[code + 1] - table[code])
                out[n, c] += share * value
            out[n, 3] += share * alpha
