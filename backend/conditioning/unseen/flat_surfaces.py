# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory saw of walls, floors and facades, continued: their planes and what repeats there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import torch

from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from ..anchors.rays import camera_rays
from ..memory.sampling import MemoryImages
from .patterns import Pattern, find_pattern, seen_pixels
from .planes import OFF_PLANE, Plane, find_planes
from .surfels import frame_cells

MOST_FRAMES = 6
"""Memory frames that are looked at; of more, so many evenly chosen."""
MOST_SURFACES = 16
SAME = 0.97
"""Cosine between two frames' normals of one plane."""
PATTERNED_PLANES = 6
"""Largest planes of a frame that are searched for a pattern."""


@dataclass(eq=False)
class FlatSurface:
    """A plane, and which planes of which frames it was: (frame, number of the plane there)."""

    plane: Plane
    sightings: list[tuple[MemoryFrame, int]]

    @cached_property
    def texture(self) -> tuple[Plane, Pattern] | None:
        """What repeats on it and the plane that it was laid flat on; found when first asked for.

        Of several frames' patterns the one that was seen largest and foretells itself best.
        """
        best, most = None, 0.0
        for frame, number in self.sightings:
            plane, pattern = _planes_of(frame)[number], _pattern_of(frame, number)
            merit = plane.cells * pattern.trust if pattern else 0.0
            if merit > most:
                best, most = (plane, pattern), merit
        device = self.plane.normal.device
        return best and (best[0].to(device), best[1].to(device))


_planes: WeakKeyDictionary[MemoryFrame, list[Plane]] = WeakKeyDictionary()
_patterns: WeakKeyDictionary[MemoryFrame, list[Pattern | None]] = WeakKeyDictionary()
_joined: WeakKeyDictionary[MemoryImages, list[FlatSurface]] = WeakKeyDictionary()


@torch.no_grad()
def flat_surfaces(images: MemoryImages) -> list[FlatSurface]:
    """The flat surfaces that memory saw, the largest first, each once; on the images' device.

    Kept for as long as the images live, and what a frame showed for as long as that does.
    """
    if images not in _joined:
        frames = [frame for frame in images.frames if frame.enabled and frame.depth is not None]
        step = max(1, -(-len(frames) // MOST_FRAMES))
        found = [(plane, frame, i) for frame in frames[::step] for i, plane in _numbered(frame)]
        each: list[FlatSurface] = []
        for plane, frame, i in sorted(found, key=lambda sighting: -sighting[0].cells):
            same = next((surface for surface in each if _same(surface.plane, plane)), None)
            if same:
                same.sightings.append((frame, i))
            else:
                each.append(FlatSurface(plane, [(frame, i)]))
        for surface in each:
            surface.plane = surface.plane.to(images.device)
        _joined[images] = each[:MOST_SURFACES]
    return _joined[images]


def _numbered(frame: MemoryFrame) -> Iterable[tuple[int, Plane]]:
    return enumerate(_planes_of(frame))


def _planes_of(frame: MemoryFrame) -> list[Plane]:
    """On the CPU: see `seen_pixels`."""
    if frame not in _planes:
        eye = torch.tensor(frame.camera.position, dtype=torch.float32)
        _planes[frame] = find_planes(frame_cells(frame, torch.device("cpu")), eye)
    return _planes[frame]


def _pattern_of(frame: MemoryFrame, number: int) -> Pattern | None:
    """What repeats on one of the planes of a frame; all of its large ones are searched at once."""
    if frame not in _patterns:
        seen = seen_pixels(frame)
        large = _planes_of(frame)[:PATTERNED_PLANES]
        _patterns[frame] = [find_pattern(plane, seen) for plane in large]
    found = _patterns[frame]
    return found[number] if number < len(found) else None


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
    pixel = (where & torch.isfinite(depth)).reshape(-1).nonzero().squeeze(1)
    if not len(pixel):
        return result.view(3, *depth.shape)
    textures = [(i, surface.texture) for i, surface in enumerate(surfaces)]
    patterned = [(i, *texture) for i, texture in textures if texture]
    ray = camera_rays(camera, depth.device).reshape(-1, 3)[pixel]
    eye = torch.tensor(camera.position, dtype=torch.float32, device=depth.device)
    reach, length = depth.reshape(-1)[pixel], ray.norm(dim=1)
    points = eye + ray * reach[:, None]
    shown = owner.reshape(-1)[pixel]
    for i, laid, pattern in patterned:
        plane = surfaces[i].plane
        lies = (shown < 0) & (plane.distance(points).abs() < OFF_PLANE * reach * length)
        on = ((shown == i) | lies).nonzero().squeeze(1)
        shown = torch.where(lies, i, shown)
        cosine = -(ray[on] @ plane.normal) / length[on]
        footprint = reach[on] * length[on] / float(camera.K[0, 0]) / cosine.clamp(min=0.02)
        result[:, pixel[on]] = pattern.at(laid.across(points[on]), footprint).T
    return result.view(3, *depth.shape)
