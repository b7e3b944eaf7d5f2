# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures and depths of a scene; antialiased edges."""

from __future__ import annotations

import torch

from ...shared.camera import Camera
from .prepared import Prepared, Solid, prepare, solid
from .scene import Scene
from .shading import shade
from .trace import nearest

_TILE = 8


def render_view(
    scene: Scene, camera: Camera, device: torch.device | str = "cpu", antialias: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture and its depth.

    Returns rgb (H, W, 3) float32 sRGB in [0, 1] and z-depth (H, W) float32 in metres of the
    surface at each pixel's centre, +inf = sky. Edges are antialiased by 4 more rays a pixel.
    """
    prepared = prepare(scene, device)
    with torch.no_grad():
        linear, depth = _render(scene, prepared, camera, torch.device(device), antialias)
        return tone(linear * scene.exposure), depth


def render_depth(scene: Scene, camera: Camera, device: torch.device | str = "cpu") -> torch.Tensor:
    """The z-depth of `render_view` alone: (H, W) float32 metres, +inf = sky. Much cheaper."""
    order = _tile_order(camera.height, camera.width).to(device)
    rays = torch.from_numpy(camera.rays()).to(device).view(-1, 3)[order]
    origin = torch.tensor(camera.position, dtype=torch.float32, device=device)
    depth = torch.empty(len(order), device=device)
    with torch.no_grad():
        depth[order], _ = trace(solid(scene, device), origin, rays)
    return depth.view(camera.height, camera.width)


def linear_view(scene: Scene, camera: Camera) -> torch.Tensor:
    """(H * W, 3) linear radiance without exposure or antialiasing, on the CPU."""
    with torch.no_grad():
        image, _ = _render(scene, prepare(scene, "cpu"), camera, torch.device("cpu"), False)
    return image.view(-1, 3)


def tone(linear: torch.Tensor) -> torch.Tensor:
    """Linear light (..., 3) to sRGB in [0, 1] with a soft shoulder above 0.8."""
    over = (linear - 0.8).clamp_min(0)
    x = torch.minimum(linear, torch.full_like(linear, 0.8)) + 0.2 * (1 - torch.exp(-over / 0.2))
    x = x.clamp(0, 1)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(1e-6) ** (1 / 2.4) - 0.055)


def _render(
    scene: Scene, prepared: Prepared, camera: Camera, device: torch.device, antialias: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = camera.height, camera.width
    order = _tile_order(height, width).to(device)
    rays = torch.from_numpy(camera.rays()).to(device).view(-1, 3)[order]
    origin = torch.tensor(camera.position, dtype=torch.float32, device=device)
    footprint = 1.0 / float(camera.K[0, 0])
    t, prim = trace(prepared, origin, rays)
    color = shade(scene, prepared, origin, rays, t, prim, footprint)
    image = torch.empty((height * width, 3), device=device)
    depth = torch.empty(height * width, device=device)
    label = torch.empty(height * width, dtype=torch.int64, device=device)
    image[order], depth[order], label[order] = color, t, prim
    if antialias:
        edge = _edges(depth.view(height, width), label.view(height, width)).view(-1)[order]
        picked = order[edge]
        if len(picked):
            image[picked] = _supersample(scene, prepared, camera, origin, picked, footprint)
    return image.view(height, width, 3), depth.view(height, width)


def trace(
    solid: Solid, origin: torch.Tensor, rays: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest hit of N rays: parameter (N,), +inf = sky; primitive (N,), -1 sky, -2 terrain."""
    t, prim = nearest(solid.geometry, origin, rays)
    if solid.terrain is None:
        return t, prim
    ground = solid.terrain.march(origin.expand_as(rays), rays, t)
    return torch.minimum(t, ground), torch.where(ground < t, -2, prim)


def _tile_order(height: int, width: int) -> torch.Tensor:
    """Pixel numbers ordered by tile, so that neighbouring rays share a group."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wide = 2 * _TILE
    key = ((y // _TILE) * (width // wide + 1) + x // wide) * (_TILE * wide)
    return torch.argsort((key + (y % _TILE) * wide + x % wide).view(-1), stable=True)


def _edges(depth: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """(H, W) bool: pixels where a neighbour shows another primitive or a bend in depth."""
    edge = torch.zeros_like(label, dtype=torch.bool)
    inverse = 1 / depth
    for axis in (0, 1):
        n = label.shape[axis]
        differ = label.narrow(axis, 0, n - 1) != label.narrow(axis, 1, n - 1)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
        if n > 2:  # inverse depth is linear on a plane
            middle = inverse.narrow(axis, 1, n - 2)
            bend = inverse.narrow(axis, 0, n - 2) + inverse.narrow(axis, 2, n - 2) - 2 * middle
            edge.narrow(axis, 1, n - 2).logical_or_(bend.abs() > 0.01 * middle)
    return edge


def _supersample(
    scene: Scene, prepared: Prepared, camera: Camera, origin: torch.Tensor, picked: torch.Tensor,
    footprint: float,
) -> torch.Tensor:  # fmt: skip
    """Mean colour of four rays on a rotated grid in each picked pixel, tone-mapped per ray."""
    x = (picked % camera.width).float()
    y = (picked // camera.width).float()
    offsets = ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
    k = camera.K
    turn = torch.tensor(camera.c2w[:3, :3], dtype=torch.float32, device=picked.device)
    rays = [
        torch.stack(
            [(x + a - k[0, 2]) / k[0, 0], (y + b - k[1, 2]) / k[1, 1], torch.ones_like(x)], 1
        )
        for a, b in offsets
    ]
    directions = torch.stack(rays, 1).view(-1, 3) @ turn.T  # the four of a pixel side by side
    t, prim = trace(prepared, origin, directions)
    color = shade(scene, prepared, origin, directions, t, prim, footprint)
    bright = 1.0 / scene.exposure  # bright lamps would otherwise bleed jaggies into edges
    return color.clamp_max(bright).view(-1, 4, 3).mean(1)
