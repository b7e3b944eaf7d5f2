# SPDX-License-Identifier: GPL-3.0-or-later
"""Closures, mixed and added, become one set of lobes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..lobes import Lobes
from .values import LUMINANCE, unit

ADDED = (
    *("diffuse", "translucent", "specular", "edge", "coat", "transmission", "transparent"),
    *("emission", "holdout"),
)
LIMIT = np.float32(1e8)
"""Bounds what a program can make of emission."""


@dataclass
class Closure:
    """What one closure adds, before its weight; fields as in `Lobes`, None = nothing.

    Each is () or (N,), a colour (3,) or (N, 3). layered: whether reflection takes from the rest.
    """

    diffuse: np.ndarray | None = None
    translucent: np.ndarray | None = None
    specular: np.ndarray | None = None
    edge: np.ndarray | None = None
    coat: np.ndarray | None = None
    transmission: np.ndarray | None = None
    transparent: np.ndarray | None = None
    emission: np.ndarray | None = None
    holdout: np.ndarray | None = None
    roughness: np.ndarray | None = None
    coat_roughness: np.ndarray | None = None
    ior: np.ndarray | None = None
    normal: np.ndarray | None = None
    layered: bool = False


class Blend:
    """Sums of closures: what can be added is; roughness, index and normal are averaged.

    Roughness and index count as much as the reflection and refraction that they are of, a normal
    as much as all that scatters light.
    """

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self._parts: list[tuple[Closure, np.ndarray]] = []

    def add(self, closure: Closure, weight: np.ndarray) -> None:
        """weight: () or (N,)."""
        for name in ADDED:
            value = getattr(closure, name)
            if value is None:
                continue
            scaled = value * (weight[..., None] if value.shape[-1:] == (3,) else weight)
            self.sums[name] = self.sums[name] + scaled if name in self.sums else scaled
        self._parts.append((closure, weight))

    def lobes(self, count: int, normal: np.ndarray | None) -> Lobes:
        """Of `count` points; normal: (N, 3) where no closure says more."""
        made = Lobes.nothing(count)
        if normal is not None:
            made.normal[:] = normal
        self.put(made, slice(None), normal)
        return made

    def put(self, lobes: Lobes, rows: np.ndarray | slice, normal: np.ndarray | None) -> None:
        """Write to points that are `nothing` yet but for their normals, (N, 3) `normal`.

        rows: (N,) where they are in `lobes`, or a slice.
        """
        for name, value in self.sums.items():
            # what is no number is nothing, as light that cannot be is nothing
            low = -LIMIT if name == "emission" else np.float32(0)
            getattr(lobes, name)[rows] = np.fmin(np.fmax(value, low), LIMIT)
        for name, share in (("roughness", _shine), ("ior", _shine), ("coat_roughness", _coat)):
            mean = self._mean(name, share)
            if mean is not None:
                getattr(lobes, name)[rows] = mean
        lobes.layered[rows] = self._layered()
        bent = self._normal(normal)
        if bent is not normal:
            lobes.normal[rows] = bent

    def _mean(self, name, share) -> np.ndarray | None:
        parts = [(getattr(c, name), share(c) * w) for c, w in self._parts]
        parts = [(v, w) for v, w in parts if v is not None]
        if len(parts) < 2:
            return parts[0][0] if parts else None
        total = sum(w for _, w in parts)
        mean = sum(v * w for v, w in parts) / np.maximum(total, 1e-12)
        return np.where(total > 1e-12, mean, parts[0][0])

    def _layered(self) -> np.ndarray | float:
        parts = [(c.layered, _grey(c.specular) * w) for c, w in self._parts]
        if len({layered for layered, _ in parts}) < 2:
            return float(parts[0][0]) if parts else 0.0
        total = sum(w for _, w in parts)
        return sum(w for layered, w in parts if layered) / np.maximum(total, 1e-12)

    def _normal(self, normal: np.ndarray | None) -> np.ndarray | None:
        parts = [(c.normal, c, w) for c, w in self._parts if _scatters(c)]
        if normal is None or all(n is None for n, _, _ in parts):
            return normal
        if len(parts) == 1:
            return parts[0][0]
        total = normal * np.float32(1e-9)
        for bent, closure, weight in parts:
            share = np.asarray(weight * _all(closure))
            total = total + (normal if bent is None else bent) * share[..., None]
        return unit(total)


def _grey(color: np.ndarray | None) -> np.ndarray | float:
    return 0.0 if color is None else color @ LUMINANCE


def _shine(closure: Closure) -> np.ndarray | float:
    return _grey(closure.specular) + _grey(closure.transmission)


def _coat(closure: Closure) -> np.ndarray | float:
    return 0.0 if closure.coat is None else closure.coat


def _all(closure: Closure) -> np.ndarray | float:
    return _shine(closure) + _grey(closure.diffuse) + _grey(closure.translucent)


def _scatters(closure: Closure) -> bool:
    return any(
        getattr(closure, name) is not None
        for name in ("diffuse", "translucent", "specular", "transmission", "coat")
    )


def average(lobes: Lobes) -> Lobes:
    """One point that stands for all of them; its normal is zero."""
    made = Lobes.nothing(1)
    for f in fields(lobes):
        if f.name != "normal":
            getattr(made, f.name)[:] = getattr(lobes, f.name).mean(axis=0)
    return made
