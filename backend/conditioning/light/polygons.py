# SPDX-License-Identifier: GPL-3.0-or-later
"""Light from triangles that shine evenly, exactly: Lambert's formula for polygons (1760)."""

from __future__ import annotations

import math

import numpy as np

from ..jit import inlined, kernel
from ..threads import in_pieces

CLOSE = 3.0
"""Radii of a shining mesh within which points no longer stand for it."""


def from_faces(
    position: np.ndarray,
    normal: np.ndarray,
    faces: np.ndarray,
    glow: np.ndarray,
    middle: np.ndarray,
    radius: float,
    closed: bool,
    both: bool,
    diffuse: np.ndarray,
    behind: np.ndarray,
) -> None:
    """Put irradiance / pi on the points (N, 3) that are near a mesh into `diffuse` (N, 3), and
    with `both` that of their other side into `behind`, as if nothing stood between.

    normal: (N, 3) unit. faces: (T, 3, 3), counterclockwise from in front. glow: (T, 3) radiance.
    middle: (3,). radius: metres. closed: their backs are dark.
    """

    def work(part: slice) -> None:
        _from_faces(
            position[part], normal[part], faces, glow, middle, CLOSE * radius, closed, both,
            diffuse[part], behind[part],
        )  # fmt: skip

    in_pieces(work, len(position))


@kernel
def _from_faces(position, normal, faces, glow, middle, close, closed, both, diffuse, behind):
    corners, kept = np.zeros((3, 3)), np.zeros((4, 3))
    for i in range(position.shape[0]):
        d2 = 0.0
        for c in range(3):
            d2 += (position[i, c] - middle[c]) ** 2
        if d2 > close * close:
            continue
        for c in range(3):
            diffuse[i, c] = 0.0
            behind[i, c] = 0.0
        for t in range(faces.shape[0]):
            for k in range(3):
                for c in range(3):
                    corners[k, c] = float(faces[t, k, c]) - position[i, c]
            if closed and _is_behind(corners):
                continue
            for turn in range(2 if both else 1):
                sign = 1.0 - 2.0 * turn
                share = abs(_seen_share(corners, normal[i], sign, kept))
                for c in range(3):
                    if turn == 0:
                        diffuse[i, c] += share * glow[t, c]
                    else:
                        behind[i, c] += share * glow[t, c]


@inlined
def _is_behind(corners):
    """Whether the origin sees a triangle clockwise."""
    volume = 0.0
    for c in range(3):
        d, e = (c + 1) % 3, (c + 2) % 3
        volume += corners[0, c] * (corners[1, d] * corners[2, e] - corners[1, e] * corners[2, d])
    return volume >= 0.0


@kernel
def _seen_share(corners, normal, sign, kept):
    """Part of the cosine-weighted hemisphere around `sign` x normal that a triangle covers, seen
    from the origin; its sign is that of the triangle's side."""
    count = 0
    for k in range(3):
        a, b = corners[k], corners[(k + 1) % 3]
        ha = sign * (a[0] * normal[0] + a[1] * normal[1] + a[2] * normal[2])
        hb = sign * (b[0] * normal[0] + b[1] * normal[1] + b[2] * normal[2])
        if ha > 0.0:
            for c in range(3):
                kept[count, c] = a[c]
            count += 1
        if (ha > 0.0) != (hb > 0.0):
            part = ha / (ha - hb)
            for c in range(3):
                kept[count, c] = a[c] + part * (b[c] - a[c])
            count += 1
    if count < 3:
        return 0.0
    for k in range(count):
        size = math.sqrt(kept[k, 0] ** 2 + kept[k, 1] ** 2 + kept[k, 2] ** 2)
        size = max(size, 1e-12)
        for c in range(3):
            kept[k, c] /= size
    total = 0.0
    for k in range(count):
        a, b = kept[k], kept[(k + 1) % count]
        x = a[1] * b[2] - a[2] * b[1]
        y = a[2] * b[0] - a[0] * b[2]
        z = a[0] * b[1] - a[1] * b[0]
        sine = math.sqrt(x * x + y * y + z * z)
        if sine < 1e-9:
            continue
        angle = math.atan2(sine, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
        lift = sign * (x * normal[0] + y * normal[1] + z * normal[2])
        total += angle * lift / sine
    return total / (2.0 * math.pi)
