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
    """Write what a material is over the whole of what N points cover, as they are seen, to `rows`
    (N,): see `CompiledMaterial.put`."""
    if material.fine:
        lobes.put(rows, _mean(material, points))
    else:
        material.put(lobes, rows, replace(points, whole=True))


def _mean(material: CompiledMaterial, points: ShadingPoints) -> Lobes:
    """Over several places of a pixel, each half as wide."""
    first, second = points.axes()
    ways = np.concatenate([x * first + y * second for x, y in _SPREAD])
    looks = material.evaluate(points.times(len(_SPREAD)).aside(ways, 0.5))
    every = (getattr(looks, f.name) for f in fields(Lobes))
    shape = len(_SPREAD), len(points)
    made = Lobes(*(values.reshape(*shape, *values.shape[1:]).mean(axis=0) for values in every))
    length = np.sqrt(dot(made.normal, made.normal))[:, None]
    made.normal[:] = np.where(length > 0.1, made.normal / np.maximum(length, 0.1), points.normal)
    return made
