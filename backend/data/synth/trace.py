# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray against primitives, batched in torch: groups of neighbouring rays share a culling beam.

Every primitive is a shape in the unit cube, so one affine map a primitive serves every type. A
group of rays is bounded by a beam (its mean ray plus a radius that grows linearly), and only the
primitives whose cube the beam meets are tested against the group's rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .scene import BOX, CYLINDER, ELLIPSOID, Scene

GROUP = 128
"""Rays that are culled together."""

_PAIRS = 6144
"""Pairs of (group, primitive) tested at once; bounds memory and keeps the work in cache."""


@dataclass(eq=False)
class Geometry:
    """Primitives on a device. inverse: (P, 3, 4) world to unit cube; spread: (P, 3) row norms."""

    inverse: torch.Tensor
    spread: torch.Tensor
    shape: torch.Tensor
    taper: torch.Tensor

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str) -> Geometry:
        linear = scene.rotation.transpose(0, 2, 1) / scene.half[:, :, None]
        shift = -np.einsum("pij,pj->pi", linear, scene.center)
        inverse = np.concatenate([linear, shift[:, :, None]], 2)
        return cls(
            torch.tensor(inverse, dtype=torch.float32, device=device),
            torch.tensor(np.linalg.norm(linear, axis=2), dtype=torch.float32, device=device),
            torch.tensor(scene.shape, device=device),
            torch.tensor(scene.taper, dtype=torch.float32, device=device),
        )


def group_rays(values: torch.Tensor) -> torch.Tensor:
    """(N, 3) to (G, 3, GROUP), the last group filled with copies of the last ray."""
    count = values.shape[0]
    short = -count % GROUP
    if short:
        values = torch.cat([values, values[-1:].expand(short, 3)])
    return values.view(-1, GROUP, 3).transpose(1, 2).contiguous()


def nearest(
    geometry: Geometry, origins: torch.Tensor, directions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ray parameter (N,) float32, +inf for none, and primitive (N,) int64, -1 for none.

    origins: (3,) shared or (N, 3). directions: (N, 3), any length.
    """
    count = directions.shape[0]
    d = group_rays(directions)
    o = _grouped_origins(origins, d)
    best = torch.full((d.shape[0], GROUP), torch.inf, device=d.device)
    which = torch.full((d.shape[0], GROUP), -1, dtype=torch.int64, device=d.device)
    for group, prim, t in _hits(geometry, o, d):
        for g, p, value in _ranked(group, prim, t):
            old = best[g]
            closer = value < old
            best[g] = torch.where(closer, value, old)
            which[g] = torch.where(closer, p[:, None], which[g])
    return best.view(-1)[:count], which.view(-1)[:count]


def blocked(geometry: Geometry, origins: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """(N,) bool: something lies between parameters 0 and 1. origins, directions: (N, 3)."""
    count = directions.shape[0]
    d = group_rays(directions)
    o = _grouped_origins(origins, d)
    hit = torch.zeros((d.shape[0], GROUP), dtype=torch.bool, device=d.device)
    for group, prim, t in _hits(geometry, o, d, limit=1.0):
        for g, _, value in _ranked(group, prim, t):
            hit[g] = hit[g] | (value < 1.0)
    return hit.view(-1)[:count]


def _grouped_origins(origins: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    if origins.dim() == 1:
        return origins.view(1, 3, 1).expand(d.shape[0], 3, 1)
    return group_rays(origins)


def _hits(geometry: Geometry, o: torch.Tensor, d: torch.Tensor, limit: float = torch.inf):
    """Yields (group, primitive, t (m, GROUP)) for the pairs that survive culling, by shape."""
    candidates = _cull(geometry, o, d, limit)
    for shape in (BOX, ELLIPSOID, CYLINDER):
        group, prim = torch.nonzero(candidates & (geometry.shape == shape), as_tuple=True)
        for start in range(0, len(group), _PAIRS):
            g, p = group[start : start + _PAIRS], prim[start : start + _PAIRS]
            affine = geometry.inverse[p]
            lo = torch.baddbmm(affine[:, :, 3:], affine[:, :, :3], o[g])
            ld = torch.bmm(affine[:, :, :3], d[g])
            if shape == BOX:
                t = _box(lo, ld)
            elif shape == ELLIPSOID:
                t = _sphere(lo, ld)
            else:
                t = _cone(lo, ld, geometry.taper[p][:, None])
            yield g, p, t


def _cull(geometry: Geometry, o: torch.Tensor, d: torch.Tensor, limit: float) -> torch.Tensor:
    """(G, P) bool: pairs whose beam meets the primitive's cube for some 0 <= t <= limit."""
    mean_o, mean_d = o.mean(2), d.mean(2)
    radius = (o - mean_o[:, :, None]).norm(dim=1).amax(1)
    growth = (d - mean_d[:, :, None]).norm(dim=1).amax(1)
    linear = geometry.inverse[:, :, :3].reshape(-1, 3).T
    lo = (mean_o @ linear).view(len(o), -1, 3) + geometry.inverse[:, :, 3]
    ld = (mean_d @ linear).view(len(o), -1, 3)
    edge = 1 + radius[:, None, None] * geometry.spread
    slack = growth[:, None, None] * geometry.spread
    near = torch.zeros((), device=o.device).expand(lo.shape[:2])
    far = torch.full_like(near, limit)
    for sign in (1.0, -1.0):  # sign * (lo + t ld) <= edge + t slack, as a * t <= b
        a, b = sign * ld - slack, edge - sign * lo
        ratio = b / a
        far = torch.minimum(far, torch.where(a > 0, ratio, torch.inf).amin(2))
        near = torch.maximum(near, torch.where(a < 0, ratio, -torch.inf).amax(2))
        near = torch.where(((a == 0) & (b < 0)).any(2), torch.inf, near)
    return near <= far


def _ranked(group: torch.Tensor, prim: torch.Tensor, t: torch.Tensor):
    """Splits pairs so that no group occurs twice in a part; pairs come sorted by group."""
    counts = torch.unique_consecutive(group, return_counts=True)[1]
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    rank = torch.arange(len(group), device=group.device) - first
    order = torch.argsort(rank, stable=True)
    sizes = torch.bincount(rank).tolist()
    for part in order.split(sizes):
        yield group[part], prim[part], t[part]


def _box(o: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    inverse = 1.0 / torch.where(d.abs() < 1e-9, torch.full_like(d, 1e-9), d)
    middle, reach = -o * inverse, inverse.abs()
    near = (middle - reach).amax(1)
    far = (middle + reach).amin(1)
    return torch.where((near <= far) & (near > 0), near, torch.inf)


def _sphere(o: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    a = (d * d).sum(1)
    b = (o * d).sum(1)
    c = (o * o).sum(1) - 1
    disc = b * b - a * c
    t = (-b - disc.clamp_min(0).sqrt()) / a
    return torch.where((disc > 0) & (t > 0), t, torch.inf)


def _cone(o: torch.Tensor, d: torch.Tensor, taper: torch.Tensor) -> torch.Tensor:
    """Capped cone frustum: radius 1 at z = -1, `taper` at z = 1."""
    ox, oy, oz = o.unbind(1)
    dx, dy, dz = d.unbind(1)
    mean, slope = (1 + taper) / 2, (taper - 1) / 2
    w, k = mean + slope * oz, slope * dz
    a = dx * dx + dy * dy - k * k
    b = ox * dx + oy * dy - w * k
    c = ox * ox + oy * oy - w * w
    disc = b * b - a * c
    root = disc.clamp_min(0).sqrt()
    a = torch.where(a.abs() < 1e-12, torch.full_like(a, 1e-12), a)
    best = torch.full_like(disc, torch.inf)
    for t in ((-b - root) / a, (-b + root) / a):
        z = oz + t * dz
        # only the outside: entering (the derivative of the quadric is negative)
        good = (disc > 0) & (t > 0) & (z.abs() <= 1) & (a * t + b < 0) & (w + k * t > 0)
        best = torch.where(good, torch.minimum(best, t), best)
    safe = torch.where(dz.abs() < 1e-9, torch.full_like(dz, 1e-9), dz)
    t = (-torch.sign(safe) - oz) / safe  # the cap that faces the ray
    x, y = ox + t * dx, oy + t * dy
    limit = torch.where(safe > 0, torch.ones_like(taper), taper)
    good = (t > 0) & (x * x + y * y <= limit * limit)
    return torch.where(good, torch.minimum(best, t), best)
