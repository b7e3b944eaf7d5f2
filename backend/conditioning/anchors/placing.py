# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rays meet surfaces and where new ones begin; compiled, without the interpreter's lock."""

from __future__ import annotations

import math

from ..jit import kernel

LEAST = 0.01
TERMINATOR = 0.1
"""Cosine to a triangle below which shadow rays begin off its rounded form, as in Cycles."""


@kernel
def place(
    corners, normals, flats, triangle, u, v, ways, position, normal, flat, incoming, back, lift
):  # fmt: skip
    """Points of triangles that rays along `ways` (N, 3) met, from corners and normals (T, 3, 3).

    Writes position, normal (smooth), flat and incoming (N, 3), back (N,); lift (N, 3): from the
    triangle to the rounded surface that its corners' normals mean (Hanika, 2021).
    """
    for i in range(triangle.shape[0]):
        t, b, c = triangle[i], u[i], v[i]
        a = 1.0 - b - c
        x, y, z = ways[i, 0], ways[i, 1], ways[i, 2]
        length = max(math.sqrt(x * x + y * y + z * z), 1e-30)
        seen = 0.0
        for d in range(3):
            position[i, d] = a * corners[t, 0, d] + b * corners[t, 1, d] + c * corners[t, 2, d]
            normal[i, d] = a * normals[t, 0, d] + b * normals[t, 1, d] + c * normals[t, 2, d]
            incoming[i, d] = -ways[i, d] / length
            seen += flats[t, d] * incoming[i, d]
            lift[i, d] = 0.0
        back[i] = seen < 0.0
        sign = -1.0 if seen < 0.0 else 1.0
        long = math.sqrt(normal[i, 0] ** 2 + normal[i, 1] ** 2 + normal[i, 2] ** 2)
        same = 0.0
        for d in range(3):
            flat[i, d] = flats[t, d] * sign
            normal[i, d] = normal[i, d] / max(long, 1e-20) * sign
            same += flat[i, d] * normal[i, d]
        if same > 0.999999:
            continue
        for k in range(3):
            weight = a if k == 0 else (b if k == 1 else c)
            off = 0.0
            for d in range(3):
                off += (position[i, d] - corners[t, k, d]) * normals[t, k, d] * sign
            if off < 0.0:
                for d in range(3):
                    lift[i, d] -= weight * off * normals[t, k, d] * sign


@kernel
def raise_reflections(normal, flat, incoming, out):
    """out (N, 3): normals, turned towards the triangle's where a view would be mirrored into it,
    until the mirrored one leaves it just so: at the sine of LEAST to it, or, where the view is
    shallower, at nearly that of the view, as in Cycles.

    In the plane of both normals, z along the triangle's: 2 (n.i) n_z - i_z = t, solved for n_z^2.
    """
    for i in range(normal.shape[0]):
        height = toward = upright = 0.0
        for d in range(3):
            out[i, d] = normal[i, d]
            height += incoming[i, d] * flat[i, d]
            toward += incoming[i, d] * normal[i, d]
            upright += normal[i, d] * flat[i, d]
        least = min(0.9 * height, LEAST)
        aside = math.sqrt(max(1.0 - upright * upright, 0.0))
        if 2.0 * toward * upright - height >= least or aside < 1e-6:
            continue
        # the view's part along the other axis, in which the normal leans
        along = (toward - upright * height) / aside
        both = along * along + height * height
        half = both + height * least
        root = math.sqrt(max(half * half - both * (least + height) ** 2, 0.0))
        square = 0.5 * (half + (root if along < 0.0 else -root)) / max(both, 1e-12)
        square = min(max(square, 0.0), 1.0)
        up, lean = math.sqrt(square), math.sqrt(1.0 - square)
        for d in range(3):
            out[i, d] = up * flat[i, d] + lean * (normal[i, d] - upright * flat[i, d]) / aside


@kernel
def begin(position, flat, lift, ways, rays, nudge, rounded, out):
    """out (N * rays, 3): where rays `ways` begin: a bit off, on the side they go to; of points
    that are `rounded` (N,), on the rounded surface for those that hardly leave the triangle."""
    for i in range(position.shape[0]):
        far = max(abs(position[i, 0]), abs(position[i, 1]), abs(position[i, 2]), 1.0) * nudge
        for r in range(rays):
            n = i * rays + r
            x, y, z = ways[n, 0], ways[n, 1], ways[n, 2]
            along = x * flat[i, 0] + y * flat[i, 1] + z * flat[i, 2]
            share = 0.0
            if rounded[i]:
                length = max(math.sqrt(x * x + y * y + z * z), 1e-20)
                share = min(max(1.0 - along / length / TERMINATOR, 0.0), 1.0)
            off = -far if along < 0.0 and share <= 0.0 else far
            for d in range(3):
                out[n, d] = position[i, d] + off * flat[i, d] + share * lift[i, d]
