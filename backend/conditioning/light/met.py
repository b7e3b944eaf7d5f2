# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps that rays meet themselves: in mirrors, and before a camera."""

from __future__ import annotations

import math

import numpy as np

from ..jit import inlined, kernel
from .lamps import BOTH, FAR, NEAR, POINTS, Lights
from .received import CLEAR_ALPHA, DULLER, SHARP, ways_of


def lamps_met(
    origins: np.ndarray,
    ways: np.ndarray,
    far: np.ndarray,
    alpha: np.ndarray,
    lights: Lights,
    dense: np.ndarray | None = None,
) -> np.ndarray:
    """(N, 3) radiance of lamps that rays meet before `far` (N,), but for the part that
    `direct.receive` tells. origins: (N, 3). ways: (N, 3) unit. alpha: (N,) of the lobes, 0 for a
    camera's rays. dense: (N,) how many of a lobe's rays go there per steradian, see
    `reflection.density`; None where no lobe is wide."""
    dense = np.zeros(len(origins), np.float32) if dense is None else dense
    made = np.zeros((len(origins), 3), np.float32)
    for i in np.flatnonzero(lights.soft & (lights.kind < BOTH)):
        light = (float(lights.radius[i]), lights.axis[i], lights.cone[i], lights.middle[i])
        power = lights.power[i, :POINTS].sum(axis=0)
        if lights.kind[i] == FAR:
            _meet_sun(ways, far, alpha, power, *light[:2], made)
        elif lights.kind[i] == NEAR:
            _meet_ball(origins, ways, far, alpha, dense, power, *light, made)
        else:
            flat = (lights.across[i], lights.along[i], bool(lights.round[i]), lights.area[i])
            _meet_area(origins, ways, far, alpha, dense, power, *light, *flat, made)
    return made


@inlined
def _told(alpha, size, dense, points):
    """Part of what a ray meets that it tells, beside a lamp's points. size: radians from the lamp's
    middle to its rim. points: of them, per steradian."""
    if alpha <= CLEAR_ALPHA:
        return 1.0 if alpha <= SHARP * size else 0.0
    mine = ways_of(alpha, size) * dense
    return mine / (mine + points)


@kernel
def _meet_sun(ways, far, alpha, power, radius, axis, out):
    rim = math.cos(radius)
    solid = 2.0 * math.pi * (1.0 - rim)
    for i in range(ways.shape[0]):
        c = -(ways[i, 0] * axis[0] + ways[i, 1] * axis[1] + ways[i, 2] * axis[2])
        if c >= rim and far[i] == math.inf and alpha[i] <= SHARP * radius:
            for j in range(3):
                out[i, j] += power[j] / solid


@kernel
def _meet_ball(origins, ways, far, alpha, dense, power, radius, axis, cone, middle, out):
    disk = math.pi * radius * radius
    for i in range(origins.shape[0]):
        x, y, z = middle[0] - origins[i, 0], middle[1] - origins[i, 1], middle[2] - origins[i, 2]
        along = x * ways[i, 0] + y * ways[i, 1] + z * ways[i, 2]
        d2 = x * x + y * y + z * z
        if along <= 0.0 or d2 - along * along > radius * radius or along > far[i]:
            continue
        d = math.sqrt(d2)
        if alpha[i] > DULLER * radius / d:
            continue
        share = 1.0
        if cone[0] > -1.5:
            c = -(x * axis[0] + y * axis[1] + z * axis[2]) / d
            t = min(max((c - cone[0]) * cone[1], 0.0), 1.0)
            share = t * t * (3.0 - 2.0 * t)
        if share <= 0.0:
            continue
        points = POINTS * (d2 + cone[2]) / (disk * share)
        share *= _told(alpha[i], radius / d, dense[i], points)
        for j in range(3):
            out[i, j] += share * power[j] / disk


@kernel
def _meet_area(
    origins, ways, far, alpha, dense, power, radius, axis, cone, middle, across, along, is_round,
    area, out,
):  # fmt: skip
    a2 = across[0] * across[0] + across[1] * across[1] + across[2] * across[2]
    b2 = along[0] * along[0] + along[1] * along[1] + along[2] * along[2]
    size = (math.pi if is_round else 4.0) * math.sqrt(a2 * b2)
    if size <= 0.0:
        return
    near2 = area / (math.pi * POINTS)
    for i in range(origins.shape[0]):
        c = -(ways[i, 0] * axis[0] + ways[i, 1] * axis[1] + ways[i, 2] * axis[2])
        if c <= 1e-6:
            continue
        x, y, z = origins[i, 0] - middle[0], origins[i, 1] - middle[1], origins[i, 2] - middle[2]
        t = (x * axis[0] + y * axis[1] + z * axis[2]) / c
        d = math.sqrt(x * x + y * y + z * z)
        if t <= 0.0 or t > far[i] or alpha[i] > DULLER * radius / max(d, 1e-6):
            continue
        x, y, z = x + t * ways[i, 0], y + t * ways[i, 1], z + t * ways[i, 2]
        a = (x * across[0] + y * across[1] + z * across[2]) / a2
        b = (x * along[0] + y * along[1] + z * along[2]) / b2
        inside = a * a + b * b <= 1.0 if is_round else (abs(a) <= 1.0 and abs(b) <= 1.0)
        if not inside:
            continue
        share = 1.0
        if cone[2] > 0.0:
            tangent = math.sqrt(max(0.0, 1.0 - c * c)) / c
            share = max(cone[2] - tangent, 0.0) * cone[3]
        if share <= 0.0:
            continue
        points = POINTS * max(t * t, near2) / (area * c * share)
        share *= _told(alpha[i], radius / max(d, 1e-6), dense[i], points)
        for j in range(3):
            out[i, j] += share * power[j] / size
