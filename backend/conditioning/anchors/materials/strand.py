# SPDX-License-Identifier: GPL-3.0-or-later
"""How much light a strand of hair leaves of what falls on it (Chiang and others, 2016)."""

from __future__ import annotations

import numpy as np

_OFFSETS = (np.arange(8) + 0.5) / 8
"""How far from its middle a strand is met, in radii."""
_TILTS = (np.arange(4) + 0.5) / 4
"""Sines of the angle to a strand's cross-section, as dense as light from everywhere."""
_EUMELANIN = np.array([0.506, 0.841, 1.653], np.float32)
_PHEOMELANIN = np.array([0.343, 0.733, 1.924], np.float32)


def absorption(color: np.ndarray, radial: np.ndarray) -> np.ndarray:
    """(3,) or (N, 3) float32 absorption a radius of strands that make hair of this colour, (3,) or
    (N, 3), as a whole.

    radial: () or (N,) azimuthal roughness.
    """
    b = np.asarray(radial, np.float32)[..., None]
    fit = 5.969 - 0.215 * b + 2.532 * b**2 - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5
    return ((np.log(np.clip(color, 1e-5, 1)) / fit) ** 2).astype(np.float32)


def pigments(melanin: np.ndarray, redness: np.ndarray) -> np.ndarray:
    """(3,) or (N, 3) float32: the same of pigments.

    melanin: () or (N,) from 0 (white) to 1 (black). redness: () or (N,) from 0 (brown) to 1 (red).
    """
    amount = -np.log(np.maximum(1 - np.asarray(melanin, np.float32), 1e-4))[..., None]
    red = np.clip(redness, 0, 1)[..., None] * amount
    return ((amount - red) * _EUMELANIN + red * _PHEOMELANIN).astype(np.float32)


def scattered(absorbed: np.ndarray, ior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3,) or (N, 3) each: what leaves a strand on the side that light comes from (reflected
    outside, or inside) and on the other (what passes).

    absorbed: (3,) or (N, 3). ior: () or (N,).
    """
    back, through = np.zeros(
        (2, *np.broadcast_shapes(absorbed.shape, (*np.shape(ior), 3))), np.float32
    )
    eta = np.asarray(ior, np.float32)[..., None]
    for sine in _TILTS:
        cosine = np.sqrt(1 - sine**2)
        inside = np.sqrt(1 - (sine / eta) ** 2)
        bent = np.sqrt(eta**2 - sine**2) / cosine
        for h in _OFFSETS:
            f = _fresnel(cosine * np.sqrt(1 - h**2), eta)
            passed = np.exp(-absorbed * 2 * np.sqrt(1 - (h / bent) ** 2) / inside)
            passes = (1 - f) ** 2 * passed
            back += f + passes * f * passed / (1 - f * passed)
            through += passes
    count = np.float32(len(_TILTS) * len(_OFFSETS))
    return back / count, through / count


def _fresnel(cosine: float, eta: np.ndarray) -> np.ndarray:
    g = np.sqrt(eta**2 - 1 + cosine**2)
    a, b = (g - cosine) / (g + cosine), (cosine * (g + cosine) - 1) / (cosine * (g - cosine) + 1)
    return 0.5 * a**2 * (1 + b**2)
