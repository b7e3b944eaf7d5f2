# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that sockets hold: one for all points or one a point, and how sockets convert them.

A float is () or (N,), a vector or colour (3,) or (N, 3), all float32.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

LUMINANCE = np.array([0.2126729, 0.7151522, 0.0721750], np.float32)
"""Weights of linear Rec.709, as Cycles has them."""


class Kind(Enum):
    """What a socket holds."""

    FLOAT = 1
    VECTOR = 3
    COLOR = 4
    SHADER = 5


FLOAT, VECTOR, COLOR, SHADER = Kind.FLOAT, Kind.VECTOR, Kind.COLOR, Kind.SHADER


def as_float(value: np.ndarray, kind: Kind) -> np.ndarray:
    """() or (N,): the luminance of a colour, the mean of a vector, (3,) or (N, 3)."""
    if kind is COLOR:
        return value @ LUMINANCE
    return value.mean(axis=-1, dtype=np.float32) if kind is VECTOR else value


def as_wide(value: np.ndarray, kind: Kind) -> np.ndarray:
    """(3,) or (N, 3): a float, () or (N,), three times."""
    if kind is not FLOAT:
        return value
    return np.repeat(np.asarray(value)[..., None], 3, axis=-1)


def from_json(value: Any) -> tuple[np.ndarray, Kind]:
    """A socket's own value, () or (3,) float32; ValueError for what is none."""
    made = np.asarray(value, np.float32)
    if not np.isfinite(made).all():
        raise ValueError("a value that is not finite")
    if made.ndim == 0:
        return made, FLOAT
    if made.shape == (2,):
        return np.append(made, np.float32(0)), VECTOR
    if made.shape in ((3,), (4,)):
        return made[:3], COLOR if len(made) == 4 else VECTOR
    raise ValueError(f"a value of shape {made.shape}")


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """() or (N,): products of vectors (3,) or (N, 3)."""
    return np.einsum("...i,...i->...", a, b)


def unit(vectors: np.ndarray) -> np.ndarray:
    """(..., C) vectors of length 1 of vectors (..., C); zeros stay zeros."""
    length = np.sqrt(dot(vectors, vectors))[..., None]
    return vectors / np.where(length > 0, length, 1).astype(np.float32)


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...) float32 a / b, and 0 where b is 0; a, b: (...), broadcast."""
    zero = b == 0
    return np.where(zero, 0, a / np.where(zero, 1, b)).astype(np.float32)
