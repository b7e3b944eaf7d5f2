# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images as sRGB bytes, read once and kept until they change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from threading import Lock

import bpy
import numpy as np

from ..backend.shared.frame import linear_to_srgb, srgb_to_linear

MAX_SIDE = 2048
"""Larger textures are read in steps: no anchor is finer than this."""

_MOST_WAITING = 512 * 2**20
"""Bytes of copied pixels that may wait for a thread; beyond, they are worked on at once."""


@dataclass(frozen=True, eq=False)
class _Copied:
    """Pixels (H, W, C) float32 as Blender gave them. linear: of scene values, not of sRGB ones."""

    values: np.ndarray
    linear: bool


@dataclass(frozen=True, eq=False)
class _Made:
    levels: list[np.ndarray]
    mean: tuple[float, float, float]
    fingerprint: bytes


class Texture:
    """An image's pixels. Copied in Blender's thread; all else is made where it is first asked for.

    extension: what lies outside the unit square (REPEAT, EXTEND, CLIP, MIRROR).
    """

    def __init__(self, copied: _Copied, extension: str) -> None:
        self.extension = extension
        self._copied: _Copied | None = copied
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

    @property
    def waiting(self) -> int:
        """Bytes of copied pixels that nothing was made of yet."""
        copied = self._copied
        return 0 if copied is None else copied.values.nbytes

    def made(self) -> _Made:
        """What is made of the pixels, once. Takes its time: not for a draw."""
        with self._lock:
            if self._made is None:
                self._made = _make(self._copied, self.extension)
                self._copied = None
            return self._made


_cache: dict[tuple[object, ...], Texture] = {}


def forget_textures(names: set[str] | None = None) -> None:
    """Read images anew, all or those of these full names: they were painted or loaded."""
    for key in list(_cache):
        if names is None or key[0] in names:
            _cache.pop(key, None)


def textures_kept() -> int:
    """How many textures were read and not forgotten."""
    return len(_cache)


def image_texture(image: bpy.types.Image, extension: str) -> Texture | None:
    """The image's pixels, or None when it cannot be read."""
    key = (image.name_full, image.filepath, extension)
    texture = _cache.get(key)
    if texture is not None:
        return texture
    # asking an image for its size has Blender decode it, and again once it let go of the pixels
    width, height = image.size
    if width == 0 or height == 0 or image.channels not in {1, 3, 4}:
        return None
    waiting = sum(kept.waiting for kept in list(_cache.values()))
    texture = _cache[key] = Texture(_copied(image, MAX_SIDE), extension)
    if waiting > _MOST_WAITING:
        texture.made()
    return texture


def image_bytes(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) uint8 sRGB of every pixel of an image, row 0 at the bottom."""
    return _bytes(_copied(image, max(image.size)))


def _copied(image: bpy.types.Image, most: int) -> _Copied:
    """The pixels, thinned to at most `most` on each side."""
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    values = flat.reshape(height, width, image.channels)
    step = max(1, -(-max(width, height) // most))
    if step > 1:  # a view would keep the whole
        values = values[::step, ::step].copy()
    # the pixels of byte images stand as they are stored, those of float images are linear
    linear = image.is_float or image.colorspace_settings.name not in {"sRGB", ""}
    return _Copied(values, linear)


def _bytes(copied: _Copied) -> np.ndarray:
    """(H, W, 4) uint8 sRGB."""
    values = copied.values
    height, width, channels = values.shape
    if channels < 4:
        rgb = values if channels == 3 else np.repeat(values[..., :1], 3, axis=2)
        values = np.concatenate([rgb, np.ones((height, width, 1), np.float32)], axis=2)
    rgb = linear_to_srgb(values[..., :3]) if copied.linear else np.clip(values[..., :3], 0, 1)
    rgba = np.concatenate([rgb, np.clip(values[..., 3:], 0, 1)], axis=2)
    return (np.nan_to_num(rgba) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _make(copied: _Copied, extension: str) -> _Made:
    rgba = np.ascontiguousarray(_bytes(copied))
    mean = srgb_to_linear(rgba[..., :3].reshape(-1, 3) / np.float32(255)).mean(axis=0)
    digest = hashlib.blake2b(rgba.data, digest_size=16)
    digest.update(extension.encode())
    return _Made(smaller_and_smaller(rgba), tuple(float(c) for c in mean), digest.digest())


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
