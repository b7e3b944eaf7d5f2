# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces that stand at one place twice, as copies do that somebody made and never moved.

What leaves one of the two meets the other at once. Where their plane is exactly one of the axes'
planes Cycles finds every ray stopped, and they are black; elsewhere rounding decides, and about
half of the rays get away. The others meet the second surface, which takes them to the other side.
"""

from __future__ import annotations

import numpy as np

from ..jit import kernel

AWAY = 0.5
"""Part of the rays that rounding lets get away."""
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


@kernel
def _names(bits, odd, out):
    """out (T,) uint64: names of triangles, bits (T, 3, 3) uint32, whatever corner is first."""
    for t in range(bits.shape[0]):
        total = np.uint64(0)
        for k in range(3):
            name = np.uint64(0)
            for d in range(3):
                name = (name ^ np.uint64(bits[t, k, d])) * odd[d]
                name ^= name >> np.uint64(29)
            total += name * odd[2]
        out[t] = total


def ordered_names(corners: np.ndarray) -> np.ndarray:
    """(T,) uint64, rising: names of triangles, corners (T, 3, 3) float32."""
    return np.sort(_named(corners))


def light_left(corners: np.ndarray, names: np.ndarray) -> np.ndarray | None:
    """(T,) float32 part of the light that gets to and from triangles, corners (T, 3, 3) float32;
    None where none is doubled.

    names: (T,) uint64, the `ordered_names` of one part of them after the other.
    """
    ordered = np.sort(names, kind="stable")  # which merges what is ordered already
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return None
    doubled = np.flatnonzero(np.isin(_named(corners), again))
    level = (corners[doubled] == corners[doubled, :1]).all(axis=1).any(axis=1)
    left = np.ones(len(corners), np.float32)
    left[doubled] = np.where(level, 0, AWAY)
    return left


def between_two(base: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What two surfaces of albedo `base` (N, 3) at one place send back, and what they let through,
    as albedos (N, 3). left: (N, 1) part of the rays that get away from either.

    A ray that does not meets the other surface, which looks to the other side:
    R1 = base (left L1 + (1 - left) R2), and the same for R2; solved for R1.
    """
    stopped = (1 - left) * base
    again = np.maximum(1 - stopped * stopped, 1e-3)
    return left * base / again, left * base * stopped / again


def _named(corners: np.ndarray) -> np.ndarray:
    corners = corners + np.float32(0)  # one zero instead of two
    names = np.empty(len(corners), np.uint64)
    _names(corners.view(np.uint32), np.array(_ODD, np.uint64), names)
    return names
