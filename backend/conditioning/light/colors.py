# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums over three channels; numpy reduces so short an axis slowly."""

from __future__ import annotations

import numpy as np


def brightest(colors: np.ndarray) -> np.ndarray:
    """(N,) largest channel of (N, 3)."""
    return np.maximum(np.maximum(colors[:, 0], colors[:, 1]), colors[:, 2])


def mean(colors: np.ndarray) -> np.ndarray:
    """(N,) mean channel of (N, 3)."""
    return (colors[:, 0] + colors[:, 1] + colors[:, 2]) * np.float32(1 / 3)


def length(vectors: np.ndarray) -> np.ndarray:
    """(N,) lengths of (N, 3)."""
    return np.sqrt(np.einsum("ni,ni->n", vectors, vectors))
