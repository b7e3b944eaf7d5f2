# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing the gaps between neighbouring points of one surface, in the picture.

A pixel is closed when points of one surface stand on opposite sides of it, each no farther than
its own radius allows: nothing grows over a silhouette, a real hole stays a hole, and what shines
through a sparse nearer surface is replaced by that surface. Sparse surfaces are closed on coarser
grids (cells of 1, 2, 4 ... pixels). Depth comes from a plane fitted to the neighbours' inverse
depth (planes are linear in inverse depth), so that planes stay planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import max_pool2d

from .centering import center_depth

LEVELS = 5
LARGEST = 1 << (LEVELS - 1)
"""Pixels of the largest cells."""

REACH = 2.2
"""How far from a pixel a point may stand and still carry its surface there, in radii."""

REACH_COVERED = 2.8
"""The same where something farther was seen, and points must stand on all four sides."""

TOLERANCE = 4.0
"""Points belong to one surface when their depths differ by at most this many radii."""

DENSE = 0.19
"""Points with a radius of at most this part of a cell have been closed at finer ones."""

_EMPTY = torch.iinfo(torch.int64).max
_PIXEL = 0xFFFFFFFF


@dataclass(eq=False)
class Samples:
    """The nearest point of each pixel of a canvas, flat maps of H * W + 1 (the last: no point).

    z: z-depth in metres, +inf = none. u, v: where it landed, pixels. radius: pixels; 0 = a point
    by itself. rgb: (H * W + 1, 3) uint8. focal: pixels. margin: border that isn't closed.
    """

    z: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    radius: torch.Tensor
    rgb: torch.Tensor
    size: tuple[int, int]
    focal: float
    margin: int


@dataclass(eq=False)
class Closed:
    """depth (H, W) float32, +inf = none; rgb (H, W, 3) uint8; coverage (H, W) float32."""

    depth: torch.Tensor
    rgb: torch.Tensor
    coverage: torch.Tensor


@dataclass(eq=False)
class _Patch:
    """What closes some pixels: their numbers (C,), depth (C,), rgb (C, 3), coverage (C,)."""

    pixel: torch.Tensor
    depth: torch.Tensor
    rgb: torch.Tensor
    coverage: torch.Tensor


def close_gaps(samples: Samples) -> Closed:
    """The canvas with its gaps closed, level by level."""
    height, width = samples.size
    tolerance = _tolerance(samples.z, samples.radius, samples.focal)
    depth = _centered(samples, tolerance)
    rgb = samples.rgb[:-1].clone()
    coverage = (depth < torch.inf).float()
    surface = (samples.radius[:-1] > 0) & (depth < torch.inf)
    for level in range(LEVELS):
        cell = 1 << level
        # what is dense enough for the finer levels must not hide sparse points in a coarse cell
        wanted = surface if level == 0 else surface & (samples.radius[:-1] > DENSE * cell)
        if not bool(wanted.any()):
            break
        cells = _nearest_in_cells(samples, wanted, cell)
        pixel = _candidates(samples, cells, depth, tolerance, cell)
        for _ in range(2):  # the nearest surface, and the one behind it where that one ends
            patch, pixel = _close(samples, cells, pixel, depth, tolerance, cell)
            depth[patch.pixel] = patch.depth
            rgb[patch.pixel] = patch.rgb
            coverage[patch.pixel] = patch.coverage
            if not len(pixel[0]):
                break
    return Closed(
        depth.view(height, width), rgb.view(height, width, 3), coverage.view(height, width)
    )


def _centered(samples: Samples, tolerance: torch.Tensor) -> torch.Tensor:
    maps = (samples.z, samples.u, samples.v, tolerance)
    return center_depth(*(m[:-1].view(samples.size) for m in maps)).view(-1)


def _tolerance(z: torch.Tensor, radius: torch.Tensor, focal: float) -> torch.Tensor:
    """Metres by which depths of one surface may differ: neighbours lie that near in space."""
    return TOLERANCE * radius.clamp(min=0.75) * z / focal


def _nearest_in_cells(samples: Samples, wanted: torch.Tensor, cell: int) -> torch.Tensor:
    """(H / cell, W / cell) pixel number of each cell's nearest wanted point; H * W = none."""
    height, width = samples.size
    none = height * width
    number = torch.arange(none, device=wanted.device)
    if cell == 1:
        return torch.where(wanted, number, none).view(height, width)
    key = (samples.z[:-1].view(torch.int32).to(torch.int64) << 32) | number
    key = torch.where(wanted, key, _EMPTY).view(height // cell, cell, width // cell, cell)
    nearest = key.amin(dim=(1, 3))
    return torch.where(nearest == _EMPTY, none, nearest & _PIXEL)


def _candidates(
    samples: Samples, cells: torch.Tensor, depth: torch.Tensor, tolerance: torch.Tensor, cell: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (C,) with a clearly nearer point in neighbouring cells; and z to look behind."""
    height, width = samples.size
    back = (samples.z + tolerance)[cells]
    nearest = -max_pool2d(-back[None, None], 3, 1, 1)[0, 0]
    if cell > 1:
        nearest = nearest.repeat_interleave(cell, 0).repeat_interleave(cell, 1)
    wanted = nearest < depth.view(height, width)
    m = samples.margin
    wanted[:m], wanted[height - m :], wanted[:, :m], wanted[:, width - m :] = (False,) * 4
    pixel = wanted.view(-1).nonzero().squeeze(1)
    return pixel, torch.zeros(len(pixel), device=pixel.device)


def _close(
    samples: Samples,
    cells: torch.Tensor,
    candidates: tuple[torch.Tensor, torch.Tensor],
    depth: torch.Tensor,
    tolerance: torch.Tensor,
    cell: int,
) -> tuple[_Patch, tuple[torch.Tensor, torch.Tensor]]:
    """Closes candidates by the nearest surface behind their z; returns the others with a new z."""
    pixel, behind = candidates
    width = samples.size[1]
    x, y = pixel % width, pixel // width
    near = _neighbours(cells, x // cell, y // cell)  # (C, 9)
    z = samples.z[near]
    du = samples.u[near] - (x + 0.5)[:, None]
    dv = samples.v[near] - (y + 0.5)[:, None]
    radius = samples.radius[near]
    distance = du.square() + dv.square()
    current = depth[pixel]
    covered = current < torch.inf
    reach = torch.where(covered, REACH_COVERED, REACH)[:, None] * radius + 0.25
    usable = distance <= reach.clamp(min=1.1).square()
    usable &= z > behind[:, None]
    back, clear = _front_surface(torch.where(usable, z, torch.inf), tolerance[near])
    surface = (z > behind[:, None]) & (z <= back[:, None]) & (radius > 0)
    usable &= surface
    hidden = clear < current
    closed = hidden & _surrounded(usable, du, dv, covered)
    if cell < LARGEST:  # a single row tells no slope: sparse ones wait for coarser cells
        later = (radius * surface).amax(dim=1) > DENSE * 2 * cell
        closed &= ~later | _spread(surface, du, dv)
    patch = _fit(
        samples, pixel[closed], near[closed], surface[closed], du[closed], dv[closed], cell
    )
    left = ~closed & hidden
    return patch, (pixel[left], clear[left])


def _neighbours(cells: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(C, 9) entries of `cells` around (x, y); the margin keeps them inside."""
    width = cells.shape[1]
    offsets = torch.tensor([j * width + i for j in (-1, 0, 1) for i in (-1, 0, 1)])
    return cells.view(-1)[(y * width + x)[:, None] + offsets.to(cells.device)]


def _front_surface(z: torch.Tensor, tolerance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of z (C, 9), +inf = none: the farthest that belongs to the nearest surface (C,).

    A surface goes on as long as the next depth lies within the tolerance of the last, so that a
    floor may recede. And (C,) the depth behind which something else begins.
    """
    z, order = z.sort(dim=1)
    end = z + tolerance.gather(1, order)
    parted = ~(z[:, 1:] <= end[:, :-1])
    last = torch.cat([parted, torch.ones_like(parted[:, :1])], dim=1).int().argmax(dim=1)
    return z.gather(1, last[:, None]).squeeze(1), end.gather(1, last[:, None]).squeeze(1)


def _surrounded(
    usable: torch.Tensor, du: torch.Tensor, dv: torch.Tensor, covered: torch.Tensor
) -> torch.Tensor:
    """(C,) whether points stand around the pixel.

    An open pixel needs them in opposite quadrants, one that is `covered` by something farther in
    all four (else a receding floor's rows would hide each other); straight or turned by 45 degrees.
    """
    right, down, first, second = du >= 0, dv >= 0, du + dv >= 0, du - dv >= 0

    def around(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        one, two = (usable & a & b).any(dim=1), (usable & ~a & ~b).any(dim=1)
        three, four = (usable & a & ~b).any(dim=1), (usable & ~a & b).any(dim=1)
        line, other = one & two, three & four
        return torch.where(covered, line & other, line | other)

    return around(right, down) | around(first, second)


def _spread(usable: torch.Tensor, du: torch.Tensor, dv: torch.Tensor) -> torch.Tensor:
    """(C,) whether the points are spread in both directions, not in a row."""
    share = usable / usable.sum(dim=1, keepdim=True).clamp(min=1)
    cu, cv = (a - (share * a).sum(dim=1, keepdim=True) for a in (du, dv))
    uu, vv, uv = ((share * a).sum(dim=1) for a in (cu * cu, cv * cv, cu * cv))
    return uu * vv - uv * uv > 0.02 * (uu + vv).square()


def _fit(
    samples: Samples,
    pixel: torch.Tensor,
    near: torch.Tensor,
    usable: torch.Tensor,
    du: torch.Tensor,
    dv: torch.Tensor,
    cell: int,
) -> _Patch:
    """Plane through the neighbours' inverse depth at (0, 0), and their mean colour."""
    sigma = 0.6 * cell
    distance = du.square() + dv.square()
    weight = torch.where(usable, torch.exp(-distance / (2 * sigma**2)) + 1e-6, 0.0)
    weight = weight / weight.sum(dim=1, keepdim=True)
    inverse = 1.0 / samples.z[near]
    mu, mv, mq = ((weight * a).sum(dim=1) for a in (du, dv, torch.where(usable, inverse, 0.0)))
    cu, cv = du - mu[:, None], dv - mv[:, None]
    cq = torch.where(usable, inverse - mq[:, None], 0.0)
    ridge = 1e-3 * sigma**2  # a row of points says nothing of the slope across it
    uu, vv = (weight * cu * cu).sum(dim=1) + ridge, (weight * cv * cv).sum(dim=1) + ridge
    uv = (weight * cu * cv).sum(dim=1)
    uq, vq = (weight * cu * cq).sum(dim=1), (weight * cv * cq).sum(dim=1)
    determinant = uu * vv - uv * uv
    slope_u, slope_v = (uq * vv - vq * uv) / determinant, (vq * uu - uq * uv) / determinant
    low = torch.where(usable, inverse, torch.inf).amin(dim=1)
    high = torch.where(usable, inverse, 0.0).amax(dim=1)
    fitted = (mq - slope_u * mu - slope_v * mv).clamp(low, high)
    rgb = (weight[..., None] * samples.rgb[near].float()).sum(dim=1)
    nearest = torch.where(usable, distance, torch.inf).amin(dim=1).sqrt()
    return _Patch(
        pixel, 1.0 / fitted, (rgb + 0.5).to(torch.uint8), 1.0 / (1.0 + nearest.clamp(min=0.1))
    )
