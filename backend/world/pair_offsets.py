# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, one for each picture, of which only the differences between pairs were measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def pair_offsets(
    count: int, pairs: Iterable[tuple[int, int, float, float]], pull: float
) -> np.ndarray:
    """(count,) float64 numbers by least squares, pulled to 0.

    pairs: first, second, by how much the second's number is larger, weight of that.
    """
    A, b = pull * np.eye(count), np.zeros(count)
    for i, j, difference, weight in pairs:
        A[i, i] += weight
        A[j, j] += weight
        A[i, j] -= weight
        A[j, i] -= weight
        b[i] -= weight * difference
        b[j] += weight * difference
    return np.linalg.solve(A, b)
