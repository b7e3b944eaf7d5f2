# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns that one place of a pixel does not tell of: asked at several, and averaged."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from .lobes import Lobes
from .materials import CompiledMaterial
from .materials.values import dot
from .shading_points import ShadingPoints

_STEPS = np.array([-3, -1, 1, 3], np.float32) / 8
_SPREAD = np.stack([_STEPS, _STEPS[[2, 0, 3, 1]]], axis=1)
"""Places of a pixel in its lengths: no two in a row or column."""


def averaged(
    material: CompiledMaterial, lobes: Lobes, rows: np.ndarray, points: ShadingPoints
) -> None:
    """Write what a material is over the whole of what points cover, as they are seen: see
    `CompiledMaterial.put`."""
    if material.fine:
        lobes.put(rows, _mean(material, points))
    else:
        material.put(lobes, rows, replace(points, whole=True))


def _mean(material: CompiledMaterial, points: ShadingPoints) -> Lobes:
    """Over several places of a pixel, each half as wide."""
    first, second = points.axes()
    ways = [x * first + y * second for x, y in _SPREAD]
    looks = [material.evaluate(points.aside(way, 0.5)) for way in ways]
    names = [f.name for f in fields(Lobes)]
    made = Lobes(*(np.mean([getattr(one, name) for one in looks], axis=0) for name in names))
    length = np.sqrt(dot(made.normal, made.normal))[:, None]
    made.normal[:] = np.where(length > 0.1, made.normal / np.maximum(length, 0.1), points.normal)
    return made
