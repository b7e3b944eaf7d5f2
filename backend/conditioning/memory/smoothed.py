# SPDX-License-Identifier: GPL-3.0-or-later
"""Ratios for what no memory frame saw: those of what was seen around, by place and normal."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

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
"""Distance at which half of what is special about a place no longer counts, at most."""
ENOUGH = 50
"""Surfels of a material from which half of its own ratio is believed."""
_LEAST = 0.2
SPREAD = 2.2
"""Variance of a normal distribution by the square of its median difference from the mean."""
PAIRED = 1500
"""Surfels whose pairs tell how far a place's ratio reaches."""
RINGS = 0.05 * 1.35 ** np.arange(11)
"""Distances by which pairs of surfels are told apart; the last is about `FAR`."""


class Smoothed:
    """Points of surfaces that memory saw, with their ratios.

    A ratio has two parts: that of its material wherever it is (a colour that was read wrongly),
    and that of its place (light that was); the second alone is carried over to other materials.
    Both count elsewhere as far as what was seen is alike: by how little a material's ratios differ,
    and by the distance over which places still resemble each other.
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
        usual_elsewhere = _elsewhere(ratio)
        self._materials = np.unique(material)
        self._of_material = np.zeros((len(self._materials), 3), np.float32)
        self._elsewhere = np.zeros_like(self._of_material)
        for i, one in enumerate(self._materials):
            mine = ratio[material == one]
            sure = len(mine) / (len(mine) + ENOUGH)
            self._of_material[i] = self._usual + sure * (np.median(mine, axis=0) - self._usual)
            self._elsewhere[i] = usual_elsewhere + sure * _elsewhere(mine - usual_elsewhere)
        self._usual_elsewhere = usual_elsewhere
        self._own = np.searchsorted(self._materials, material)
        self._seen = ratio
        self._of_place = ratio - self._elsewhere[self._own]
        self._reach = _reach(self._tree.data, self._of_place)

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
        held = total / (total + k * self._reach**-3)
        place = np.einsum("nk,nkc->nc", weight / np.maximum(total, 1e-12), self._of_place[near])
        number, has = self._numbers(material)
        own = np.where(has[:, None], self._elsewhere[number], self._usual_elsewhere * held)
        return (own + place * held).astype(np.float32)

    def of_material(self, material: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) ratios of materials (N,) wherever they are, and (N,) bool whether one was seen."""
        if not len(self._materials):
            return np.zeros((len(material), 3), np.float32), np.zeros(len(material), bool)
        number, has = self._numbers(material)
        return np.where(has[:, None], self._of_material[number], self._usual), has

    def _numbers(self, material: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) places of materials (N,) among those seen, and (N,) bool whether they are there."""
        number = np.searchsorted(self._materials, material)
        number = np.minimum(number, len(self._materials) - 1)
        return number, self._materials[number] == material

    def variance(self, count: int) -> np.ndarray:
        """(count,) mean squares of what is special about places, by material; 0 = not seen."""
        made = np.zeros(count)
        square = ((self._seen - self._of_material[self._own]) ** 2).mean(axis=1)
        total = np.bincount(self._own, square, len(self._materials))
        pixels = np.bincount(self._own, minlength=len(self._materials))
        made[self._materials] = total / np.maximum(pixels, 1)
        return made

    def _features(self, points: Points) -> np.ndarray:
        facing = NORMAL_WEIGHT * points.facing
        return np.concatenate([points.position / self.scale, facing], axis=1)


def _elsewhere(ratio: np.ndarray) -> np.ndarray:
    """(3,) what ratios (N, 3) tell of places that nobody saw: their median, less of it the more
    they differ, as a mean with a variance is drawn to a prior of nothing."""
    if not len(ratio):
        return np.zeros(3, np.float32)
    usual = np.median(ratio, axis=0)
    differ = np.median(np.abs(ratio - usual), axis=0)
    size, variance = float(usual @ usual), SPREAD * float(differ @ differ)
    return (usual * size / max(size + variance, 1e-12)).astype(np.float32)


def _reach(features: np.ndarray, of_place: np.ndarray) -> float:
    """The distance at which what is special about a place is half that of another, as far as the
    places (N, 6) that were seen tell: a variogram of (N, 3)."""
    some = np.random.default_rng(0).permutation(len(features))[:PAIRED]
    if len(some) < ENOUGH:
        return FAR
    place, special = features[some], of_place[some].astype(np.float64)
    apart = cdist(place, place)
    alike = special @ special.T
    first, second = np.triu_indices(len(some), 1)
    which = np.digitize(apart[first, second], RINGS)
    pairs = np.bincount(which, minlength=len(RINGS) + 1)
    shared = np.bincount(which, alike[first, second], len(RINGS) + 1) / np.maximum(pairs, 1)
    usual = np.mean(np.diag(alike))
    lost = np.flatnonzero((shared < 0.5 * usual) & (pairs >= ENOUGH))
    return float(RINGS[min(lost[0], len(RINGS) - 1)]) if len(lost) else FAR


def _surfels(one: Remembered, most: int) -> tuple[np.ndarray, np.ndarray, Points]:
    """Weight, ratio and points of at most `most` pixels, evenly spread."""
    met = one.guide.valid
    weight = (one.known * one.values[..., MATTE])[met]
    index = np.flatnonzero(weight > _LEAST)
    if len(index) > most:
        index = index[np.arange(most, dtype=np.int64) * len(index) // most]
    return weight[index], one.values[met][:, RATIO][index], one.points.take(index)
