# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours for surfaces that no memory frame saw: those of the nearest alike surfaces it did see.

On a coarse grid every cell of the target looks at every cell of the memory frames and takes their
mean colour, weighted by how near they are in the world and by how nearly they lie in one plane: an
unseen piece of floor looks like the floor beside it, not like the wall that covers it in the
picture. Since it is a function of the surface and of memory alone, it stays on the surface when the
camera moves. A piece of sky takes the colour of sky in a like direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..anchors.rays import pixel_rays
from ..channels import GUESSES
from ..view import View


@dataclass(frozen=True)
class Falloff:
    """How the weight of memory's cells falls with distance. nearness, plane: its powers of the
    squared distance and of that from one another's plane; normal: how much a surface of another
    direction counts less, e-folds from alike to perpendicular."""

    nearness: float
    plane: float
    normal: float


FALLOFFS = {
    "nearest": Falloff(2.1, 1.2, 4.5),
    "surroundings": Falloff(0.8, 0.4, 1.5),
    "plane": Falloff(0.5, 3.0, 8.0),
}
"""By the names of the guesses that they make, see `GUESSES`."""

LEAST_DISTANCE = 0.02
LEAST_OFFSET = 0.035
"""Distances below which nothing is nearer, along and across planes, in world scales."""
SKY_AZIMUTH, SKY_ELEVATION = 3.0, 16.0
"""Fall of the weight of sky, e-folds for a radian: its colour changes with the elevation."""

ON_PLANE = 0.02
"""Distance from a cell's plane, as part of the depth, at which a pixel hardly belongs to it."""
LEAST_WEIGHT = 1e-3
"""Weight of a cell whose plane a pixel is not on: counts where it is on none of the four."""

MOST_CELLS = 4096
"""Cells of memory that a target looks at, at most."""


@dataclass(eq=False)
class Surfels:
    """Cells of a picture as pieces of surface: all float32 on one device.

    position, normal: (N, 3) world space; normals face the camera. direction: (N, 3) unit rays.
    color: (N, 3) in [-1, 1]. sky, known: (N,) bool; position and normal hold where known & ~sky.
    """

    position: torch.Tensor
    normal: torch.Tensor
    direction: torch.Tensor
    color: torch.Tensor
    sky: torch.Tensor
    known: torch.Tensor

    def only(self, which: torch.Tensor | slice) -> Surfels:
        """Some of the N cells: (N,) bool, (K,) numbers or a slice of them."""
        return Surfels(*(part[which] for part in vars(self).values()))

    @classmethod
    def join(cls, parts: list[Surfels]) -> Surfels:
        """The cells of several pictures."""
        return cls(
            *(torch.cat(same) for same in zip(*(vars(p).values() for p in parts), strict=True))
        )


def surfels(depth: torch.Tensor, view: View, color: torch.Tensor | None = None) -> Surfels:
    """The cells of a view. depth: (H, W) metres, +inf = sky, 0 = unknown; color: (3, H, W)."""
    rows, columns = view.grid
    z, rays = cell_samples(depth, view)
    solid = (z > 0) & torch.isfinite(z)
    points = rays * torch.where(solid, z, 0.0)[..., None]
    middle = (slice(1, None, 3), slice(1, None, 3))
    ray = F.normalize(rays[middle], dim=-1)
    normal = cell_normals(points, ray)
    mean = torch.zeros(rows, columns, 3, device=depth.device)
    if color is not None:
        mean = F.adaptive_avg_pool2d(color[None], (rows, columns))[0].permute(1, 2, 0)
    return Surfels(
        position=(points[middle] + view.eye).reshape(-1, 3),
        normal=normal.reshape(-1, 3),
        direction=ray.reshape(-1, 3),
        color=mean.reshape(-1, 3),
        sky=torch.isinf(z[middle]).reshape(-1),
        known=(z[middle] > 0).reshape(-1),
    )


def cell_samples(depth: torch.Tensor, view: View) -> tuple[torch.Tensor, torch.Tensor]:
    """depth (H, W) and rays (3) of 3 x 3 pixels a cell: (3 rows, 3 columns), (.., .., 3)."""
    y, x = view.pixels_of_cells(3)
    return depth[y[:, None], x[None]], pixel_rays(view.camera, y, x)


def cell_normals(points: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    """(rows, columns, 3) unit normals that face the camera, from 3 x 3 points a cell.

    points: (3 rows, 3 columns, 3). ray: (rows, columns, 3), towards the middles.
    """
    across = points[1::3, 2::3] - points[1::3, 0::3]
    down = points[2::3, 1::3] - points[0::3, 1::3]
    normal = F.normalize(torch.linalg.cross(across, down), dim=-1)
    return torch.where((normal * ray).sum(-1, keepdim=True) > 0, -normal, normal)


def joined_cells(parts: list[Surfels], device: torch.device) -> Surfels:
    """The cells of many pictures; more than `MOST_CELLS` are thinned evenly."""
    if not parts:
        none, nowhere = torch.zeros(0, 3, device=device), torch.zeros(0, dtype=torch.bool)
        return Surfels(none, none, none, none, nowhere.to(device), nowhere.to(device))
    cells = Surfels.join(parts)
    step = -(-len(cells.sky) // MOST_CELLS)
    return cells if step == 1 else cells.only(slice(None, None, step))


def guess_colors(target: Surfels, memory: Surfels, scale: float) -> torch.Tensor:
    """(N, C) for the target's cells, C by `GUESSES`: means of memory's colours by each of
    `FALLOFFS`, how far the nearest comes from, and the colour of sky in that direction.

    scale: metres, see `world_scale`. Cells without anything alike take the mean of all memory.
    """
    seen = memory.color[memory.known]
    mean = seen.mean(0) if len(seen) else torch.zeros(3, device=memory.color.device)
    surface, sky = memory.known & ~memory.sky, memory.sky
    colors = {name: mean.expand(len(target.sky), 3).clone() for name in FALLOFFS}
    far = torch.ones(len(target.sky), 1, device=mean.device)
    above = torch.zeros(len(target.sky), 4, device=mean.device)
    solid = ~target.sky
    if solid.any() and surface.any():
        theirs = memory.only(surface)
        logits, distance = _surface_weights(target.only(solid), theirs, scale)
        for name, each in logits.items():
            share = torch.softmax(each, dim=1)
            colors[name][solid] = share @ theirs.color
            if name == "nearest":
                far[solid] = share.mul_(distance).sum(1, keepdim=True)
    if sky.any():
        theirs = memory.only(sky)
        above_logits, distance = _sky_weights(target, theirs)
        share = torch.softmax(above_logits, dim=1)
        above[:, :3], above[:, 3] = share @ theirs.color, 1
        for color in colors.values():
            color[target.sky] = above[target.sky, :3]
        far[target.sky] = share.mul_(distance).sum(1, keepdim=True)[target.sky]
    guesses = {**colors, "distance": far, "sky_guess": above[:, :3], "has_sky": above[:, 3:]}
    return torch.cat([guesses[channel.name] for channel in GUESSES.channels], dim=1)


def _surface_weights(
    target: Surfels, memory: Surfels, scale: float
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Logits by each of `FALLOFFS` and distances, (N, M). Every sum over coordinates is one
    matrix product, since passes over N x M numbers are what this costs."""
    centre = memory.position.mean(0)
    t, m = (target.position - centre) / scale, (memory.position - centre) / scale
    one_t, one_m = torch.ones_like(t[:, :1]), torch.ones_like(m[:, :1])
    square = torch.cat([-2 * t, one_t, _dot(t, t)], 1) @ torch.cat([m, _dot(m, m), one_m], 1).T
    square.clamp_(min=0)
    ours = torch.cat([_dot(t, target.normal), -target.normal], 1) @ torch.cat([one_m, m], 1).T
    theirs = torch.cat([t, one_t], 1) @ torch.cat([memory.normal, -_dot(m, memory.normal)], 1).T
    offset = ours.square_().addcmul_(theirs, theirs).add_(LEAST_OFFSET**2).log_()
    distance = (square + 1).reciprocal_().neg_().add_(1)
    nearness = square.add_(LEAST_DISTANCE**2).log_()
    logits = {
        name: (nearness * -falloff.nearness)
        .add_(offset, alpha=-falloff.plane)
        .addmm_(target.normal, memory.normal.T, alpha=falloff.normal)
        for name, falloff in FALLOFFS.items()
    }
    return logits, distance


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(1, keepdim=True)


def _sky_weights(target: Surfels, memory: Surfels) -> tuple[torch.Tensor, torch.Tensor]:
    angle = torch.acos((target.direction @ memory.direction.T).clamp(-1, 1))
    rise = (target.direction[:, 2:] - memory.direction[:, 2]).abs()
    return -SKY_AZIMUTH * angle - SKY_ELEVATION * rise, angle / (angle + 1)


def cells_around(where: torch.Tensor, view: View) -> torch.Tensor:
    """(N,) bool: the cells that `spread_cells` looks at for the pixels `where` (H, W) marks."""
    own = F.adaptive_max_pool2d(where.float()[None], view.grid)
    return F.max_pool2d(own, 3, 1, 1).reshape(-1) > 0


def spread_cells(
    cells: Surfels, values: torch.Tensor, depth: torch.Tensor, view: View, where: torch.Tensor
) -> torch.Tensor:
    """(C, H, W): the cells' `values` (N, C) at the pixels that `where` (H, W) marks, 0 elsewhere.

    Joint bilateral (Kopf et al. 2007): of the four cells around a pixel those count whose plane
    its point lies on, so that colours do not run over a silhouette. depth: (H, W), all known.
    """
    height, width = depth.shape
    rows, columns = view.grid
    result = torch.zeros(values.shape[1], height * width, device=depth.device)
    pixel = torch.nonzero(where.reshape(-1)).squeeze(1)
    y, x = pixel // width, pixel % width
    z = depth.reshape(-1)[pixel]
    sky = torch.isinf(z)
    ray = view.rays.view(-1, 3)[pixel]
    reach = torch.where(sky, 1.0, z)
    point = ray * reach[:, None] + view.eye
    v, u = ((p + 0.5) * n / side - 0.5 for p, n, side in ((y, rows, height), (x, columns, width)))
    total = torch.full_like(z, 1e-12)
    mean = torch.zeros(len(pixel), values.shape[1], device=depth.device)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = v.floor() + dy, u.floor() + dx
        share = (1 - (v - row).abs()) * (1 - (u - column).abs())
        cell = (row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)).long()
        offset = ((point - cells.position[cell]) * cells.normal[cell]).sum(1) / (ON_PLANE * reach)
        alike = torch.where(sky, 0.0, torch.exp(-offset.square()))
        alike = torch.where(cells.sky[cell], sky.float(), alike)
        weight = share * (alike + LEAST_WEIGHT)
        mean += weight[:, None] * values[cell]
        total += weight
    result[:, pixel] = (mean / total[:, None]).T
    return result.view(-1, height, width)
