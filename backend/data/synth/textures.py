# SPDX-License-Identifier: GPL-3.0-or-later
"""The textures of a scene: small tileable images with mip levels.

A texture is (SIZE, SIZE, 6) float32: linear rgb, slope along u and v, gloss factor.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from .fields import SIZE, Field, noise
from .patterns import FAMILIES

LEVELS = 9  # SIZE, SIZE / 2, ..., 1
CHANNELS = 6
_VARIANTS = 4  # textures of one family in a scene
_PHOTO_SHARE = 0.35
_KEPT = ("facade", "leaves", "water", "snow")  # a photo would make no sense of these


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
