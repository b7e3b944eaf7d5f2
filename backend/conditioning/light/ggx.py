# SPDX-License-Identifier: GPL-3.0-or-later
"""Microfacet reflection with the GGX distribution (Walter and others, 2007), in scalars."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SMOOTHEST = 1e-4
"""Least alpha: below it, a mirror."""


@njit(nogil=True, cache=True, inline="always")
def smith_lambda(cosine, alpha2):
    """Lambda of Smith's masking function at a cosine to the normal."""
    c2 = cosine * cosine
    return 0.5 * (math.sqrt(1.0 + alpha2 * (1.0 - c2) / max(c2, 1e-8)) - 1.0)


@njit(nogil=True, cache=True, inline="always")
def lobe(n_h, n_v, n_l, alpha2):
    """D G2 / (4 n_v n_l) x n_l: what reflects of light from l, but for Fresnel's factor."""
    d = n_h * n_h * (alpha2 - 1.0) + 1.0
    distribution = alpha2 / (math.pi * d * d)
    masking = 1.0 / (1.0 + smith_lambda(n_v, alpha2) + smith_lambda(n_l, alpha2))
    return distribution * masking / (4.0 * max(n_v, 1e-4))


@njit(nogil=True, cache=True, inline="always")
def schlick(cosine):
    """How far between F0 and the edge's colour (Schlick, 1994)."""
    m = min(max(1.0 - cosine, 0.0), 1.0)
    m2 = m * m
    return m2 * m2 * m


@njit(nogil=True, cache=True, inline="always")
def sample_half(vx, vy, vz, alpha, u1, u2):
    """A visible microfacet's normal (Heitz, 2018) for a view in the surface's frame."""
    sx, sy, sz = alpha * vx, alpha * vy, max(vz, 1e-4)
    length = math.sqrt(sx * sx + sy * sy + sz * sz)
    sx, sy, sz = sx / length, sy / length, sz / length
    flat = sx * sx + sy * sy
    if flat > 1e-12:
        root = 1.0 / math.sqrt(flat)
        tx, ty, tz = -sy * root, sx * root, 0.0
    else:
        tx, ty, tz = 1.0, 0.0, 0.0
    bx, by, bz = sy * tz - sz * ty, sz * tx - sx * tz, sx * ty - sy * tx
    r, phi = math.sqrt(u1), 2.0 * math.pi * u2
    p1, p2 = r * math.cos(phi), r * math.sin(phi)
    s = 0.5 * (1.0 + sz)
    p2 = (1.0 - s) * math.sqrt(max(0.0, 1.0 - p1 * p1)) + s * p2
    p3 = math.sqrt(max(0.0, 1.0 - p1 * p1 - p2 * p2))
    hx = alpha * (p1 * tx + p2 * bx + p3 * sx)
    hy = alpha * (p1 * ty + p2 * by + p3 * sy)
    hz = max(1e-6, p1 * tz + p2 * bz + p3 * sz)
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    return hx / length, hy / length, hz / length


def albedo(
    f0: np.ndarray, edge: np.ndarray, roughness: np.ndarray, cosine: np.ndarray
) -> np.ndarray:
    """(N, 3) part of light that the lobe reflects towards a view (N,) cosine to the normal.

    The fit of Karis (2013) to the environment's integral, with F0 (N, 3) and edge (N, 3).
    """
    r = roughness[:, None] * np.float32([-1, -0.0275, -0.572, 0.022])
    r = r + np.float32([1, 0.0425, 1.04, -0.04])
    a004 = np.minimum(r[:, 0] * r[:, 0], np.exp2(-9.28 * cosine)) * r[:, 0] + r[:, 1]
    scale, bias = -1.04 * a004 + r[:, 2], 1.04 * a004 + r[:, 3]
    return np.clip(f0 * scale[:, None] + edge * bias[:, None], 0, 1).astype(np.float32)
