# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a world's origin lies in the coordinates it came in: georeferenced data is far away.

float32 holds half a metre at the coordinates of a map. An offset is taken off in doubles, kept
in the world's provenance and given back on export.
"""

from __future__ import annotations

import json

import numpy as np

from ..shared.reading import MALFORMED, number, parse_json

FAR = 5_000.0
"""Metres from which on coordinates are those of a map."""
_KEY = "origin"


def origin_of(xyz: np.ndarray) -> np.ndarray:
    """(3,) float64 whole metres to take off points (N, 3): their middle, and the ground's height.

    Zero for points that are near the origin as they are.
    """
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if not len(xyz):
        return np.zeros(3)
    some = xyz[:: max(1, len(xyz) // 100_000)]
    middle = np.median(some, axis=0)
    if np.abs(middle).max() < FAR:
        return np.zeros(3)
    middle[2] = np.percentile(some[:, 2], 2)
    return np.round(middle)


def remember(provenance: dict[str, str], origin: np.ndarray) -> dict[str, str]:
    """`provenance` with the (3,) origin, metres, in it, where there is one."""
    if not origin.any():
        return provenance
    return provenance | {_KEY: json.dumps([float(value) for value in origin])}


def recall(provenance: dict[str, str]) -> np.ndarray:
    """(3,) float64 to add to the world's coordinates; zero where nothing sensible is kept."""
    try:
        values = [number(value) for value in parse_json(provenance.get(_KEY, "[0, 0, 0]"))]
    except MALFORMED:
        return np.zeros(3)
    return np.array(values) if len(values) == 3 else np.zeros(3)
