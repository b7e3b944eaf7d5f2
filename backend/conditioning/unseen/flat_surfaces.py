# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory saw of walls, floors and facades, continued: their planes and what repeats there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ..view import View
from .patterns import Pattern
from .planes import OFF_PLANE, Plane

if TYPE_CHECKING:
    from ..memory.prepared import PreparedFrame

MOST_FRAMES = 6
"""Memory frames that are looked at; of more, so many evenly chosen."""
MOST_SURFACES = 16
SAME = 0.97
"""Cosine between two frames' normals of one plane."""


@dataclass(eq=False)
class FlatSurface:
    """A plane, and which planes of which frames it was: (frame, number of the plane there)."""

    plane: Plane
    sightings: list[tuple[PreparedFrame, int]]

    @cached_property
    def texture(self) -> tuple[Plane, Pattern] | None:
        """What repeats on it and the plane that it was laid flat on; found when first asked for.

        Of several frames' patterns the one that was seen largest and foretells itself best.
        """
        best: tuple[Plane, Pattern] | None = None
        most = 0.0
        for frame, number in self.sightings:
            plane, pattern = frame.planes[number], frame.pattern(number)
            merit = plane.cells * pattern.trust if pattern else 0.0
            if pattern is not None and merit > most:
                best, most = (plane, pattern), merit
        device = self.plane.normal.device
        return None if best is None else (best[0].to(device), best[1].to(device))


@torch.no_grad()
def flat_surfaces(memory: Sequence[PreparedFrame], device: torch.device) -> list[FlatSurface]:
    """The flat surfaces that memory saw, the largest first, each once; on `device`."""
    usable = [one for one in memory if one.frame.enabled and one.frame.depth is not None]
    step = max(1, -(-len(usable) // MOST_FRAMES))
    found = [(plane, one, i) for one in usable[::step] for i, plane in enumerate(one.planes)]
    each: list[FlatSurface] = []
    for plane, frame, i in sorted(found, key=lambda sighting: -sighting[0].cells):
        same = next((surface for surface in each if _same(surface.plane, plane)), None)
        if same:
            same.sightings.append((frame, i))
        else:
            each.append(FlatSurface(plane, [(frame, i)]))
    for surface in each:
        surface.plane = surface.plane.to(device)
    return each[:MOST_SURFACES]


def _same(plane: Plane, other: Plane) -> bool:
    size = float(torch.maximum(plane.extent.max(), other.extent.max()))
    apart = float(other.distance(plane.centre[None]).abs())
    return float(plane.normal @ other.normal) > SAME and apart < 2 * OFF_PLANE * size


@torch.no_grad()
def repeated_detail(
    depth: torch.Tensor,
    view: View,
    surfaces: Sequence[FlatSurface],
    owner: torch.Tensor,
    where: torch.Tensor,
) -> torch.Tensor:
    """(3, H, W): the detail that repeats on the surface a pixel shows, log ratios; 0 elsewhere.

    depth: (H, W) metres, all known. owner: (H, W) number of the surface that a pixel was moved
    onto (`continue_planes`); other pixels belong to the surface they lie on. where: (H, W) bool.
    """
    result = torch.zeros(3, depth.numel(), device=depth.device)
    pixel = (where & torch.isfinite(depth)).reshape(-1).nonzero().squeeze(1)
    if not len(pixel):
        return result.view(3, *depth.shape)
    textures = [(i, surface.texture) for i, surface in enumerate(surfaces)]
    patterned = [(i, *texture) for i, texture in textures if texture]
    ray = view.rays.reshape(-1, 3)[pixel]
    reach, length = depth.reshape(-1)[pixel], ray.norm(dim=1)
    points = view.eye + ray * reach[:, None]
    shown = owner.reshape(-1)[pixel]
    for i, laid, pattern in patterned:
        plane = surfaces[i].plane
        lies = (shown < 0) & (plane.distance(points).abs() < OFF_PLANE * reach * length)
        on = ((shown == i) | lies).nonzero().squeeze(1)
        shown = torch.where(lies, i, shown)
        cosine = -(ray[on] @ plane.normal) / length[on]
        footprint = reach[on] * length[on] / float(view.camera.K[0, 0]) / cosine.clamp(min=0.02)
        result[:, pixel[on]] = pattern.at(laid.across(points[on]), footprint).T
    return result.view(3, *depth.shape)
