# SPDX-License-Identifier: GPL-3.0-or-later
"""How much light sheen gives: measured in Cycles' Diffuse Color pass of a white Sheen BSDF."""

from __future__ import annotations

import numpy as np

_ROUGHNESS = np.array([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], np.float32)
_COSINE = np.array([0.0, 0.19, 0.275, 0.359, 0.439, 0.517, 0.658, 0.78, 0.878, 1.0], np.float32)
_ALBEDO = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.4, 0.101, 0.0298, 0.009, 0.0034, 0.0014, 0.0004, 0.0002, 0.0001, 0.0001],
        [0.6, 0.2545, 0.137, 0.0695, 0.0357, 0.0187, 0.0063, 0.0027, 0.0015, 0.0008],
        [0.65, 0.3634, 0.25, 0.1654, 0.1083, 0.0705, 0.0315, 0.0159, 0.0093, 0.0049],
        [0.68, 0.4381, 0.3403, 0.258, 0.1936, 0.1441, 0.0823, 0.0495, 0.0326, 0.0187],
        [0.69, 0.4942, 0.4116, 0.3379, 0.2748, 0.2238, 0.1498, 0.1041, 0.0767, 0.0506],
        [0.7, 0.5403, 0.4715, 0.4069, 0.3495, 0.2999, 0.2246, 0.1729, 0.1394, 0.1044],
        [0.71, 0.5814, 0.5223, 0.4672, 0.4163, 0.3716, 0.3, 0.249, 0.2136, 0.1762],
        [0.72, 0.6178, 0.5674, 0.5188, 0.4751, 0.4351, 0.3717, 0.3256, 0.2937, 0.258],
        [0.73, 0.6514, 0.6064, 0.5642, 0.5254, 0.4917, 0.4373, 0.3983, 0.3717, 0.342],
    ],
    np.float32,
)
"""By roughness, then cosine to the viewer; the column of cosine 0 is continued, not measured."""


def sheen_albedo(roughness: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """() or (N,): the share of even light that white sheen reflects to a viewer.

    roughness, cosine: () or (N,).
    """
    rough, seen = np.broadcast_arrays(roughness, np.abs(cosine))
    row, down = _between(_ROUGHNESS, rough)
    column, right = _between(_COSINE, seen)
    upper = _ALBEDO[row, column] * (1 - right) + _ALBEDO[row, column + 1] * right
    lower = _ALBEDO[row + 1, column] * (1 - right) + _ALBEDO[row + 1, column + 1] * right
    return (upper * (1 - down) + lower * down).astype(np.float32)


def _between(ends: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.clip(np.nan_to_num(at), ends[0], ends[-1])
    low = np.clip(np.searchsorted(ends, at, side="right") - 1, 0, len(ends) - 2)
    return low, (at - ends[low]) / (ends[low + 1] - ends[low])
