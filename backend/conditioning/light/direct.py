# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that comes straight from lamps: what each sends to a point, and whether it gets there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..anchors.surface import Surface
from ..anchors.tracing import NUDGE, Rays
from ..jit import inlined, kernel
from ..threads import in_pieces
from .colors import length
from .ggx import SMOOTHEST, again, curve
from .lamps import BOTH, FAR, NEAR, OUTWARDS, POINTS, SETS, STARTS, Lights
from .polygons import from_faces
from .received import SHARP, receive_points
from .reflection import MIRROR

MESHES_MET = MIRROR * MIRROR
"""Alpha up to which reflected rays meet shining meshes themselves."""
_SETS, _STARTS = np.array(SETS), np.array(STARTS)
ASKED = 16
"""Points of a lamp that tell together how much of it arrives."""
_BEFORE_MESHES, _BEFORE_LAMPS = 0.9995, 0.99999
"""Parts of the way to a light that have to be free: shining meshes are met themselves."""
FAINT = 1e-5
"""Irradiance not worth a ray."""

_Points = tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]


@dataclass(frozen=True, eq=False)
class Received:
    """Of one light at N points: diffuse (N, 3) irradiance / pi and specular (N, 3) radiance,
    both as if nothing stood between; behind (N, 3): the irradiance / pi of the other side."""

    diffuse: np.ndarray
    specular: np.ndarray
    behind: np.ndarray


@dataclass(frozen=True, eq=False)
class Receiver:
    """A surface with what its lobes reflect, computed once for all lights; (N, ...) float32.

    specular, edge: (N, 3), what several meetings of microfacets add included. ior: see `ggx.curve`.
    """

    surface: Surface
    specular: np.ndarray
    edge: np.ndarray
    alpha: np.ndarray
    ior: np.ndarray
    coat: np.ndarray
    coat_alpha: np.ndarray

    @classmethod
    def of(cls, surface: Surface, *, diffuse_only: bool = False) -> Receiver:
        """Of a surface; diffuse_only: as if it had no other lobes."""
        lobes = surface.lobes
        alpha = np.maximum(lobes.roughness**2, SMOOTHEST)
        coat_alpha = np.maximum(lobes.coat_roughness**2, SMOOTHEST)
        if diffuse_only:
            none = np.zeros_like(lobes.specular)
            return cls(surface, none, none, alpha, none[:, 0], none[:, 0], coat_alpha)
        many = again(lobes.specular, lobes.roughness, surface.cosine())
        ior = curve(lobes.specular, lobes.ior)
        return cls(
            surface, lobes.specular * many, lobes.edge * many, alpha, ior, lobes.coat, coat_alpha
        )


def receive(receiver: Receiver, lights: Lights, index: int) -> Received:
    """What light `index` sends to the points of a surface."""
    surface = receiver.surface
    made = Received(*(np.zeros((len(surface), 3), np.float32) for _ in range(3)))
    light = _by_axis(lights, index)
    narrowest = np.float32(-MESHES_MET if lights.kind[index] >= BOTH else SHARP)
    behind = bool(surface.lobes.lets_through().any())
    arrays = (
        surface.position, surface.smooth, surface.lobes.normal, surface.shine, surface.incoming,
        receiver.specular,
        receiver.edge, receiver.alpha, receiver.ior, receiver.coat, receiver.coat_alpha,
    )  # fmt: skip
    out = (made.diffuse, made.specular, made.behind)

    def work(part: slice) -> None:
        points, sums = [a[part] for a in arrays], [a[part] for a in out]
        receive_points(*(*points, *light, narrowest, behind, *sums))

    in_pieces(work, len(surface))
    if lights.count[index]:
        shining = slice(0, int(lights.count[index]))
        from_faces(
            surface.position, surface.lobes.normal, lights.faces[index, shining],
            lights.glow[index, shining], lights.middle[index], float(lights.radius[index]),
            bool(lights.kind[index] == OUTWARDS), behind, made.diffuse, made.behind,
        )  # fmt: skip
    left = _through_fog(surface.position, lights, index)
    if left is not None:
        for part in (made.diffuse, made.specular, made.behind):
            part *= left
    return made


def _through_fog(position: np.ndarray, lights: Lights, index: int) -> np.ndarray | None:
    """(N, 1) what fog leaves of a light on its way to places (N, 3): where it is everywhere nothing
    from far away, as in Cycles; None without any."""
    medium = lights.medium
    if medium is None:
        return None
    if lights.kind[index] == FAR:
        ways = np.broadcast_to(-lights.axis[index], position.shape)
        return medium.left(position, ways, np.full(len(position), np.inf, np.float32))
    ways = lights.middle[index] - position
    far = length(ways)
    return medium.left(position, ways / np.maximum(far, 1e-6)[:, None], far)


def shadow_rays(
    surface: Surface, lights: Lights, index: int, first: np.ndarray, rays: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origins and ways (N * rays, 3) to the points that each place asks about, and their weights
    (N, rays).

    first: (N,) int32 the first of the points. Weights are 0 where a ray can tell nothing.
    """
    count = len(surface)
    ways = np.empty((count, rays, 3), np.float32)
    weights = np.empty((count, rays), np.float32)
    soft, light = bool(lights.soft[index]), _as_points(lights, index)
    two_sided = surface.lobes.lets_through()

    def work(part: slice) -> None:
        _ways(
            surface.position[part],
            surface.lobes.normal[part],
            two_sided[part],
            first[part],
            soft,
            *light,
            ways[part],
            weights[part],
        )

    in_pieces(work, count)
    flat = ways.reshape(-1, 3)
    origins = surface.origins(flat, NUDGE, rounded=True)
    if lights.kind[index] != FAR:
        # from a bit off the surface to the same points: close by, rays would end behind them
        flat -= origins - np.repeat(surface.position, rays, axis=0)
    return origins, flat, weights


def sent(position: np.ndarray, lights: Lights, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) irradiance face on from a light at places (N, 3) in the air, as if nothing stood
    between; and the ways (N, 3) to its middle."""
    made = np.zeros((len(position), 3), np.float32)
    ways = np.zeros((len(position), 3), np.float32)
    light = _as_points(lights, index)

    def work(part: slice) -> None:
        _sent(position[part], *light, made[part], ways[part])

    in_pieces(work, len(position))
    left = _through_fog(position, lights, index)
    return made if left is None else made * left, ways


def arrival(
    surface: Surface, rays: Rays, lights: Lights, index: int, tile: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) float32 part of a light that arrives, by `count` rays from each point; and (N,) int32
    a point of the light whose ray did, if any.

    tile: (N,) int32 places in the pattern.
    """
    origins, ways, weights = shadow_rays(surface, lights, index, tile * count, count)
    asked = np.flatnonzero(weights.reshape(-1) > 0)
    lit = np.zeros(weights.size, np.float32)
    lit[asked] = ~rays.blocked(origins[asked], ways[asked])
    arrived, total = lit.reshape(weights.shape), weights.sum(axis=1)
    point = tile * count + arrived.argmax(axis=1).astype(np.int32)
    return (arrived * weights).sum(axis=1) / np.maximum(total, 1e-20), point


def _as_points(lights: Lights, i: int) -> _Points:
    """Kind, place, facing, power, axis, cone, middle and area of a light."""
    return (
        int(lights.kind[i]),
        lights.place[i],
        lights.facing[i],
        lights.power[i],
        lights.axis[i],
        lights.cone[i],
        lights.middle[i],
        float(lights.area[i]),
    )


def _by_axis(lights: Lights, i: int) -> tuple[Any, ...]:
    """Kind, soft, place, facing, power, radius, axis, cone, middle and area of a light as
    `receive_points` takes them: every axis in a row, all numbers float32."""
    return (
        int(lights.kind[i]),
        bool(lights.soft[i]),
        np.ascontiguousarray(lights.place[i].T),
        np.ascontiguousarray(lights.facing[i].T),
        np.ascontiguousarray(lights.power[i].T),
        lights.radius[i],
        lights.axis[i],
        lights.cone[i],
        lights.middle[i],
        lights.area[i],
    )


@inlined
def _arrives(px, py, pz, kind, place, facing, axis, cone, middle, near2, k):
    """Unit way to point k of a light, how much of its power arrives per cosine, and distance.

    near2: squared distance below which a point no longer stands for its part of a surface.
    """
    if kind == FAR:
        return place[k, 0], place[k, 1], place[k, 2], 1.0, math.inf
    if kind == NEAR:
        return _arrives_near(px, py, pz, place, axis, cone, middle, k)
    x, y, z = place[k, 0] - px, place[k, 1] - py, place[k, 2] - pz
    d2 = max(x * x + y * y + z * z, 1e-8)
    d = math.sqrt(d2)
    x, y, z = x / d, y / d, z / d
    c = -(x * facing[k, 0] + y * facing[k, 1] + z * facing[k, 2])
    if kind == BOTH:
        c = abs(c)
    if c <= 0.0:
        return x, y, z, 0.0, d
    factor = c / max(d2, near2)
    if cone[2] > 0.0:
        tangent = math.sqrt(max(0.0, 1.0 - c * c)) / c
        factor *= max(cone[2] - tangent, 0.0) * cone[3]
    return x, y, z, factor, d


@kernel
def _arrives_near(px, py, pz, place, axis, cone, middle, k):
    """The same of a ball, of which a point sees the disk that faces it, as in Cycles: its points
    are laid onto that disk, areas kept (Lambert's azimuthal projection of each half)."""
    mx, my, mz = middle[0] - px, middle[1] - py, middle[2] - pz
    m2 = max(mx * mx + my * my + mz * mz, 1e-8)
    factor = 1.0 / max(m2 + cone[2], 1e-8)
    x, y, z = place[k, 0] - middle[0], place[k, 1] - middle[1], place[k, 2] - middle[2]
    radius = math.sqrt(x * x + y * y + z * z)
    if radius > 0.0:
        along = (x * mx + y * my + z * mz) / m2
        scale = 1.0 / math.sqrt(1.0 + min(abs(along) * math.sqrt(m2) / radius, 1.0))
        x, y, z = (x - along * mx) * scale, (y - along * my) * scale, (z - along * mz) * scale
    x, y, z = x + mx, y + my, z + mz
    d = math.sqrt(max(x * x + y * y + z * z, 1e-8))
    x, y, z = x / d, y / d, z / d
    if cone[0] > -1.5:
        c = -(x * axis[0] + y * axis[1] + z * axis[2])
        t = min(max((c - cone[0]) * cone[1], 0.0), 1.0)
        factor *= t * t * (3.0 - 2.0 * t)
    return x, y, z, factor, d


@kernel
def _sent(position, kind, place, facing, power, axis, cone, middle, area, out, ways):
    start, count = _STARTS[1], _SETS[1]
    near2 = area / (math.pi * count)
    for i in range(position.shape[0]):
        px, py, pz = position[i, 0], position[i, 1], position[i, 2]
        for k in range(start, start + count):
            lx, ly, lz, factor, d = _arrives(
                px, py, pz, kind, place, facing, axis, cone, middle, near2, k
            )
            if kind == FAR:
                d = 1e7
            ways[i, 0] += lx * d / count
            ways[i, 1] += ly * d / count
            ways[i, 2] += lz * d / count
            for c in range(3):
                out[i, c] += factor * power[k, c] * POINTS / count


@kernel
def _ways(
    position, normal, two_sided, first, soft, kind, place, facing, power, axis, cone, middle,
    area, out, weights,
):  # fmt: skip
    rays = out.shape[1]
    near2 = area / (math.pi * ASKED)
    for i in range(position.shape[0]):
        px, py, pz = position[i, 0], position[i, 1], position[i, 2]
        for r in range(rays):
            k = POINTS  # the middle
            if soft:
                k = (first[i] + r) % POINTS
            lx, ly, lz, factor, d = _arrives(
                px, py, pz, kind, place, facing, axis, cone, middle, near2, k
            )
            n_l = normal[i, 0] * lx + normal[i, 1] * ly + normal[i, 2] * lz
            if two_sided[i]:
                n_l = abs(n_l)
            reach = d * (_BEFORE_MESHES if kind >= BOTH else _BEFORE_LAMPS)
            if kind == FAR:
                reach = 1e7
            out[i, r, 0], out[i, r, 1], out[i, r, 2] = lx * reach, ly * reach, lz * reach
            bright = (power[k, 0] + power[k, 1] + power[k, 2]) * (POINTS / 3.0)
            weight = factor * max(n_l, 0.0) * bright
            weights[i, r] = weight if weight > FAINT else 0.0
