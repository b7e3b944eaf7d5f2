# SPDX-License-Identifier: GPL-3.0-or-later
"""Ratios for what no memory frame saw: those of what was seen around, by place and normal."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..anchors.geometry import Geometry
from ..threads import thread_count
from .remembered import MATTE, RATIO, Points, Remembered

MOST = 20_000
"""Surfels of all memory frames together."""
NEIGHBOURS = 48
NORMAL_WEIGHT = 0.6
SOFTEST = 0.02
"""Distance, in the scene's size, below which surfels count alike."""
FAR = 1.0
"""Distance at which half of what is special about a place no longer counts."""
ENOUGH = 50
"""Surfels of a material from which half of its own ratio is believed."""
_LEAST = 0.2


class Smoothed:
    """Points of surfaces that memory saw, with their ratios.

    A ratio has two parts: that of its material wherever it is (a colour that was read wrongly),
    and that of its place (light that was); the second alone is carried over to other materials.
    """

    def __init__(self, memory: list[Remembered], geometry: Geometry, scale: float) -> None:
        """geometry: the triangles as they stand now. scale: metres that count as one."""
        self.geometry, self.scale = geometry, scale
        each = MOST // max(len(memory), 1)
        parts = [_surfels(one, each) for one in memory]
        self._weight = np.concatenate([np.zeros(0, np.float32), *(p[0] for p in parts)])
        ratio = np.concatenate([np.zeros((0, 3), np.float32), *(p[1] for p in parts)])
        standing = [p[2].standing(geometry) for p in parts]
        each_material = [geometry.material[points.triangle] for points in standing]
        material = np.concatenate([np.zeros(0, np.int32), *each_material])
        features = [self._features(points) for points in standing]
        self._tree = cKDTree(np.concatenate([np.zeros((0, 6)), *features]))
        self._usual = np.median(ratio, axis=0) if len(ratio) else np.zeros(3, np.float32)
        self._materials = np.unique(material)
        self._of_material = np.zeros((len(self._materials), 3), np.float32)
        for i, one in enumerate(self._materials):
            mine = ratio[material == one]
            sure = len(mine) / (len(mine) + ENOUGH)
            self._of_material[i] = self._usual + sure * (np.median(mine, axis=0) - self._usual)
        self._own = np.searchsorted(self._materials, material)
        self._of_place = ratio - self._of_material[self._own]

    def __len__(self) -> int:
        return len(self._of_place)

    def at(self, points: Points) -> np.ndarray:
        """(N, 3) float32 logarithms of ratios at points."""
        k = min(NEIGHBOURS, len(self))
        if not k or not len(points.triangle):
            return np.zeros((len(points.triangle), 3), np.float32)
        features = self._features(points)
        material = self.geometry.material[points.triangle]
        distance, near = self._tree.query(features, k=k, workers=thread_count())
        distance, near = distance.reshape(-1, k), near.reshape(-1, k)
        weight = (distance**2 + SOFTEST**2) ** -1.5 * self._weight[near]
        total = weight.sum(axis=1, keepdims=True)
        held = total / (total + k * FAR**-3)
        place = np.einsum("nk,nkc->nc", weight / np.maximum(total, 1e-12), self._of_place[near])
        own, has = self.of_material(material)
        own = np.where(has[:, None], own, self._usual * held)
        return (own + place * held).astype(np.float32)

    def of_material(self, material: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) ratios of materials (N,) wherever they are, and (N,) bool whether one was seen."""
        if not len(self._materials):
            return np.zeros((len(material), 3), np.float32), np.zeros(len(material), bool)
        number = np.searchsorted(self._materials, material)
        number = np.minimum(number, len(self._materials) - 1)
        has = self._materials[number] == material
        return np.where(has[:, None], self._of_material[number], self._usual), has

    def variance(self, count: int) -> np.ndarray:
        """(count,) mean squares of what is special about places, by material; 0 = not seen."""
        made = np.zeros(count)
        square = (self._of_place**2).mean(axis=1)
        total = np.bincount(self._own, square, len(self._materials))
        pixels = np.bincount(self._own, minlength=len(self._materials))
        made[self._materials] = total / np.maximum(pixels, 1)
        return made

    def _features(self, points: Points) -> np.ndarray:
        facing = NORMAL_WEIGHT * points.facing
        return np.concatenate([points.position / self.scale, facing], axis=1)


def _surfels(one: Remembered, most: int) -> tuple[np.ndarray, np.ndarray, Points]:
    """Weight, ratio and points of at most `most` pixels, evenly spread."""
    met = one.guide.valid
    weight = (one.known * one.values[..., MATTE])[met]
    index = np.flatnonzero(weight > _LEAST)
    if len(index) > most:
        index = index[np.arange(most, dtype=np.int64) * len(index) // most]
    return weight[index], one.values[met][:, RATIO][index], one.points.take(index)
