# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images as sRGB bytes, read once and kept until they change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from threading import Lock

import bpy
import numpy as np

from ..backend.shared.color import linear_to_srgb, srgb_to_linear
from ..backend.shared.scene import Texture as Stored
from .images import Picture, forget_pictures, read_image, whole_texture
from .rgb import rgb_of

MAX_SIDE = 2048
"""Larger textures are thinned: no anchor is finer than this."""


@dataclass(frozen=True, eq=False)
class _Made:
    levels: list[np.ndarray]
    mean: tuple[float, float, float]
    fingerprint: bytes


class Texture:
    """An image's pixels, made ready where they are first asked for.

    extension: what lies outside the unit square (REPEAT, EXTEND, CLIP, MIRROR).
    """

    def __init__(self, picture: Picture, extension: str) -> None:
        self.extension = extension
        self._picture = picture
        self._made: _Made | None = None
        self._lock = Lock()

    @property
    def levels(self) -> list[np.ndarray]:
        """(H, W, 4) uint8 sRGB, row 0 at the bottom, each half the size of the one before."""
        return self.made().levels

    @property
    def mean(self) -> tuple[float, float, float]:
        """Linear RGB."""
        return self.made().mean

    @property
    def fingerprint(self) -> bytes:
        """Equal for equal textures."""
        return self.made().fingerprint

    def made(self) -> _Made:
        """What is made of the pixels, once. Takes its time: not for a draw."""
        with self._lock:
            if self._made is None:
                self._made = _make(_bytes(self._picture.texture), self.extension)
            return self._made


_cache: dict[tuple[object, ...], Texture] = {}


def forget_textures(names: set[str] | None = None) -> None:
    """Read images anew, all or those of these full names: they were painted or loaded."""
    forget_pictures(names)
    for key in list(_cache):
        if names is None or key[0] in names:
            _cache.pop(key, None)


def textures_kept() -> int:
    """How many textures were read and not forgotten; tests see by it that a slice reads none."""
    return len(_cache)


def image_texture(image: bpy.types.Image, extension: str) -> Texture | None:
    """The image's pixels, or None when it cannot be read."""
    key = (image.name_full, image.filepath, extension)
    texture = _cache.get(key)
    if texture is None:
        picture = read_image(image)
        if picture is None:
            return None
        texture = _cache[key] = Texture(picture, extension)
    return texture


def image_bytes(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) uint8 sRGB of every pixel of an image, row 0 at the bottom."""
    return _bytes(whole_texture(image), max(image.size))


def _bytes(texture: Stored, most: int = MAX_SIDE) -> np.ndarray:
    """(H, W, 4) uint8 sRGB, row 0 at the bottom, thinned to at most `most` on each side."""
    step = max(1, -(-max(texture.pixels.shape) // most))
    pixels = texture.pixels[::-1][::step, ::step]
    if texture.srgb:
        return pixels
    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        values /= np.float32(255)
    rgba = np.concatenate([linear_to_srgb(values[..., :3]), np.clip(values[..., 3:], 0, 1)], axis=2)
    return (rgba * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _make(rgba: np.ndarray, extension: str) -> _Made:
    rgba = np.ascontiguousarray(rgba)
    mean = srgb_to_linear(rgba[..., :3].reshape(-1, 3) / np.float32(255)).mean(axis=0)
    digest = hashlib.blake2b(rgba.data, digest_size=16)
    digest.update(extension.encode())
    return _Made(smaller_and_smaller(rgba), rgb_of(mean), digest.digest())


def smaller_and_smaller(rgba: np.ndarray) -> list[np.ndarray]:
    """(H, W, 4) uint8 sRGB and its halves, down to one pixel a side; averaged in linear light."""
    levels = [rgba]
    values = np.concatenate(
        [srgb_to_linear(rgba[..., :3] / np.float32(255)), rgba[..., 3:] / np.float32(255)], axis=2
    )
    while min(values.shape[:2]) > 1:
        height, width = (n // 2 * 2 for n in values.shape[:2])
        values = values[:height, :width].reshape(height // 2, 2, width // 2, 2, 4).mean(axis=(1, 3))
        small = np.concatenate([linear_to_srgb(values[..., :3]), values[..., 3:]], axis=2)
        levels.append((small * np.float32(255) + np.float32(0.5)).astype(np.uint8))
    return levels


def pixels_at(texture: Texture, uv: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """(N, 4) uint8 at UV coordinates (N, 2); what is clipped has alpha 0.

    footprint: (N,) pixels of the image that one point stands for, along a side; their mean is
    taken, or a fine pattern would turn into noise.
    """
    last = len(texture.levels) - 1
    level = np.clip(np.rint(np.log2(np.maximum(footprint, 1))), 0, last).astype(np.int8)
    inside = _wrapped(texture.extension, np.nan_to_num(uv))
    rgba = np.empty((len(uv), 4), np.uint8)
    for number in np.unique(level):
        mine = level == number
        rgba[mine] = _nearest(texture.levels[number], inside[mine])
    if texture.extension == "CLIP":
        rgba[((uv < 0) | (uv > 1)).any(axis=1)] = 0
    return rgba


def _wrapped(extension: str, uv: np.ndarray) -> np.ndarray:
    if extension == "REPEAT":
        return uv - np.floor(uv)
    if extension == "MIRROR":
        return 1 - np.abs(uv % 2 - 1)
    return np.clip(uv, 0, 1)


def _nearest(rgba: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = rgba.shape[:2]
    x = np.minimum((uv[:, 0] * width).astype(np.int32), width - 1)
    y = np.minimum((uv[:, 1] * height).astype(np.int32), height - 1)
    return rgba[y, x]
