# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour models: HSV, HSL, the colour of heat and of a wavelength."""

from __future__ import annotations

import numpy as np

from ..values import divide


def _hue(rgb: np.ndarray, high: np.ndarray, span: np.ndarray) -> np.ndarray:
    r, g, b = (rgb[..., i] for i in range(3))
    sixth = np.where(
        r == high,
        divide(g - b, span),
        np.where(g == high, 2 + divide(b - r, span), 4 + divide(r - g, span)),
    )
    return np.where(span == 0, 0, np.mod(sixth / 6, 1)).astype(np.float32)


def _wheel(hue: np.ndarray) -> np.ndarray:
    """(..., 3) pure colours."""
    h = np.mod(hue, 1)[..., None] * 6
    offset = np.array([3, 2, 4], np.float32)
    sign, base = np.array([1, -1, -1], np.float32), np.array([-1, 2, 2], np.float32)
    return np.clip(np.abs(h - offset) * sign + base, 0, 1)


def rgb_to_hsv(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) of colours (..., 3); hue in [0, 1)."""
    high, low = rgb.max(axis=-1), rgb.min(axis=-1)
    return np.stack([_hue(rgb, high, high - low), divide(high - low, high), high], axis=-1)


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """(..., 3): the inverse of `rgb_to_hsv`."""
    s, v = hsv[..., 1:2], hsv[..., 2:]
    return ((_wheel(hsv[..., 0]) - 1) * s + 1) * v


def rgb_to_hsl(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) of colours (..., 3); hue in [0, 1)."""
    high, low = rgb.max(axis=-1), rgb.min(axis=-1)
    light, span = np.minimum((high + low) / 2, 1), high - low
    full = np.where(light > 0.5, 2 - high - low, high + low)
    return np.stack([_hue(rgb, high, span), divide(span, full), light], axis=-1)


def hsl_to_rgb(hsl: np.ndarray) -> np.ndarray:
    """(..., 3): the inverse of `rgb_to_hsl`."""
    s, light = hsl[..., 1:2], hsl[..., 2:]
    return (_wheel(hsl[..., 0]) - 0.5) * (1 - np.abs(2 * light - 1)) * s + light


_XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def _sided(at: np.ndarray, middle: float, below: float, above: float) -> np.ndarray:
    return np.exp(-0.5 * ((at - middle) * np.where(at < middle, below, above)) ** 2)


def wavelength_xyz(nanometres: np.ndarray) -> np.ndarray:
    """(..., 3) CIE 1931 of wavelengths (...); the fit of Wyman, Sloan and Shirley, JCGT 2013."""
    at = np.asarray(nanometres, np.float64)
    x = 1.056 * _sided(at, 599.8, 0.0264, 0.0323) + 0.362 * _sided(at, 442.0, 0.0624, 0.0374)
    x = x - 0.065 * _sided(at, 501.1, 0.0490, 0.0382)
    y = 0.821 * _sided(at, 568.8, 0.0213, 0.0247) + 0.286 * _sided(at, 530.9, 0.0613, 0.0322)
    z = 1.217 * _sided(at, 437.0, 0.0845, 0.0278) + 0.681 * _sided(at, 459.0, 0.0385, 0.0725)
    return np.stack([x, y, z], axis=-1)


def wavelength_rgb(nanometres: np.ndarray) -> np.ndarray:
    """(..., 3) linear Rec.709 of wavelengths (...), scaled as Cycles scales it, nothing below 0."""
    rgb = wavelength_xyz(nanometres) @ _XYZ_TO_RGB.T / 2.52
    return np.maximum(rgb, 0).astype(np.float32)


_HEAT = np.geomspace(800, 12000, 256)


def _heat_table() -> np.ndarray:
    at = np.arange(360.0, 830.0, 5.0)
    power = at**-5 / (np.exp(1.4387769e7 / (at * _HEAT[:, None])) - 1)
    xyz = power @ wavelength_xyz(at)
    return (xyz / xyz[:, 1:2]) @ _XYZ_TO_RGB.T


_HEAT_RGB = _heat_table()


def blackbody_rgb(kelvin: np.ndarray) -> np.ndarray:
    """(..., 3) linear Rec.709 of luminance 1, by Planck's law; kelvin: (...), 800 to 12000."""
    at = np.clip(np.asarray(kelvin, np.float64), _HEAT[0], _HEAT[-1])
    parts = [np.interp(np.log(at), np.log(_HEAT), _HEAT_RGB[:, i]) for i in range(3)]
    return np.maximum(np.stack(parts, axis=-1), 0).astype(np.float32)
