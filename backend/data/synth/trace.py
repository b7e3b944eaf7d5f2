# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays against primitives, batched in torch: groups of neighbouring rays share a culling beam.

Every primitive is a shape in the unit cube, so one affine map a primitive serves all shapes. A
group of rays is bounded by a beam (its mean ray and a radius that grows linearly along it), and
only primitives whose cube the beam meets are tested against the rays of the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .scene import BOX, CYLINDER, ELLIPSOID, Scene

GROUP = 128
"""Rays that are culled together."""

_CLUSTER = 16  # groups that are culled together before each on its own
_PAIRS = 2048  # (group, primitive) pairs tested at once: bounds memory, stays in the cache
_TINY = 1e-12


@dataclass(eq=False)
class Geometry:
    """Primitives on a device. inverse: (P, 3, 4) world to unit cube; spread: (P, 3) row norms;
    half: (P, 3) metres; shape, taper: (P,)."""

    inverse: torch.Tensor
    spread: torch.Tensor
    half: torch.Tensor
    shape: torch.Tensor
    taper: torch.Tensor

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str) -> Geometry:
        linear = scene.rotation.transpose(0, 2, 1) / scene.half[:, :, None]
        shift = -np.einsum("pij,pj->pi", linear, scene.center)
        arrays = (
            np.concatenate([linear, shift[:, :, None]], 2),
            np.linalg.norm(linear, axis=2),
            scene.half,
        )
        inverse, spread, half = (
            torch.tensor(a, dtype=torch.float32, device=device) for a in arrays
        )
        shape = torch.tensor(scene.shape, device=device)
        return cls(
            inverse, spread, half, shape,
            torch.tensor(scene.taper, dtype=torch.float32, device=device),
        )  # fmt: skip


@dataclass(eq=False)
class _Rays:
    """Grouped rays origin + s * direction, 0 < s < limit, as thick as widen + grow * s.

    o: (G or 1, 3, R or 1), d: (G or 1, 3, R or 1); a 1 stands for a shared origin or direction.
    """

    o: torch.Tensor
    d: torch.Tensor
    limit: float
    widen: float = 0.0
    grow: float = 0.0

    @property
    def groups(self) -> int:
        return max(self.o.shape[0], self.d.shape[0])


@dataclass(eq=False)
class _Chunk:
    """Pairs of one shape: groups (n,), primitives (n, K), real (n, K) False where padded."""

    shape: int
    group: torch.Tensor
    prim: torch.Tensor
    real: torch.Tensor


def nearest(
    geometry: Geometry, origin: torch.Tensor, directions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ray parameter (N,) float32, +inf for none, and primitive (N,) int64, -1 for none.

    origin: (3,) shared by all, or (N, 3). directions: (N, 3), of any length.
    """
    count = directions.shape[0]
    o = origin.view(1, 3, 1) if origin.dim() == 1 else _grouped(origin)
    rays = _Rays(o, _grouped(directions), torch.inf)
    best = directions.new_full((rays.groups, GROUP), torch.inf)
    which = torch.full_like(best, -1, dtype=torch.int64)
    for chunk in _chunks(geometry, rays):
        t, index = _hit(geometry, rays, chunk).min(1)
        prim = chunk.prim.gather(1, index)
        old = best[chunk.group]
        closer = t < old
        best[chunk.group] = torch.where(closer, t, old)
        which[chunk.group] = torch.where(closer, prim, which[chunk.group])
    return best.view(-1)[:count], which.view(-1)[:count]


def sun_visibility(
    geometry: Geometry, points: torch.Tensor, sun: torch.Tensor, radius: float
) -> torch.Tensor:
    """(N,) share seen from points (N, 3) of a sun at direction `sun` (3,), `radius` radians."""
    rays = _Rays(_grouped(points), sun.view(1, 3, 1), torch.inf, 0.0, radius)
    return _visible(geometry, rays)[: len(points)]


def lamp_visibility(
    geometry: Geometry, points: torch.Tensor, lamp: torch.Tensor, radius: float
) -> torch.Tensor:
    """(N,) share seen from points (N, 3) of a ball of `radius` metres at `lamp` (3,)."""
    rays = _Rays(lamp.view(1, 3, 1), _grouped(points - lamp), 1.0, radius, -radius)
    return _visible(geometry, rays)[: len(points)]


def _visible(geometry: Geometry, rays: _Rays) -> torch.Tensor:
    """Occluders add up: the two sides of a joint each cover half of a ray through it."""
    cover = rays.o.new_zeros((rays.groups, GROUP))
    for chunk in _chunks(geometry, rays):
        share = _cover(geometry, rays, chunk) * chunk.real[:, :, None]
        cover[chunk.group] += share.sum(1)
    return (1 - cover).clamp_min(0).view(-1)


def _grouped(values: torch.Tensor) -> torch.Tensor:
    """(N, 3) to (G, 3, GROUP); the last group is filled up with copies of the last ray."""
    short = -values.shape[0] % GROUP
    if short:
        values = torch.cat([values, values[-1:].expand(short, 3)])
    return values.view(-1, GROUP, 3).transpose(1, 2).contiguous()


def _beam(rays: _Rays, size: int) -> tuple[torch.Tensor, ...]:
    """Mean ray (B, 3) twice, radius (B,) and its growth (B,) of every `size` groups."""

    def bound(v: torch.Tensor, extra: float) -> tuple[torch.Tensor, torch.Tensor]:
        if v.shape[2] == 1:
            return v[:, :, 0], v.new_full((1,), extra)
        if size > 1:
            short = -v.shape[0] % size
            v = torch.cat([v, v[-1:].expand(short, -1, -1)]) if short else v
            v = v.view(-1, size, 3, GROUP).transpose(1, 2).reshape(-1, 3, size * GROUP)
        low, high = v.amin(2), v.amax(2)
        return (low + high) / 2, (high - low).norm(dim=1) / 2 + extra

    o, radius = bound(rays.o, rays.widen)
    d, growth = bound(rays.d, max(rays.grow, 0.0))
    return o, d, radius, growth


def _meets(
    geometry: Geometry, beam: tuple[torch.Tensor, ...], group: torch.Tensor, prim: torch.Tensor,
    limit: float,
) -> torch.Tensor:  # fmt: skip
    """(M,) bool: the beam `group` meets the cube of `prim` at some 0 <= s <= limit."""
    o, d, radius, growth = (v[group] if len(v) > 1 else v for v in beam)
    spread, inverse = geometry.spread[prim], geometry.inverse[prim]
    near = o.new_zeros(len(prim))
    far = torch.full_like(near, limit)
    for i in range(3):
        row = inverse[:, i]
        lo = (row[:, :3] * o).sum(1) + row[:, 3]
        ld = (row[:, :3] * d).sum(1)
        edge, slack = 1 + radius * spread[:, i], growth * spread[:, i]
        for sign in (1.0, -1.0):  # sign * (lo + s ld) <= edge + s slack, as a * s <= b
            a, b = sign * ld - slack, edge - sign * lo
            ratio = b / torch.where(a == 0, _TINY, a)
            far = torch.where(a >= 0, torch.minimum(far, ratio), far)
            near = torch.where(a < 0, torch.maximum(near, ratio), near)
    return near <= far


def _pairs(geometry: Geometry, rays: _Rays) -> tuple[torch.Tensor, torch.Tensor]:
    """Groups (M,) and primitives (M,) that may meet."""
    count, device = len(geometry.shape), rays.o.device
    clusters = -(-rays.groups // _CLUSTER)
    group = torch.arange(clusters, device=device).repeat_interleave(count)
    prim = torch.arange(count, device=device).repeat(clusters)
    keep = _meets(geometry, _beam(rays, _CLUSTER), group, prim, rays.limit)
    group = (group[keep, None] * _CLUSTER + torch.arange(_CLUSTER, device=device)).view(-1)
    prim = prim[keep].repeat_interleave(_CLUSTER)
    inside = group < rays.groups
    group, prim = group[inside], prim[inside]
    keep = _meets(geometry, _beam(rays, 1), group, prim, rays.limit)
    return group[keep], prim[keep]


def _chunks(geometry: Geometry, rays: _Rays) -> Iterator[_Chunk]:
    """The pairs to test, batched by shape and by how many primitives a group has."""
    group, prim = _pairs(geometry, rays)
    for shape in (BOX, ELLIPSOID, CYLINDER):
        of_shape = geometry.shape[prim] == shape
        g, p = group[of_shape], prim[of_shape]
        if not len(g):
            continue
        g, order = torch.sort(g, stable=True)
        p = p[order]
        groups, counts = torch.unique_consecutive(g, return_counts=True)
        first = counts.cumsum(0) - counts
        counts, order = torch.sort(counts, descending=True, stable=True)
        groups, first = groups[order], first[order]
        sizes, start = counts.tolist(), 0
        while start < len(sizes):
            widest = sizes[start]
            stop = min(len(sizes), start + max(1, _PAIRS // widest))
            rank = torch.arange(widest, device=g.device)
            many = counts[start:stop, None]
            index = first[start:stop, None] + torch.minimum(rank, many - 1)
            yield _Chunk(shape, groups[start:stop], p[index], rank < many)
            start = stop


def _local(
    geometry: Geometry, rays: _Rays, chunk: _Chunk, axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Component `axis` of origins and directions in the unit cubes: (n, K, R or 1) each."""
    row = geometry.inverse[chunk.prim, axis]  # (n, K, 4)
    linear = row[:, :, :3]
    o = rays.o if len(rays.o) == 1 else rays.o[chunk.group]
    d = rays.d if len(rays.d) == 1 else rays.d[chunk.group]
    shift = row[:, :, 3:]
    lo = linear @ o[0] + shift if len(o) == 1 else torch.baddbmm(shift, linear, o)
    ld = (linear @ d[0]) if len(d) == 1 else torch.bmm(linear, d)
    return lo, ld


def _hit(geometry: Geometry, rays: _Rays, chunk: _Chunk) -> torch.Tensor:
    """(n, K, R) parameter of the first hit, +inf for none."""
    (ox, dx), (oy, dy), (oz, dz) = (_local(geometry, rays, chunk, i) for i in range(3))
    if chunk.shape == BOX:
        return _box(ox, dx, oy, dy, oz, dz)
    if chunk.shape == ELLIPSOID:
        return _ball(ox, dx, oy, dy, oz, dz)
    return _cone(ox, dx, oy, dy, oz, dz, geometry.taper[chunk.prim][:, :, None])


def _slab(o: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rays enter and leave -1 < x < 1."""
    inverse = (d + _TINY).reciprocal_()
    middle, reach = o * inverse, inverse.abs()
    return -middle - reach, reach - middle


def _box(ox, dx, oy, dy, oz, dz) -> torch.Tensor:  # type: ignore[no-untyped-def]
    near, far = _slab(ox, dx)
    for o, d in ((oy, dy), (oz, dz)):
        enter, leave = _slab(o, d)
        near, far = torch.maximum(near, enter), torch.minimum(far, leave)
    return torch.where((near <= far) & (near > 0), near, torch.inf)


def _ball(ox, dx, oy, dy, oz, dz) -> torch.Tensor:  # type: ignore[no-untyped-def]
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1
    disc = b * b - a * c
    t = (-b - disc.clamp_min(0).sqrt()) / a
    return torch.where((disc > 0) & (t > 0), t, torch.inf)


def _cone(ox, dx, oy, dy, oz, dz, taper) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """Capped frustum: radius 1 at z = -1, `taper` at z = 1; only where a ray comes in."""
    mean, slope = (1 + taper) / 2, (taper - 1) / 2
    w, k = mean + slope * oz, slope * dz
    a = dx * dx + dy * dy - k * k
    b = ox * dx + oy * dy - w * k
    disc = b * b - a * (ox * ox + oy * oy - w * w)
    root = disc.clamp_min(0).sqrt()
    a = torch.where(a.abs() < _TINY, _TINY, a)
    best = torch.full_like(disc, torch.inf)
    for t in ((-b - root) / a, (-b + root) / a):
        good = (disc > 0) & (t > 0) & ((oz + t * dz).abs() <= 1) & (a * t + b < 0) & (w + k * t > 0)
        best = torch.where(good, torch.minimum(best, t), best)
    dz = torch.where(dz.abs() < _TINY, _TINY, dz)
    t = (-torch.sign(dz) - oz) / dz  # the cap that faces the ray
    x, y = ox + t * dx, oy + t * dy
    limit = torch.where(dz > 0, 1.0, taper)
    return torch.where((t > 0) & (x * x + y * y <= limit * limit), torch.minimum(best, t), best)


def _cover(geometry: Geometry, rays: _Rays, chunk: _Chunk) -> torch.Tensor:
    """(n, K, R) share of a thick ray that each primitive hides, by its distance to the outline.

    A light of angular radius r seen past a straight edge at signed distance e from the ray is
    hidden by about 1/2 + e / (2 r s): soft shadows without noise from a single ray.
    """
    (ox, dx), (oy, dy), (oz, dz) = (_local(geometry, rays, chunk, i) for i in range(3))
    half = geometry.half[chunk.prim]  # (n, K, 3)
    if chunk.shape == BOX:
        inside, at, valid = _box_outline(rays, half, (ox, oy, oz), (dx, dy, dz))
    elif chunk.shape == ELLIPSOID:
        s = -(ox * dx + oy * dy + oz * dz) / (dx * dx + dy * dy + dz * dz)
        at = s.clamp(1e-4, rays.limit)
        x, y, z = ox + at * dx, oy + at * dy, oz + at * dz
        inside = (1 - (x * x + y * y + z * z).sqrt()) * half.mean(2, keepdim=True)
        valid = None
    else:
        taper = geometry.taper[chunk.prim][:, :, None]
        enter, leave = _slab(oz, dz)
        enter, leave = enter.clamp_min(1e-4), leave.clamp_max(rays.limit)
        s = -(ox * dx + oy * dy) / (dx * dx + dy * dy + _TINY)
        at = torch.minimum(torch.maximum(s, enter), leave)
        x, y, z = ox + at * dx, oy + at * dy, oz + at * dz
        radius = (1 + taper) / 2 + (taper - 1) / 2 * z
        inside = (radius - (x * x + y * y).sqrt()) * half[:, :, :1]
        valid = enter <= leave
    width = (rays.widen + rays.grow * at).clamp_min(1e-4)
    share = (0.5 + 0.5 * inside / width).clamp(0, 1)
    return share if valid is None else share * valid


def _box_outline(
    rays: _Rays, half: torch.Tensor, origin: tuple[torch.Tensor, ...],
    direction: tuple[torch.Tensor, ...],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Signed distance of rays to a box's outline (metres, > 0 inside), where, and whether ahead.

    The outline's edges join an entered face i and a left face j; the ray misses that edge by
    (leave_j - enter_i) |D_i| |D_j| / sqrt(D_i^2 + D_j^2), D the direction along the box's axes.
    """
    slabs = [_slab(o, d) for o, d in zip(origin, direction, strict=True)]
    lengths = [(d + _TINY).abs() * half[:, :, i : i + 1] for i, d in enumerate(direction)]
    inside: torch.Tensor | None = None
    for i, j in ((0, 1), (0, 2), (1, 2)):
        scale = lengths[i] * lengths[j] / (lengths[i] ** 2 + lengths[j] ** 2).sqrt()
        gap = torch.minimum(slabs[j][1] - slabs[i][0], slabs[i][1] - slabs[j][0]) * scale
        inside = gap if inside is None else torch.minimum(inside, gap)
    # a thick ray along a pair of faces may touch the box though its axis never enters between
    along = [length < abs(rays.grow) for length in lengths]
    enter = [slab[0].masked_fill(a, -torch.inf) for slab, a in zip(slabs, along, strict=True)]
    leave = [slab[1].masked_fill(a, torch.inf) for slab, a in zip(slabs, along, strict=True)]
    near = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
    far = torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])
    ahead = (far > 1e-5) & (near < rays.limit - 1e-5)
    at = 0.5 * (torch.minimum(near, far).clamp_min(0) + far).clamp(0, min(rays.limit, 1e6))
    assert inside is not None
    return inside, at, ahead
