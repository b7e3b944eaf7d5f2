# SPDX-License-Identifier: GPL-3.0-or-later
"""Flat surfaces that a memory frame saw, and their continuation where nothing is known.

Rooms and streets are made of planes. The network that completes depth knows roughly how they go
on, but rounds the corner between floor and wall; a plane that was seen goes on exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..view import View
from .proposals import DepthProposal, SoFar
from .surfels import Surfels

OFF_PLANE = 0.012
"""Distance from a plane, as part of the distance from the camera, up to which a cell lies on it."""
NARROWER = (0.3, 0.1)
"""Parts of that distance within which cells are fitted again, as long as most lie there."""
ALIKE = 0.94
"""Least cosine between a cell's normal and its plane's."""
UNEVEN = 0.12
"""Root mean square of the sine between a plane's normal and its cells' above which it is none:
hills, rocks and crowns of trees are flat here and there, but do not go on like that."""
LEAST_CELLS = 12
MOST_PLANES = 12
"""Planes of one frame."""

TOLERANCE = 0.5
"""Log depth by which a plane may miss the completed depth and still be what a pixel shows."""
BEYOND = 0.2
"""Log depth that a plane is held back for each e-fold of its extent that a pixel lies beyond it."""
SMALL = 0.05
"""Log depth that a plane is held back for each e-fold by which another one is larger."""
GRAZING = 0.02
"""Cosine below which a plane is seen too flat to tell its depth."""


@dataclass(eq=False)
class Plane:
    """Points x with normal . x = offset, in world space; all float32 on one device.

    normal (3,): towards the camera that saw it. centre (3,), axes (2, 3), extent (2,): the
    rectangle that was seen, half its sides in metres; the first axis is level. cells: how many of
    a frame's cells lie on it.
    """

    normal: torch.Tensor
    offset: float
    centre: torch.Tensor
    axes: torch.Tensor
    extent: torch.Tensor
    cells: int

    def to(self, device: torch.device) -> Plane:
        """The same on another device."""
        normal, centre, axes, extent = (
            part.to(device) for part in (self.normal, self.centre, self.axes, self.extent)
        )
        return Plane(normal, self.offset, centre, axes, extent, self.cells)

    def across(self, points: torch.Tensor) -> torch.Tensor:
        """(N, 2) metres from the centre along the axes, of points (N, 3)."""
        return (points - self.centre) @ self.axes.T

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """(N,) metres in front of the plane, of points (N, 3)."""
        return points @ self.normal - self.offset


def find_planes(cells: Surfels, eye: torch.Tensor) -> list[Plane]:
    """The planes on which many of a view's cells lie, the largest first. eye: (3,) its camera.

    Every cell proposes the plane it lies on; the one that most cells agree with is fitted to
    them, and they are taken out.
    """
    usable = cells.known & ~cells.sky & (cells.normal.norm(dim=1) > 0.5)
    position, normal = cells.position[usable], cells.normal[usable]
    if len(position) < LEAST_CELLS:
        return []
    allowed = OFF_PLANE * (position - eye).norm(dim=1)
    offset = normal @ position.T - (normal * position).sum(1, keepdim=True)
    agrees = (offset.abs() < allowed) & (normal @ normal.T > ALIKE)
    free = torch.ones(len(position), dtype=torch.bool, device=position.device)
    planes: list[Plane] = []
    while len(planes) < MOST_PLANES:
        votes = (agrees & free).sum(1) * free
        first = int(votes.argmax())
        if votes[first] < LEAST_CELLS:
            break
        member, middle, upright = _fitted(position, normal, allowed, agrees[first] & free, free)
        if member.sum() < LEAST_CELLS:
            free[first] = False
            continue
        if _unevenness(normal[member], upright) < UNEVEN:
            planes.append(_rectangle(position[member], middle, upright))
        near = ((position - middle) @ upright).abs() < 2 * allowed
        free &= ~(near & (normal @ upright > 0.9) | member)
    return sorted(planes, key=lambda plane: -plane.cells)


def _fitted(
    position: torch.Tensor,
    normal: torch.Tensor,
    allowed: torch.Tensor,
    member: torch.Tensor,
    free: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The plane through `member` cells by least squares, its members chosen anew each time. In
    the end it goes through the nearest alone: cells in corners pull at it.

    Returns members (N,) bool, a point (3,) and the normal (3,).
    """
    middle, upright = position[member].mean(0), F.normalize(normal[member].mean(0), dim=0)
    fitted = member
    for part in NARROWER:
        if fitted.sum() < 3:
            break
        weight = 1 / allowed[fitted, None]
        middle = (position[fitted] * weight).sum(0) / weight.sum()
        spread = ((position[fitted] - middle) * weight).double()
        upright = torch.linalg.eigh(spread.T @ spread)[1][:, 0].to(position.dtype)
        upright = upright * torch.sign(upright @ normal[fitted].mean(0))
        off = ((position - middle) @ upright).abs()
        member = free & (off < allowed) & (normal @ upright > ALIKE)
        nearest = member & (off < part * allowed)
        fitted = nearest if 2 * nearest.sum() > member.sum() else member
    return member, middle, upright


def _unevenness(normals: torch.Tensor, upright: torch.Tensor) -> float:
    """Root mean square of the sines between `normals` (N, 3) and `upright` (3,)."""
    return (1 - (normals @ upright).square()).clamp(min=0).mean().sqrt().item()


def _rectangle(position: torch.Tensor, middle: torch.Tensor, normal: torch.Tensor) -> Plane:
    """The plane with what its cells (N, 3) span, a few outliers left out."""
    up = normal.new_tensor([0.0, 0.0, 1.0])
    level = torch.linalg.cross(up, normal)
    if level.norm() < 0.1:  # floor or ceiling: any direction is level
        level = torch.linalg.cross(normal.new_tensor([0.0, 1.0, 0.0]), normal)
    level = F.normalize(level, dim=0)
    axes = torch.stack([level, torch.linalg.cross(normal, level)])
    low, high = torch.quantile((position - middle) @ axes.T, normal.new_tensor([0.02, 0.98]), dim=0)
    centre = middle + 0.5 * (low + high) @ axes
    extent = (0.5 * (high - low)).clamp(min=1e-6)
    return Plane(normal, float(normal @ centre), centre, axes, extent, len(position))


def propose_planes(so_far: SoFar) -> DepthProposal:
    """The flat surfaces that memory saw, gone on where guesses come near them."""
    planes = [surface.plane for surface in so_far.images.flat_surfaces]
    depth, owner = continue_planes(so_far.depth, so_far.known, so_far.view, planes)
    return DepthProposal(depth, (owner >= 0).float(), owner)


def continue_planes(
    depth: torch.Tensor, known: torch.Tensor, view: View, planes: list[Plane]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Unknown depths that lie near a plane's continuation are moved onto it.

    depth: (H, W) metres, +inf = sky, completed where not `known`, (H, W) bool.
    Returns the depth and the number (H, W) of each pixel's plane: -1 = none.
    """
    owner = torch.full(depth.shape, -1, device=depth.device)
    wanted = ~known & torch.isfinite(depth)
    if not planes or not wanted.any():
        return depth, owner
    ray = view.rays[wanted]
    guess = depth[wanted]
    eye = view.eye
    best = torch.full_like(guess, TOLERANCE)
    found, number = guess.clone(), owner[wanted]
    largest = max(plane.cells for plane in planes)
    length = ray.norm(dim=1)
    heights = torch.stack([plane.distance(eye) for plane in planes]).tolist()
    for i, (plane, height) in enumerate(zip(planes, heights, strict=True)):
        facing = ray @ plane.normal
        reach = -height / facing
        miss = torch.log(reach.clamp(min=1e-6) / guess).abs()
        miss += SMALL * math.log(largest / plane.cells)
        hit = ((reach > 0) & (facing < -GRAZING * length) & (miss < best)).nonzero().squeeze(1)
        place = plane.across(eye + ray[hit] * reach[hit, None])
        beyond = ((place.abs() - plane.extent).clamp(min=0) / plane.extent).norm(dim=1)
        miss = miss[hit] + BEYOND * torch.log1p(beyond)
        closer = miss < best[hit]
        hit = hit[closer]
        best[hit], found[hit], number[hit] = miss[closer], reach[hit], i
    depth = depth.clone()
    depth[wanted], owner[wanted] = found, number
    return depth, owner
