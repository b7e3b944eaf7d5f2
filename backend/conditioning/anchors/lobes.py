# SPDX-License-Identifier: GPL-3.0-or-later
"""What a material is at a point, in the few terms that light is computed with."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(eq=False)
class Lobes:
    """Of N points, all float32. Colours are linear; weights of mixed closures are in them.

    diffuse: (N, 3) albedo of diffuse reflection (metal, transmission and transparency apart; not
    yet reduced by what the specular layer reflects). translucent: (N, 3) diffuse light let through.
    specular: (N, 3) F0 of the main reflection, weight included. edge: (N, 3) its value at grazing
    angles. roughness: (N,) as Blender has it (alpha = roughness^2). layered: (N,) the part of the
    main reflection that lies on top and leaves the less to what is under it (1 of Principled and
    Glass; 0 of a Glossy closure, that is mixed with others side by side).
    coat: (N,) weight of a clear coat with index 1.5; coat_roughness: (N,).
    transmission: (N, 3) colour x weight of refraction; ior: (N,). transparent: (N, 3) of what
    passes straight on (alpha, Transparent BSDF). emission: (N, 3) radiance.
    normal: (N, 3) unit shading normal in world space, bumps included. holdout: (N,) weight.
    """

    diffuse: np.ndarray
    translucent: np.ndarray
    specular: np.ndarray
    edge: np.ndarray
    roughness: np.ndarray
    layered: np.ndarray
    coat: np.ndarray
    coat_roughness: np.ndarray
    transmission: np.ndarray
    ior: np.ndarray
    transparent: np.ndarray
    emission: np.ndarray
    normal: np.ndarray
    holdout: np.ndarray

    @classmethod
    def nothing(cls, count: int) -> Lobes:
        """Black, smooth and opaque at `count` points; normals are zero."""
        wide = {"diffuse", "translucent", "specular", "edge", "transmission", "transparent"}
        wide |= {"emission", "normal"}
        made = cls(
            **{
                f.name: np.zeros((count, 3) if f.name in wide else count, np.float32)
                for f in fields(cls)
            }
        )
        made.ior[:] = 1.45
        return made

    def lets_through(self) -> np.ndarray:
        """(N,) bool, where diffuse light comes through, as through cloth and leaves."""
        return np.any(self.translucent > 0, axis=1)

    def put(self, index: np.ndarray, other: Lobes) -> None:
        """Write `other`, of M points, to the places `index` (M,)."""
        for f in fields(self):
            getattr(self, f.name)[index] = getattr(other, f.name)

    def take(self, index: np.ndarray) -> Lobes:
        """Those at the places (M,), or of the marks (N,) bool, `index`."""
        index = np.flatnonzero(index) if index.dtype == bool else index
        return Lobes(*(np.take(getattr(self, f.name), index, axis=0) for f in fields(self)))
