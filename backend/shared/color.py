# SPDX-License-Identifier: GPL-3.0-or-later
"""Between 8-bit sRGB, where pictures come in and go out, and scene-linear light."""

from __future__ import annotations

import numpy as np


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB (...,) in [0, 1] to linear light, float32 (IEC 61966-2-1)."""
    x = np.asarray(srgb, np.float32)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light (...,), clipped to [0, 1], to sRGB, float32 (IEC 61966-2-1)."""
    x = np.clip(np.asarray(linear, np.float32), 0.0, 1.0)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def _bytes_of_halves() -> np.ndarray:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return np.rint(255 * linear_to_srgb(np.nan_to_num(halves))).astype(np.uint8)


LINEAR = srgb_to_linear(np.arange(256) / 255)
"""(256,) float32 linear light of sRGB bytes."""

_HALVES = LINEAR.astype(np.float16)
_BYTES = _bytes_of_halves()


def halves_of_bytes(rgb: np.ndarray) -> np.ndarray:
    """float16 linear light of uint8 sRGB (...,); `bytes_of_halves` gives the same bytes back."""
    return _HALVES[rgb]


def bytes_of_halves(linear: np.ndarray) -> np.ndarray:
    """uint8 sRGB of float16 linear light (...,): clipped to [0, 1], 0 where it is no number."""
    return _BYTES[np.ascontiguousarray(linear, np.float16).view(np.uint16)]


def as_halves(linear: np.ndarray) -> np.ndarray:
    """float16 of linear light (...,); too bright for it becomes its brightest, NaN becomes 0."""
    most = np.finfo(np.float16).max
    return np.clip(np.nan_to_num(linear, nan=0.0), -most, most).astype(np.float16)
