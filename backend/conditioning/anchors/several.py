# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials that one place does not tell of what a pixel covers: asked at several, and averaged."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from .lobes import Lobes
from .materials import CompiledMaterial
from .materials.values import dot
from .shading_points import ShadingPoints

GRAZING = 0.6
"""Cosine of the view below which a pixel is so much longer than wide that pictures are asked
at several places along it."""
_EDGE_ON = np.float32(0.05)
_STEPS = np.array([-3, -1, 1, 3], np.float32) / 8
_SPREAD = np.stack([_STEPS, _STEPS[[2, 0, 3, 1]]], axis=1)
_ALONG = np.stack([_STEPS, np.zeros(4, np.float32)], axis=1)


def evaluated(material: CompiledMaterial, points: ShadingPoints) -> Lobes:
    """What a material is over the whole of what points cover, as they are seen."""
    if material.fine:
        return _mean(material, points, _SPREAD, 0.5)
    found = material.evaluate(points)
    if material.pictured:
        slanted = np.flatnonzero(_cosine(points) < GRAZING)
        if len(slanted):
            found.put(slanted, _mean(material, points.take(slanted), _ALONG, 1.0))
    return found


def _cosine(points: ShadingPoints) -> np.ndarray:
    return dot(points.incoming, points.flat)


def _mean(
    material: CompiledMaterial, points: ShadingPoints, places: np.ndarray, size: float
) -> Lobes:
    """Over places (K, 2) of a pixel, each `size` of its width: x along where it is longest."""
    first, second = _axes(points)
    ways = [x * first + y * second for x, y in places]
    looks = [material.evaluate(_aside(points, way, size)) for way in ways]
    names = [f.name for f in fields(Lobes)]
    made = Lobes(*(np.mean([getattr(one, name) for one in looks], axis=0) for name in names))
    length = np.sqrt(dot(made.normal, made.normal))[:, None]
    made.normal[:] = np.where(length > 0.1, made.normal / np.maximum(length, 0.1), points.normal)
    return made


def _axes(points: ShadingPoints) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) each: ways on the surface as long as a pixel is there, the longest and the other."""
    cosine = np.maximum(_cosine(points), _EDGE_ON)[:, None]
    across = np.cross(points.flat, points.incoming)
    length = np.sqrt(dot(across, across))[:, None]
    other = np.roll(points.flat, 1, axis=1) * np.array([1, 1, -1], np.float32)
    other -= dot(other, points.flat)[:, None] * points.flat
    across = np.where(length > 1e-3, across / np.maximum(length, 1e-3), other)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    along = np.cross(across, points.flat)
    width = points.width[:, None]
    return (along * width / cosine).astype(np.float32), (across * width).astype(np.float32)


def _aside(points: ShadingPoints, way: np.ndarray, size: float) -> ShadingPoints:
    """The points moved by ways (N, 3) in their planes."""
    e, f = points.edges()
    ee, ef, ff = (dot(a, b) for a, b in ((e, e), (e, f), (f, f)))
    we, wf = dot(way, e), dot(way, f)
    area = np.maximum(ee * ff - ef * ef, 1e-30)
    shift = np.stack([(ff * we - ef * wf) / area, (ee * wf - ef * we) / area], axis=1)
    width = points.width * np.float32(size)
    return replace(points, position=points.position + way, shift=shift, width=width)
