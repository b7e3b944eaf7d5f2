# SPDX-License-Identifier: GPL-3.0-or-later
"""How two colours are mixed: Blender's blend types, for scene-linear colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..values import divide
from .models import hsv_to_rgb, rgb_to_hsv


def _screen(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 1 - (1 - t + t * (1 - b)) * (1 - a)


def _overlay(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    dark = a * (1 - t + 2 * t * b)
    bright = 1 - (1 - t + 2 * t * (1 - b)) * (1 - a)
    return np.where(a < 0.5, dark, bright)


def _divide(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.where(b != 0, (1 - t) * a + t * divide(a, b), a)


def _dodge(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    under = 1 - t * b
    made = np.where(under <= 0, 1, np.minimum(divide(a, under), 1))
    return np.where(a != 0, made, a)


def _burn(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    under = 1 - t + t * b
    return np.where(under <= 0, 0, np.clip(1 - divide(1 - a, under), 0, 1))


def _soft(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    screen = 1 - (1 - b) * (1 - a)
    return (1 - t) * a + t * ((1 - a) * b * a + a * screen)


def _by_hsv(parts: str, grey_keeps: bool) -> Callable:
    """Take the components named in `parts` (of "hsv") from the second colour."""

    def mix(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
        first, second = (rgb_to_hsv(c) for c in np.broadcast_arrays(a, b))
        made = first.copy()
        for i, part in enumerate("hsv"):
            if part in parts:
                made[..., i] = second[..., i]
        mixed = a + t * (hsv_to_rgb(made) - a)
        return np.where(second[..., 1:2] != 0, mixed, a) if grey_keeps else mixed

    return mix


def _part_by_hsv(index: int) -> Callable:
    """Mix one component of HSV; a grey first colour has no saturation to change."""

    def mix(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
        first, second = (rgb_to_hsv(c) for c in np.broadcast_arrays(a, b))
        share = np.broadcast_to(t, (*first.shape[:-1], 1))[..., 0]
        made = first.copy()
        made[..., index] = first[..., index] * (1 - share) + second[..., index] * share
        mixed = hsv_to_rgb(made)
        return np.where(first[..., 1:2] != 0, mixed, a) if index == 1 else mixed

    return mix


BLENDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "MIX": lambda a, b, t: a + t * (b - a),
    "ADD": lambda a, b, t: a + t * b,
    "MULTIPLY": lambda a, b, t: a + t * (a * b - a),
    "SCREEN": _screen,
    "OVERLAY": _overlay,
    "SUBTRACT": lambda a, b, t: a - t * b,
    "DIVIDE": _divide,
    "DIFFERENCE": lambda a, b, t: a + t * (np.abs(a - b) - a),
    "EXCLUSION": lambda a, b, t: np.maximum(a + t * (b - 2 * a * b), 0),
    "DARKEN": lambda a, b, t: a + t * (np.minimum(a, b) - a),
    "LIGHTEN": lambda a, b, t: a + t * (np.maximum(a, b) - a),
    "DODGE": _dodge,
    "BURN": _burn,
    "HUE": _by_hsv("h", True),
    "SATURATION": _part_by_hsv(1),
    "VALUE": _part_by_hsv(2),
    "COLOR": _by_hsv("hs", True),
    "SOFT_LIGHT": _soft,
    "LINEAR_LIGHT": lambda a, b, t: a + t * (2 * b - 1),
}
