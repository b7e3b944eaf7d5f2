# SPDX-License-Identifier: GPL-3.0-or-later
"""Microfacet reflection with the GGX distribution (Walter and others, 2007), in scalars."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..jit import inlined, kernel
from ..threads import in_pieces
from .colors import brightest
from .patterns import plane_points

METAL = 0.2
"""F0 above which a surface reflects as metals do."""
SMOOTHEST = 1e-4
"""Least alpha: below it, a mirror."""


@inlined
def smith_lambda(cosine, alpha2):
    """Lambda of Smith's masking function at a cosine to the normal."""
    c2 = cosine * cosine
    return 0.5 * (math.sqrt(1.0 + alpha2 * (1.0 - c2) / max(c2, 1e-8)) - 1.0)


@inlined
def schlick(cosine):
    """How far between F0 and the edge's colour (Schlick, 1994)."""
    m = min(max(1.0 - cosine, 0.0), 1.0)
    m2 = m * m
    return m2 * m2 * m


@inlined
def rise(cosine, ior):
    """The same for what conducts no current: Fresnel's own curve of an index, from 0 to 1.

    An index of 0 stands for metals, whose curve is Schlick's.
    """
    if ior <= 1.0:
        return schlick(cosine)
    c = min(max(cosine, 0.0), 1.0)
    g = math.sqrt(ior * ior - 1.0 + c * c)
    a, b = (g - c) / (g + c), (c * (g + c) - 1.0) / (c * (g - c) + 1.0)
    front = (ior - 1.0) / (ior + 1.0)
    front *= front
    return max(0.5 * a * a * (1.0 + b * b) - front, 0.0) / (1.0 - front)


def curve(f0: np.ndarray, ior: np.ndarray) -> np.ndarray:
    """(N,) index for `rise` of lobes with F0 (N, 3): 0 where they reflect as metals do, else `ior`
    (N,), at least 1.05."""
    return np.where(brightest(f0) > METAL, 0, np.maximum(ior, 1.05)).astype(np.float32)


@inlined
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


_SIZE = 24
_SAMPLES = 512


@cache
def _table() -> np.ndarray:
    """(_SIZE, _SIZE, 3): what a lobe reflects of light from all around, by roughness and cosine
    (both at the middles of equal steps): whole, and what of it rises to the edge's colour by
    Schlick's curve and by that of an index of 1.5."""
    made = np.zeros((_SIZE, _SIZE, 3), np.float32)
    _integrate(made, plane_points(_SAMPLES))
    return made


@kernel
def _integrate(table, points):
    for i in range(table.shape[0]):
        alpha = max(((i + 0.5) / table.shape[0]) ** 2, SMOOTHEST)
        for j in range(table.shape[1]):
            z = (j + 0.5) / table.shape[1]
            x = math.sqrt(1.0 - z * z)
            for p in range(points.shape[0]):
                hx, _hy, hz = sample_half(x, 0.0, z, alpha, points[p, 0], points[p, 1])
                v_h = x * hx + z * hz
                n_l = 2.0 * v_h * hz - z
                if n_l <= 0.0:
                    continue
                one = 1.0 + smith_lambda(z, alpha * alpha)
                share = one / (one + smith_lambda(n_l, alpha * alpha)) / points.shape[0]
                table[i, j, 0] += share
                table[i, j, 1] += share * schlick(v_h)
                table[i, j, 2] += share * rise(v_h, 1.5)


def _parts(roughness: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """(N, 3) float32 the table's values, bilinear."""
    made = np.empty((len(roughness), 3), np.float32)
    table = _table()

    def work(part: slice) -> None:
        _look_up(table, roughness[part], cosine[part], made[part])

    in_pieces(work, len(made))
    return made


@kernel
def _look_up(table, roughness, cosine, out):
    last = np.float32(_SIZE - 1.001)
    half, one = np.float32(0.5), np.float32(1)
    for n in range(len(out)):
        i = min(max(np.float32(roughness[n]) * np.float32(_SIZE) - half, np.float32(0)), last)
        j = min(max(np.float32(cosine[n]) * np.float32(_SIZE) - half, np.float32(0)), last)
        row, column = int(i), int(j)
        down, right = i - np.float32(row), j - np.float32(column)
        for c in range(3):
            low = table[row, column, c] * (one - right) + table[row, column + 1, c] * right
            high = table[row + 1, column, c] * (one - right) + table[row + 1, column + 1, c] * right
            out[n, c] = low * (one - down) + high * down


def albedo(
    f0: np.ndarray, edge: np.ndarray, roughness: np.ndarray, cosine: np.ndarray
) -> np.ndarray:
    """(N, 3) part of light from all around that is reflected towards a view.

    f0, edge: (N, 3). roughness: (N,). cosine: (N,) of the view to the normal. Light that meets
    several microfacets is in it: what a single meeting loses, tinted once more (Turquin, 2019), as
    in Cycles.
    """
    parts = _parts(roughness, cosine)
    rises = np.where(brightest(f0) > METAL, parts[:, 1], parts[:, 2])[:, None]
    once = f0 * (parts[:, :1] - rises) + edge * rises
    lost = 1 / np.maximum(parts[:, :1], 0.1) - 1
    return np.clip(once * (1 + f0 * lost), 0, 1).astype(np.float32)


def again(f0: np.ndarray, roughness: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """(N, 3) that factor by itself; arguments as for `albedo`."""
    parts = _parts(roughness, cosine)
    return 1 + f0 * (1 / np.maximum(parts[:, :1], 0.1) - 1)
