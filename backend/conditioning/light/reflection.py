# SPDX-License-Identifier: GPL-3.0-or-later
"""Where surfaces reflect and refract to."""

from __future__ import annotations

import math

import numpy as np

from ..anchors.surface import Surface
from ..jit import kernel
from ..threads import in_pieces
from .ggx import SMOOTHEST, sample_half, smith_lambda
from .patterns import WIDE_TILE, frames_of, plane_points

CLEAR = 0.08
"""Roughness up to which neighbours have nothing to tell of what a point reflects."""
MIRROR = 0.2
"""Roughness up to which reflected rays meet shining meshes; duller lobes ask points on them."""
LOOKED_AT = 0.3
"""Roughness up to which what is reflected is looked at itself, with its textures and shadows."""
BENDS = 0.01
"""Alpha up to which reflected rays are kept out of the surface; wider lobes lose a part there."""
DULL = 0.02
"""Least part of light reflected that is worth a ray."""


def mirrored(
    surface: Surface, roughness: np.ndarray, tile: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (N, 3) that a view reflects to, one of the pattern's each, and weights (N,).

    roughness: (N,). tile: (N,) int32 places in a wide tile.
    Visible microfacets of GGX; the weight is what masking leaves, 0 below the horizon.
    """
    count = len(surface)
    tangent, bitangent = frames_of(surface.shine)
    alpha = np.maximum(roughness**2, SMOOTHEST).astype(np.float32)
    pattern = plane_points(WIDE_TILE * WIDE_TILE).astype(np.float32)
    ways, weights = np.empty((count, 3), np.float32), np.empty(count, np.float32)

    def work(part: slice) -> None:
        _mirrored(
            surface.shine[part], surface.flat[part], surface.incoming[part],
            tangent[part], bitangent[part], alpha[part], pattern, tile[part],
            ways[part], weights[part],
        )  # fmt: skip

    in_pieces(work, count)
    return ways, weights


def density(surface: Surface, alpha: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """(N,) float32 visible microfacets' rays per steradian in the unit ways (N, 3) of lobes with
    GGX alpha (N,); Heitz, 2018."""
    made = np.empty(len(surface), np.float32)

    def work(part: slice) -> None:
        _density(surface.shine[part], surface.incoming[part], alpha[part], ways[part], made[part])

    in_pieces(work, len(surface))
    return made


def refracted(surface: Surface) -> np.ndarray:
    """(N, 3) unit directions that pass through a surface, bent by its index (Snell)."""
    normal, view = surface.shine, surface.incoming
    eta = np.where(surface.back, surface.lobes.ior, 1 / np.maximum(surface.lobes.ior, 1e-3))
    cosine = np.clip(np.einsum("ni,ni->n", normal, view), 0, 1)
    k = 1 - eta * eta * (1 - cosine * cosine)
    inside = np.sqrt(np.maximum(k, 0))
    bent = -eta[:, None] * view + (eta * cosine - inside)[:, None] * normal
    reflected = 2 * cosine[:, None] * normal - view
    return np.where((k >= 0)[:, None], bent, reflected).astype(np.float32)


@kernel
def _density(normal, view, alpha, ways, out):
    for i in range(normal.shape[0]):
        n_v = n_h = length = 0.0
        for c in range(3):
            h = ways[i, c] + view[i, c]
            n_v += view[i, c] * normal[i, c]
            n_h += h * normal[i, c]
            length += h * h
        n_v, a2 = max(n_v, 1e-3), alpha[i] * alpha[i]
        n_h /= math.sqrt(max(length, 1e-12))
        d = n_h * n_h * (a2 - 1.0) + 1.0
        out[i] = a2 / (math.pi * d * d) / (4.0 * n_v * (1.0 + smith_lambda(n_v, a2)))


@kernel
def _mirrored(normal, flat, view, tangent, bitangent, alpha, pattern, tile, ways, weights):
    for i in range(normal.shape[0]):
        vx = vy = vz = 0.0
        for c in range(3):
            vx += view[i, c] * tangent[i, c]
            vy += view[i, c] * bitangent[i, c]
            vz += view[i, c] * normal[i, c]
        vz = max(vz, 1e-3)
        u1, u2 = pattern[tile[i], 0], pattern[tile[i], 1]
        if alpha[i] <= SMOOTHEST * 1.01:
            hx, hy, hz = 0.0, 0.0, 1.0
        else:
            hx, hy, hz = sample_half(vx, vy, vz, alpha[i], u1, u2)
        d = 2.0 * (vx * hx + vy * hy + vz * hz)
        lx, ly, lz = d * hx - vx, d * hy - vy, d * hz - vz
        above = 0.0
        length = 0.0
        for c in range(3):
            way = lx * tangent[i, c] + ly * bitangent[i, c] + lz * normal[i, c]
            ways[i, c] = way
            above += way * flat[i, c]
            length += way * way
        length = math.sqrt(max(length, 1e-12))
        for c in range(3):
            ways[i, c] /= length
        if above <= 0.0 and alpha[i] <= BENDS:
            # a bumped normal turned a mirror's ray into the surface: along it is nearest to true
            for c in range(3):
                ways[i, c] -= (above - 0.01) * flat[i, c]
        if lz <= 1e-4:
            weights[i] = 0.0
            continue
        a2 = alpha[i] * alpha[i]
        one = 1.0 + smith_lambda(vz, a2)
        weights[i] = one / (one + smith_lambda(lz, a2))
