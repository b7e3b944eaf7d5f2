# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays through places of a picture, and the surfaces that they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...shared.camera import Camera
from ..anchors.surface import Surface
from ..anchors.tracing import Hits
from ..jit import kernel
from ..threads import in_pieces
from . import film
from .patterns import TILE, TILE_ORDER, WIDE_ORDER, WIDE_TILE
from .shade import Lighting
from .surfels import pixel_rays

LEVEL, OFF = 0.95, 0.5
"""Least cosine of normals, and most pixels' widths apart, of samples that look the same."""


@dataclass(eq=False)
class Samples:
    """Rays through N places.

    origins, ways: (N, 3) float32. spread: (N,) float32 metres that a sample covers at a distance of
    one length of its ray. tile, wide: (N,) int32 places in the patterns. hits: what was met.
    """

    origins: np.ndarray
    ways: np.ndarray
    spread: np.ndarray
    tile: np.ndarray
    wide: np.ndarray
    hits: Hits

    def take(self, index: np.ndarray) -> Samples:
        """Those of numbers (M,) or marks (N,) bool `index`."""
        return Samples(
            self.origins[index],
            self.ways[index],
            self.spread[index],
            self.tile[index],
            self.wide[index],
            self.hits.take(index),
        )

    def met(self) -> np.ndarray:
        """(M,) numbers of the rays that met something."""
        return np.flatnonzero(self.hits.triangle >= 0)


def sample(lighting: Lighting, camera: Camera, pixel: np.ndarray, size: float) -> Samples:
    """Rays through places (N, 2), x and y, of a picture with its margin; size: in pixels."""
    origins, ways = pixel_rays(camera, pixel - film.MARGIN)
    hits = _between(lighting, camera, origins, ways)
    focal = 0.5 * (camera.K[0, 0] + camera.K[1, 1])
    across: np.ndarray = np.full(len(pixel), size / focal, np.float32)
    if camera.is_orthographic:
        across = across / np.maximum(np.where(hits.triangle >= 0, hits.distance, 1), 1e-6)
        across = across.astype(np.float32)
    x, y = pixel[:, 0].astype(np.int64), pixel[:, 1].astype(np.int64)
    tile, wide = TILE_ORDER[y % TILE, x % TILE], WIDE_ORDER[y % WIDE_TILE, x % WIDE_TILE]
    return Samples(origins, ways, across, tile, wide, hits)


def _between(lighting: Lighting, camera: Camera, origins: np.ndarray, ways: np.ndarray) -> Hits:
    """What rays whose camera z is 1 meet between where the camera's sight begins and ends."""
    near = np.float32(camera.near)
    hits = lighting.seen.first(origins + near * ways, ways)
    hits.distance[:] += near
    beyond = hits.distance > camera.far
    hits.triangle[beyond], hits.distance[beyond] = -1, np.inf
    return hits


def alike(lighting: Lighting, samples: Samples, varied: np.ndarray) -> np.ndarray:
    """(N,) int32 number of the sample that stands for each: of those of a pixel the one nearest to
    its middle that met the same opaque surface, about level with it.

    varied: (N,) bool of samples that stand for themselves, as such a surface looks different there
    from place to place.
    """
    geometry, hits = lighting.geometry, samples.hits
    met = hits.triangle >= 0
    triangle = np.where(met, hits.triangle, 0)
    alone = varied | ~met | ~lighting.matter.opaque()[geometry.material[triangle]]
    distance = np.where(met, hits.distance, 0).astype(np.float32)
    first = np.arange(len(met), dtype=np.int32)
    order = np.argsort((film.OFFSETS**2).sum(axis=1), kind="stable")

    def work(part: slice) -> None:
        _join(
            part.start, part.stop, order, triangle, geometry.owner, geometry.material,
            geometry.flat, samples.origins, samples.ways, distance, samples.spread, alone, first,
        )  # fmt: skip

    in_pieces(work, len(met) // len(order), piece=1024)
    return first


@kernel
def _join(
    start, stop, order, triangle, owner, material, flat, origins, ways, distance, spread, alone,
    first,
):  # fmt: skip
    each = len(order)
    for pixel in range(start, stop):
        for k in range(1, each):
            n = each * pixel + order[k]
            if alone[n]:
                continue
            t = triangle[n]
            for earlier in range(k):
                m = each * pixel + order[earlier]
                s = triangle[m]
                if first[m] != m or alone[m]:
                    continue
                if owner[s] != owner[t] or material[s] != material[t]:
                    continue
                turn = off = 0.0
                for c in range(3):
                    turn += flat[s, c] * flat[t, c]
                    gap = origins[n, c] + distance[n] * ways[n, c]
                    gap -= origins[m, c] + distance[m] * ways[m, c]
                    off += gap * flat[s, c]
                if turn > LEVEL and abs(off) < OFF * each * spread[n] * distance[n]:
                    first[n] = m
                    break


def surface_of(
    lighting: Lighting, samples: Samples, met: np.ndarray, whole: bool = False
) -> Surface:
    """The surfaces that the rays of numbers `met` (M,) met; whole: see `Matter.surface`."""
    kept = samples.hits.take(met)
    spread = samples.spread[met]
    return lighting.matter.surface(kept, samples.ways[met], spread, whole=whole)
