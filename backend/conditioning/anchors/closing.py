# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing the gaps between neighbouring points of one surface, in the picture.

A pixel is closed when points of one surface stand on opposite sides of it, each no farther than
its own radius allows: nothing grows over a silhouette, a real hole stays a hole, and what shines
through a sparse nearer surface is replaced by that surface. Sparse surfaces are closed on coarser
grids (cells of 1, 2, 4 ... pixels). Depth comes from a plane fitted to the neighbours' inverse
depth (planes are linear in inverse depth), so that planes stay planes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn.functional import pad

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

BLOCK = 1 << 15
"""Pixels looked at together on a CPU: what fits its caches."""

_STEPS = 4
_AXES = ((0, 1), (1, 0), (1, 1), (1, -1))
_EMPTY = torch.iinfo(torch.int64).max
_PIXEL = 0xFFFFFFFF


@dataclass(eq=False)
class Samples:
    """The nearest point of each pixel of a canvas, flat maps of H * W.

    z: z-depth in metres, +inf = none. u, v: where it landed, pixels. radius: pixels; 0 = a point
    by itself. rgb: (H * W, 3) uint8. focal: pixels. margin: border that isn't closed.
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
    depth = center_depth(
        *(a.view(samples.size) for a in (samples.z, samples.u, samples.v, tolerance))
    ).view(-1)
    rgb = samples.rgb.clone()
    coverage = (depth < torch.inf).float()
    points = _open_pixels(samples, depth, tolerance)
    for level in range(LEVELS):
        cell = 1 << level
        if level:  # what is dense enough for finer levels must not hide sparse points in a cell
            points = points[samples.radius[points] > DENSE * cell]
            points = points[_open(depth, tolerance, points, samples.size, cell)]
        if not len(points):
            break
        cells = _nearest_in_cells(samples, points, cell)
        pixel = _candidates(samples, cells, depth, tolerance, cell)
        for block in pixel.split(BLOCK if depth.device.type == "cpu" else max(len(pixel), 1)):
            around = _look_around(samples, cells, block, depth, tolerance, cell)
            for _ in range(2):  # the nearest surface, and the one behind it where that one ends
                patch, around = _close(samples, around, depth, cell)
                depth[patch.pixel] = patch.depth
                rgb[patch.pixel] = patch.rgb
                coverage[patch.pixel] = patch.coverage
                if not len(around.pixel):
                    break
    return Closed(
        depth.view(height, width), rgb.view(height, width, 3), coverage.view(height, width)
    )


def _tolerance(z: torch.Tensor, radius: torch.Tensor, focal: float) -> torch.Tensor:
    """Metres by which depths of one surface may differ: neighbours lie that near in space."""
    return TOLERANCE * radius.clamp(min=0.75) * z / focal


def _open_pixels(samples: Samples, depth: torch.Tensor, tolerance: torch.Tensor) -> torch.Tensor:
    """(N,) the pixels with a point of a surface that doesn't go on to all sides.

    Only these can border a gap, or stand before what shines through one.
    """
    height, width = samples.size
    inverse = depth.view(height, width).reciprocal()
    parted = torch.zeros(height, width, dtype=torch.bool, device=depth.device)
    inner = (slice(1, -1), slice(1, -1))
    middle = inverse[inner]
    allowed = tolerance.view(height, width)[inner] * middle.square()
    for j, i in _AXES:
        one = inverse[1 + j : height - 1 + j, 1 + i : width - 1 + i]
        other = inverse[1 - j : height - 1 - j, 1 - i : width - 1 - i]
        parted[inner] |= _bends(one, middle, other, allowed)
    return (parted.view(-1) & (samples.radius > 0)).nonzero().squeeze(1)


def _open(
    depth: torch.Tensor,
    tolerance: torch.Tensor,
    points: torch.Tensor,
    size: tuple[int, int],
    cell: int,
) -> torch.Tensor:
    """(N,) the same for the pixels `points` (N,) alone, looking half a cell and a cell far."""
    height, width = size
    middle = depth[points].reciprocal()
    allowed = tolerance[points] * middle.square()
    parted = torch.zeros_like(points, dtype=torch.bool)
    for far in (cell // 2, cell):
        for j, i in _AXES:
            step = far * (j * width + i)
            one = depth[(points + step).clamp_(max=height * width - 1)].reciprocal()
            other = depth[(points - step).clamp_(min=0)].reciprocal()
            parted |= _bends(one, middle, other, allowed)
    return parted


def _bends(
    one: torch.Tensor, middle: torch.Tensor, other: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Whether three inverse depths in a row are not of one surface, flat or slanted."""
    bend = (one + other).sub_(middle, alpha=2).abs_()
    return bend > torch.maximum((one - other).abs_().mul_(0.25), allowed)


def _nearest_in_cells(samples: Samples, points: torch.Tensor, cell: int) -> torch.Tensor:
    """(H / cell, W / cell) pixel number of each cell's nearest of `points`; H * W = none."""
    height, width = samples.size
    none = height * width
    cells = torch.full((none // cell**2,), _EMPTY, device=points.device)
    y = torch.div(points, width, rounding_mode="floor")
    x = points - y * width
    place = torch.div(y, cell, rounding_mode="floor") * (width // cell)
    place += torch.div(x, cell, rounding_mode="floor")
    key = (samples.z[points].view(torch.int32).to(torch.int64) << 32) | points
    cells.scatter_reduce_(0, place, key, "amin")
    cells = torch.where(cells == _EMPTY, none, cells & _PIXEL)
    return cells.view(height // cell, width // cell)


def _candidates(
    samples: Samples, cells: torch.Tensor, depth: torch.Tensor, tolerance: torch.Tensor, cell: int
) -> torch.Tensor:
    """Pixels (C,) with clearly nearer points in neighbouring cells, enough of them to close it."""
    height, width = samples.size
    none = height * width
    back = (samples.z + tolerance)[cells.clamp(max=none - 1)]
    back = torch.where(cells < none, back, torch.inf)
    around = pad(back, (1, 1, 1, 1), value=torch.inf)
    around = torch.minimum(torch.minimum(around[:, :-2], around[:, 1:-1]), around[:, 2:])
    nearest = torch.minimum(torch.minimum(around[:-2], around[1:-1]), around[2:])
    nearest = _spread_out(nearest, cell)
    depth = depth.view(height, width)
    wanted = nearest < depth
    # an open pixel takes two points to be closed, a covered one four
    wanted &= _count_around(cells < none, cell) >= torch.where(depth < torch.inf, 4.0, 2.0)
    m = samples.margin
    wanted[:m], wanted[height - m :], wanted[:, :m], wanted[:, width - m :] = (False,) * 4
    return wanted.view(-1).nonzero().squeeze(1)


def _count_around(present: torch.Tensor, cell: int) -> torch.Tensor:
    """(H, W) how many of the 3x3 cells around a pixel hold a point; present: of cells."""
    count = pad(present.float(), (1, 1, 1, 1))
    count = count[:, :-2] + count[:, 1:-1] + count[:, 2:]
    count = count[:-2] + count[1:-1] + count[2:]
    return _spread_out(count, cell)


def _spread_out(cells: torch.Tensor, cell: int) -> torch.Tensor:
    if cell == 1:
        return cells
    return cells.repeat_interleave(cell, 0).repeat_interleave(cell, 1)


def _close(
    samples: Samples,
    around: _Around,
    depth: torch.Tensor,
    cell: int,
) -> tuple[_Patch, _Around]:
    """Closes pixels by the nearest surface; returns what may be closed by the one behind it."""
    current = depth[around.pixel]
    covered = current < torch.inf
    # in front of what the pixel shows, near enough, and on all sides: else there is no use looking
    possible = around.near & (around.end < current)
    around = around.only(_surrounded(possible, around, covered))
    current, covered = depth[around.pixel], depth[around.pixel] < torch.inf
    end = _front_surface(around)
    surface = around.z <= end
    closed = (end < current) & _surrounded(surface & around.near, around, covered)
    if cell < LARGEST:  # a single row tells no slope: sparse ones wait for coarser cells
        later = (around.radius * surface).amax(dim=0) > DENSE * 2 * cell
        closed &= ~later | _spread(surface, around.du, around.dv)
    patch = _fit(samples, around.only(closed), surface[:, closed], cell)
    left = ~closed & (end < current)
    behind = around.only(left)
    return patch, behind.without(behind.z <= end[left])


@dataclass(eq=False)
class _Around:
    """The points in the 3x3 cells around pixels.

    pixel: (C,) their numbers. index: (9, C) numbers of the points' pixels. z: (9, C) metres,
    +inf = no point. end: (9, C) how far back the point's surface may go on. du, dv: (9, C) pixels
    from the pixel's centre. radius: (9, C) pixels. near: (9, C) bool, close enough for its radius.
    """

    pixel: torch.Tensor
    index: torch.Tensor
    z: torch.Tensor
    end: torch.Tensor
    du: torch.Tensor
    dv: torch.Tensor
    radius: torch.Tensor
    near: torch.Tensor

    def only(self, chosen: torch.Tensor) -> _Around:
        """Of the pixels `chosen` (C,) bool."""
        which = chosen.nonzero().squeeze(1)
        if len(which) == len(chosen):
            return self
        rest = (self.index, self.z, self.end, self.du, self.dv, self.radius, self.near)
        return _Around(self.pixel[which], *(a.index_select(1, which) for a in rest))

    def without(self, points: torch.Tensor) -> _Around:
        """Without the `points` (9, C) bool."""
        z = torch.where(points, torch.inf, self.z)
        return replace(self, z=z, near=self.near & ~points)


def _look_around(
    samples: Samples,
    cells: torch.Tensor,
    pixel: torch.Tensor,
    depth: torch.Tensor,
    tolerance: torch.Tensor,
    cell: int,
) -> _Around:
    width, columns = samples.size[1], cells.shape[1]
    y = torch.div(pixel, width, rounding_mode="floor")
    x = pixel - y * width
    around = [j * columns + i for j in (-1, 0, 1) for i in (-1, 0, 1)]
    offsets = torch.tensor(around, device=pixel.device)[:, None]
    index = cells.view(-1)[
        torch.div(y, cell, rounding_mode="floor") * columns + x // cell + offsets
    ]
    none = index >= len(samples.z)
    index = index.clamp_(max=len(samples.z) - 1)
    z = samples.z[index].masked_fill_(none, torch.inf)
    du, dv = samples.u[index] - (x + 0.5), samples.v[index] - (y + 0.5)
    radius = samples.radius[index]
    reach = torch.where(depth[pixel] < torch.inf, REACH_COVERED, REACH) * radius + 0.25
    near = (du.square() + dv.square() <= reach.clamp_(min=1.1).square_()) & ~none
    return _Around(pixel, index, z, z + tolerance[index], du, dv, radius, near)


def _front_surface(around: _Around) -> torch.Tensor:
    """(C,) the depth up to which the nearest surface goes on.

    From one point to the next as long as the next lies within the tolerance of the last, so that
    a floor may recede.
    """
    z = torch.where(around.near, around.z, torch.inf)
    front = z.min(dim=0)
    end = around.end.gather(0, front.indices[None]).squeeze(0)
    for _ in range(_STEPS):
        end = torch.where(z <= end, around.end, end).amax(dim=0)
    return end


def _surrounded(usable: torch.Tensor, around: _Around, covered: torch.Tensor) -> torch.Tensor:
    """(C,) whether `usable` (9, C) points stand around the pixel.

    An open pixel needs them in opposite quadrants, one that is `covered` by something farther in
    all four (else a receding floor's rows would hide each other); straight or turned by 45 degrees.
    """
    du, dv = around.du, around.dv
    one = usable.to(torch.uint8)
    straight = (du >= 0).to(torch.uint8).mul_(2).add_(dv >= 0)
    turned = (du + dv >= 0).to(torch.uint8).mul_(2).add_(du - dv >= 0).add_(4)
    found = (one << straight) | (one << turned)
    code = found[0]
    for more in found[1:]:
        code = code | more
    open_table, covered_table = _TABLES.to(code.device)
    code = code.long()
    return torch.where(covered, covered_table[code], open_table[code])


def _tables() -> torch.Tensor:
    """(2, 256) bool: of the quadrants found (bits), whether an open, a covered pixel closes."""
    codes = range(256)
    halves = [(code & 15, code >> 4) for code in codes]
    return torch.tensor(
        [
            # quadrants 0 and 3 are opposite, so are 1 and 2
            [any(h & 9 == 9 or h & 6 == 6 for h in pair) for pair in halves],
            [15 in pair for pair in halves],
        ]
    )


_TABLES = _tables()


def _spread(usable: torch.Tensor, du: torch.Tensor, dv: torch.Tensor) -> torch.Tensor:
    """(C,) whether the points are spread in both directions, not in a row."""
    share = usable / usable.sum(dim=0).clamp(min=1)
    cu, cv = (a - (share * a).sum(dim=0) for a in (du, dv))
    uu, vv, uv = ((share * a).sum(dim=0) for a in (cu * cu, cv * cv, cu * cv))
    return uu * vv - uv * uv > 0.02 * (uu + vv).square()


def _fit(samples: Samples, around: _Around, usable: torch.Tensor, cell: int) -> _Patch:
    """Plane through the `usable` points' inverse depth at the pixel, and their mean colour."""
    sigma = 0.6 * cell
    du, dv = around.du, around.dv
    distance = du.square() + dv.square()
    weight = (distance * (-0.5 / sigma**2)).exp_().add_(1e-6).mul_(usable)
    weight /= weight.sum(dim=0)
    inverse = around.z.reciprocal()  # 0 where there is no point
    mu, mv, mq = ((weight * a).sum(dim=0) for a in (du, dv, inverse))
    cu, cv, cq = du - mu, dv - mv, inverse - mq
    ridge = 1e-3 * sigma**2  # a row of points says nothing of the slope across it
    wu, wv = weight * cu, weight * cv
    uu, vv = (wu * cu).sum(dim=0) + ridge, (wv * cv).sum(dim=0) + ridge
    uv, uq, vq = (wu * cv).sum(dim=0), (wu * cq).sum(dim=0), (wv * cq).sum(dim=0)
    determinant = uu * vv - uv * uv
    slope_u, slope_v = (uq * vv - vq * uv) / determinant, (vq * uu - uq * uv) / determinant
    low = torch.where(usable, inverse, torch.inf).amin(dim=0)
    high = (inverse * usable).amax(dim=0)
    fitted = (mq - slope_u * mu - slope_v * mv).clamp(low, high)
    colors = samples.rgb.T[:, around.index]  # (3, 9, C)
    colored = weight * (colors.amax(dim=0) > 0)  # black has no colour of its own, see Anchors
    rgb = (colored * colors).sum(dim=1) / colored.sum(dim=0).clamp_(min=1e-9)
    nearest = torch.where(usable, distance, torch.inf).amin(dim=0).sqrt_()
    coverage = 1.0 / (1.0 + nearest.clamp_(min=0.1))
    return _Patch(around.pixel, fitted.reciprocal_(), rgb.T.add(0.5).to(torch.uint8), coverage)
