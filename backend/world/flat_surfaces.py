# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory saw of walls, floors and facades, continued: their planes and what repeats there."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ..shared.camera import Camera
from ..shared.frame import MemoryFrame
from .patterns import Pattern, find_pattern, seen_pixels
from .planes import OFF_PLANE, Plane, find_planes
from .rays import camera_rays
from .sampling import MemoryImages
from .surface_fill import frame_cells

MOST_FRAMES = 6
"""Memory frames that are looked at; of more, so many evenly chosen."""
MOST_SURFACES = 16
SAME = 0.97
"""Cosine between two frames' normals of one plane."""
PATTERNED_PLANES = 6
"""Largest planes of a frame that are searched for a pattern."""


@dataclass(eq=False)
class FlatSurface:
    """A plane and what repeats on it, if anything does."""

    plane: Plane
    pattern: Pattern | None

    def to(self, device: torch.device) -> FlatSurface:
        """The same on another device."""
        return FlatSurface(self.plane.to(device), self.pattern and self.pattern.to(device))


_found: WeakKeyDictionary[MemoryFrame, list[FlatSurface]] = WeakKeyDictionary()
_joined: WeakKeyDictionary[MemoryImages, list[FlatSurface]] = WeakKeyDictionary()


@torch.no_grad()
def flat_surfaces(images: MemoryImages) -> list[FlatSurface]:
    """The flat surfaces that memory saw, the largest first, each once; on the images' device.

    Kept for as long as the images live, and what a frame showed for as long as that does.
    """
    if images not in _joined:
        frames = [frame for frame in images.frames if frame.enabled and frame.depth is not None]
        step = max(1, -(-len(frames) // MOST_FRAMES))
        found = [surface for frame in frames[::step] for surface in _of_frame(frame)]
        each: list[FlatSurface] = []
        for surface in sorted(found, key=_merit, reverse=True):
            if not any(_same(surface.plane, other.plane) for other in each):
                each.append(surface)
        _joined[images] = [surface.to(images.device) for surface in each[:MOST_SURFACES]]
    return _joined[images]


def _of_frame(frame: MemoryFrame) -> list[FlatSurface]:
    """On the CPU: see `seen_pixels`."""
    if frame not in _found:
        cpu = torch.device("cpu")
        eye = torch.tensor(frame.camera.position, dtype=torch.float32)
        planes = find_planes(frame_cells(frame, cpu), eye)
        seen = seen_pixels(frame) if planes else None
        patterns = [find_pattern(plane, seen) for plane in planes[:PATTERNED_PLANES]]
        patterns += [None] * (len(planes) - len(patterns))
        _found[frame] = [FlatSurface(*pair) for pair in zip(planes, patterns, strict=True)]
    return _found[frame]


def _merit(surface: FlatSurface) -> float:
    """Size, and a pattern that can be trusted: of two frames that saw one plane, one is heard."""
    trust = surface.pattern.trust if surface.pattern else 0.0
    return surface.plane.cells * (1 + 2 * trust)


def _same(plane: Plane, other: Plane) -> bool:
    size = float(torch.maximum(plane.extent.max(), other.extent.max()))
    apart = float(other.distance(plane.centre[None]).abs())
    return float(plane.normal @ other.normal) > SAME and apart < 2 * OFF_PLANE * size


@torch.no_grad()
def repeated_detail(
    depth: torch.Tensor,
    camera: Camera,
    surfaces: list[FlatSurface],
    owner: torch.Tensor,
    where: torch.Tensor,
) -> torch.Tensor:
    """(3, H, W): the detail that repeats on the surface a pixel shows, log ratios; 0 elsewhere.

    depth: (H, W) metres, all known. owner: (H, W) number of the surface that a pixel was moved
    onto (`continue_planes`); other pixels belong to the surface they lie on. where: (H, W) bool.
    """
    result = torch.zeros(3, depth.numel(), device=depth.device)
    patterned = [i for i, surface in enumerate(surfaces) if surface.pattern]
    pixel = (where & torch.isfinite(depth)).reshape(-1).nonzero().squeeze(1)
    if not patterned or not len(pixel):
        return result.view(3, *depth.shape)
    ray = camera_rays(camera, depth.device).reshape(-1, 3)[pixel]
    eye = torch.tensor(camera.position, dtype=torch.float32, device=depth.device)
    reach, length = depth.reshape(-1)[pixel], ray.norm(dim=1)
    points = eye + ray * reach[:, None]
    shown = owner.reshape(-1)[pixel]
    for i in patterned:
        plane = surfaces[i].plane
        lies = (shown < 0) & (plane.distance(points).abs() < OFF_PLANE * reach * length)
        on = ((shown == i) | lies).nonzero().squeeze(1)
        shown = torch.where(lies, i, shown)
        cosine = -(ray[on] @ plane.normal) / length[on]
        footprint = reach[on] * length[on] / float(camera.K[0, 0]) / cosine.clamp(min=0.02)
        result[:, pixel[on]] = surfaces[i].pattern.at(plane.across(points[on]), footprint).T
    return result.view(3, *depth.shape)
