# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that doesn't depend on the camera, computed once a scene: lamps, sky and bounces.

The unit cube around every primitive has six faces of texels. Each texel keeps the light of the
lamps (soft shadows) and what arrives from everywhere else: radiosity over a fixed set of
directions, so that it is smooth and the same from every view. Light is irradiance / pi.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from .scene import CYLINDER, ELLIPSOID, Scene
from .sky import sky_color
from .trace import Geometry, lamp_visibility, nearest, sun_visibility

if TYPE_CHECKING:
    from .prepared import Prepared

_DIRECTIONS = 72
_BOUNCES = 3
_RAYS = 1 << 18  # traced at once


@dataclass(eq=False)
class Atlas:
    """Texels of all faces of all primitives, flat; face = 2 * axis + (1 on the positive side).

    first: (P, 6) index of a face's first texel. count: (P, 6, 2) texels along u and v.
    """

    first: torch.Tensor
    count: torch.Tensor
    prim: torch.Tensor  # (T,)
    cube: torch.Tensor  # (T, 3) on the surface of the unit cube

    @classmethod
    def of(cls, geometry: Geometry, step: torch.Tensor, most: int) -> Atlas:
        """Texels about `step` (P,) metres wide on each primitive, `most` along a side at most."""
        half, device = geometry.half, geometry.half.device
        u = torch.tensor([1, 1, 0, 0, 0, 0], device=device)
        v = torch.tensor([2, 2, 2, 2, 1, 1], device=device)
        sides = torch.stack([half[:, u], half[:, v]], 2) * 2
        count = (sides / step[:, None, None]).ceil().long().clamp(1, most)
        total = count.prod(2).view(-1)
        first = total.cumsum(0) - total
        face = torch.arange(len(total), device=device).repeat_interleave(total)
        rank = torch.arange(len(face), device=device) - first[face]
        across = count.view(-1, 2)[face]
        i, j = rank % across[:, 0], rank // across[:, 0]
        a = (i + 0.5) / across[:, 0] * 2 - 1
        b = (j + 0.5) / across[:, 1] * 2 - 1
        prim, side = face // 6, face % 6
        axis, sign = side // 2, (side % 2 * 2 - 1).float()
        cube = torch.zeros((len(face), 3), device=device)
        cube.scatter_(1, axis[:, None], sign[:, None])
        cube.scatter_(1, u[side][:, None], a[:, None])
        cube.scatter_(1, v[side][:, None], b[:, None])
        return cls(first.view(-1, 6), count, prim, cube)

    def texels(self, prim: torch.Tensor, cube: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The four texels (N, 4) about points `cube` (N, 3) of primitives, and their weights."""
        axis = cube.abs().argmax(1)
        value = cube.gather(1, axis[:, None])
        side = axis * 2 + (value[:, 0] > 0)
        flat = cube / value.abs()
        a = flat.gather(1, torch.where(axis == 0, 1, 0)[:, None])[:, 0]
        b = flat.gather(1, torch.where(axis == 2, 1, 2)[:, None])[:, 0]
        n, m = self.count[prim, side].unbind(1)
        x = ((a + 1) * 0.5 * n - 0.5).clamp_min(0)
        y = ((b + 1) * 0.5 * m - 0.5).clamp_min(0)
        i0, j0 = torch.minimum(x.long(), n - 1), torch.minimum(y.long(), m - 1)
        i1, j1 = torch.minimum(i0 + 1, n - 1), torch.minimum(j0 + 1, m - 1)
        fx, fy = x - i0, y - j0
        base = self.first[prim, side]
        index = torch.stack([j0 * n + i0, j0 * n + i1, j1 * n + i0, j1 * n + i1], 1)
        weight = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], 1)
        return index + base[:, None], weight


def sample(values: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(N, C) from texel values (T, C) with the result of `Atlas.texels`."""
    out = values[index[:, 0]] * weight[:, :1]
    for k in (1, 2, 3):
        out += values[index[:, k]] * weight[:, k : k + 1]
    return out


@dataclass(eq=False)
class Lightmap:
    """lamps: (T, 3) light of lamps on the fine atlas; around: (T', 3) all the rest, coarse."""

    fine: Atlas
    lamps: torch.Tensor
    coarse: Atlas
    around: torch.Tensor


def cube_coordinates(shape: torch.Tensor, taper: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """(N, 3) unit-cube points (any length) that surface points p (N, 3) of a shape map to."""
    z = p[:, 2:]
    radius = (1 + taper[:, None]) / 2 + (taper[:, None] - 1) / 2 * z
    side = z.abs() < 0.9999
    ring = p[:, :2] / radius.clamp_min(1e-3)
    ring = ring / ring.abs().amax(1, keepdim=True).clamp_min(1e-6)
    tube = torch.cat([torch.where(side, ring, p[:, :2] * 0.99), torch.where(side, z * 0.99, z)], 1)
    return torch.where((shape == CYLINDER)[:, None], tube, p)


def bake(scene: Scene, prepared: Prepared) -> Lightmap:
    """Computes the lightmap of a scene on the device of `prepared`."""
    geometry = prepared.geometry
    extent = float((scene.room[1] - scene.room[0]).max())
    # what cameras never come close to is lit more coarsely
    room = torch.tensor(scene.room, dtype=torch.float32, device=prepared.center.device)
    reach = prepared.half.norm(dim=1).clamp_max(0.5 * extent)
    away = torch.maximum(room[0] - prepared.center, prepared.center - room[1]).amax(1) - reach
    wide = 1 + 6 * away.clamp_min(0) / extent
    fine = Atlas.of(geometry, max(0.07, extent / 60) * wide, 48)
    coarse = Atlas.of(geometry, max(0.3, extent / 16) * wide, 14)
    point, normal = _places(prepared, fine)
    lamps = _lamps(scene, geometry, point, normal)
    around = _radiosity(scene, prepared, fine, lamps, coarse)
    return Lightmap(fine, lamps, coarse, around)


def _places(prepared: Prepared, atlas: Atlas) -> tuple[torch.Tensor, torch.Tensor]:
    """World positions and normals (T, 3) of texels."""
    g, prim, p = prepared.geometry, atlas.prim, atlas.cube
    shape, taper, half = g.shape[prim], g.taper[prim][:, None], g.half[prim]
    n = F.one_hot(p.abs().argmax(1), 3) * p.sign()
    round_, tube = (shape == ELLIPSOID)[:, None], (shape == CYLINDER)[:, None]
    ball = F.normalize(p, dim=1)
    n = torch.where(round_, ball / half, n)
    radius = (1 + taper) / 2 + (taper - 1) / 2 * p[:, 2:]
    cap = p[:, 2:].abs() > 0.9999
    ring = F.normalize(p[:, :2], dim=1)
    disc = ring * p[:, :2].abs().amax(1, keepdim=True)  # the square's rings become circles
    wall = torch.cat([torch.where(cap, disc, ring) * radius, p[:, 2:]], 1)
    lean = (1 - taper) / 2 * half[:, :1] / half[:, 2:]
    n = torch.where(tube & ~cap, torch.cat([ring, lean], 1), n)
    p = torch.where(round_, ball, torch.where(tube, wall, p))
    turn = prepared.rotation[prim]
    normal = F.normalize(torch.bmm(turn, n[:, :, None])[:, :, 0], dim=1)
    return torch.bmm(turn, (p * half)[:, :, None])[:, :, 0] + prepared.center[prim], normal


def _lamps(
    scene: Scene, geometry: Geometry, point: torch.Tensor, normal: torch.Tensor
) -> torch.Tensor:
    """(T, 3) light of all lamps with soft shadows."""
    light = torch.zeros_like(point)
    for lamp in scene.lamps:
        amount, color = lamp.falloff(point, normal)
        worth = torch.nonzero(amount * color.max() > 2e-4).view(-1)
        if len(worth):
            at = torch.tensor(lamp.position, dtype=torch.float32, device=point.device)
            start = point[worth] + normal[worth] * 4e-3
            amount[worth] *= lamp_visibility(geometry, start, at, lamp.radius)
            light += amount[:, None] * color
    return light


def _radiosity(
    scene: Scene, prepared: Prepared, fine: Atlas, lamps: torch.Tensor, coarse: Atlas
) -> torch.Tensor:
    """(T', 3) light from sky and other surfaces on the coarse texels."""
    geometry = prepared.geometry
    point, normal = _places(prepared, coarse)
    start = point + normal * 6e-3
    ways = _sphere(_DIRECTIONS, point.device)
    cosine = ways @ normal.T  # (D, T')
    way, texel = torch.nonzero(cosine > 0.03, as_tuple=True)
    hit_t: list[torch.Tensor] = []
    hit: list[torch.Tensor] = []
    for a in range(0, len(way), _RAYS):
        part = slice(a, a + _RAYS)
        t, prim = nearest(geometry, start[texel[part]], ways[way[part]])
        hit_t.append(t)
        hit.append(prim)
    t, prim = torch.cat(hit_t), torch.cat(hit)
    weight = cosine[way, texel]
    total = torch.zeros(len(point), device=point.device).index_add_(0, texel, weight)
    sky = sky_color(scene, ways, sun=False)[way] * scene.ambient
    met = torch.nonzero(prim >= 0).view(-1)
    incoming = torch.where((prim >= 0)[:, None], 0.0, sky)
    end = start[texel[met]] + ways[way[met]] * t[met, None]
    at = _unit(geometry, prim[met], end)
    cube = cube_coordinates(geometry.shape[prim[met]], geometry.taper[prim[met]], at)
    near, share = coarse.texels(prim[met], cube)
    direct = _sunlight(scene, prepared, point, normal)
    direct += sample(lamps, *fine.texels(coarse.prim, coarse.cube))
    color, glow = prepared.mean_color[prim[met]], prepared.glow[prim[met]]
    around = torch.zeros_like(point)
    for _ in range(_BOUNCES):
        incoming[met] = color * (sample(direct + around, near, share) + glow[:, None])
        around = torch.zeros_like(point).index_add_(0, texel, incoming * weight[:, None])
        around /= total.clamp_min(1e-6)[:, None]
    return around


def _sunlight(
    scene: Scene, prepared: Prepared, point: torch.Tensor, normal: torch.Tensor
) -> torch.Tensor:
    sun = torch.tensor(scene.sky.sun, dtype=torch.float32, device=point.device)
    color = torch.tensor(scene.sky.sun_color, dtype=torch.float32, device=point.device)
    amount = (normal @ sun).clamp_min(0)
    facing = torch.nonzero(amount > 0).view(-1)
    if len(facing):
        start = point[facing] + normal[facing] * 4e-3
        amount[facing] *= sun_visibility(prepared.geometry, start, sun, 0.03)
    return amount[:, None] * color


def _unit(geometry: Geometry, prim: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    affine = geometry.inverse[prim]
    return torch.baddbmm(affine[:, :, 3:], affine[:, :, :3], point[:, :, None])[:, :, 0]


def _sphere(count: int, device: torch.device) -> torch.Tensor:
    """(count, 3) unit directions spread evenly (a Fibonacci spiral)."""
    k = torch.arange(count, device=device) + 0.5
    z = 1 - 2 * k / count
    angle = k * math.pi * (3 - math.sqrt(5))
    r = (1 - z * z).sqrt()
    return torch.stack([r * angle.cos(), r * angle.sin(), z], 1)
