# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of a target view, fetched from memory images through the target's depth.

Every surface point that the target sees is looked up in the memory frames at their own
resolution, where their depth says that they saw the same surface, and the looks are blended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample

from ...shared.camera import Camera
from .images import FrameImage, MemoryImages

DEPTH_TOLERANCE = 0.015
"""Relative difference of depth up to which two views are taken to see the same surface."""

FEATHER = 0.06
"""Part of a memory image's side over which its weight fades in from the border."""

SHARPNESS = 6.0
"""Power of quality in the blend: high enough to avoid ghosts, low enough for no seams."""

EDGE_QUALITY = 0.15
"""Quality beside a silhouette of the memory image, where pixels mix two surfaces."""

LEAST_SHARE = 0.3
"""Bilinear weight that the pixels of the same surface must have together at a silhouette."""

WHOLE_SHARE = 0.999
"""Share from which all four pixels count as one surface, and may be interpolated freely."""

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(eq=False)
class Sampled:
    """rgb: (H, W, 3) float32 sRGB in [0, 1], 0 where unseen. weight: (H, W) float32 in [0, 1].

    weight is 0 where no frame saw this surface (or this piece of sky), and rises with the
    resolution and certainty of the best one. sky: (H, W) bool, no surface there and a memory
    frame saw sky in that direction; rgb is the sky's colour then.
    """

    rgb: torch.Tensor
    weight: torch.Tensor
    sky: torch.Tensor


def usable(weight: torch.Tensor) -> torch.Tensor:
    """How much of a sampled colour enters the base: even an unsure one beats a guess.

    weight: (..., H, W) in [0, 1], and so is what comes back.

    Measured on procedural scenes: looks with a weight below 0.4 are 23.4 dB from the truth when
    taken as they are, 20.9 dB when blended with the filling by their weight.
    """
    return (5 * weight).clamp(max=1)


@torch.no_grad()
def sample_memory(
    images: MemoryImages, indices: Sequence[int], camera: Camera, depth: torch.Tensor
) -> Sampled:
    """The target `camera` with z-depth `depth` (H, W), as the memory frames `indices` saw it.

    depth > 0 and finite: a surface; otherwise (sky or unknown) only sky can be found there.
    Frames without depth give nothing.
    """
    device = images.device
    depth = depth.to(device).reshape(-1)
    surface = torch.isfinite(depth) & (depth > 0)
    total = torch.zeros(len(depth), 3, device=device)
    weights = torch.zeros(len(depth), device=device)
    best = torch.zeros(len(depth), device=device)
    for index in indices:
        frame = images.frames[index]
        if frame.depth is None:
            continue
        found = _reproject(images.image(index), frame.camera, camera, depth, surface)
        if not len(found.pixel):
            continue
        weight = found.blend.pow(SHARPNESS)
        total.index_add_(0, found.pixel, found.rgb * weight[:, None])
        weights.index_add_(0, found.pixel, weight)
        best[found.pixel] = torch.maximum(best[found.pixel], found.quality)
    seen = weights > 0
    rgb = torch.where(seen[:, None], total / weights.clamp(min=1e-30)[:, None], 0.0)
    shape = (camera.height, camera.width)
    return Sampled(rgb.view(*shape, 3), best.view(shape), (seen & ~surface).view(shape))


@dataclass(eq=False)
class _Reprojected:
    """What one memory frame tells of the target's pixels.

    pixel: (M,) int64, the target pixels it saw. rgb: (M, 3). quality, blend: (M,) in (0, 1].
    """

    pixel: torch.Tensor
    rgb: torch.Tensor
    quality: torch.Tensor
    blend: torch.Tensor


def _reproject(
    image: FrameImage, memory: Camera, target: Camera, depth: torch.Tensor, surface: torch.Tensor
) -> _Reprojected:
    u, v, z = _project(memory, target, depth, surface)
    inside = (z > 0) & (u > 0.5) & (v > 0.5)
    inside &= (u < memory.width - 0.5) & (v < memory.height - 0.5)
    pixel = inside.nonzero().squeeze(1)
    u, v, z, solid = u[pixel], v[pixel], z[pixel], surface[pixel]
    share, even, slope = _same_surface(image, memory, u, v, z, solid)
    kept = (share > LEAST_SHARE).nonzero().squeeze(1)
    pixel, u, v, z, solid = pixel[kept], u[kept], v[kept], z[kept], solid[kept]
    share, even = share[kept], even[kept]
    # memory pixels per target pixel, for a surface that faces both
    zoom = float(memory.K[0, 0] / target.K[0, 0])
    finer = torch.where(solid, zoom * depth[pixel] / z, zoom)
    cosine, stretch = _angles(memory, target, u, v, z, slope[kept])
    detail = (finer * stretch).clamp(max=1.0)
    facing = (0.5 + 0.5 * cosine).square()
    quality = torch.where(even, 1.0, EDGE_QUALITY * share)
    quality *= torch.where(solid, detail, min(zoom, 1.0))
    blend = quality * torch.where(solid, facing, 1.0) * _border(u, v, memory)
    rgb = _fetch(image.pyramid, u, v, memory, finer)
    cut = (share < WHOLE_SHARE).nonzero().squeeze(1)
    if len(cut):
        place = u[cut], v[cut]
        found = _corners(image, memory, *place, _wanted(z[cut], solid[cut]))
        rgb[cut] = _fetch_cut(image.pyramid[0], *place, found)
    return _Reprojected(pixel, rgb, quality, blend)


def _project(
    memory: Camera, target: Camera, depth: torch.Tensor, surface: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N,) u, v and depth in the memory frame of every target pixel.

    Sky is infinitely far: only its direction is turned. The matrices are multiplied in float64.
    """
    turn = memory.K @ memory.w2c[:3, :3] @ target.c2w[:3, :3] @ np.linalg.inv(target.K)
    move = memory.K @ memory.w2c[:3, :3] @ (target.position - memory.position)
    device = depth.device
    columns = torch.arange(target.width, device=device, dtype=torch.float32) + 0.5
    rows = torch.arange(target.height, device=device, dtype=torch.float32) + 0.5
    reach = torch.where(surface, depth, 1.0)
    moved = surface.float()
    local = []
    for (a, b, c), shift in zip(turn.tolist(), move.tolist(), strict=True):
        across = (columns * a + c)[None, :] + (rows * b)[:, None]
        local.append(across.view(-1) * reach + moved * shift)
    return local[0] / local[2], local[1] / local[2], local[2]


def _same_surface(
    image: FrameImage,
    memory: Camera,
    u: torch.Tensor,
    v: torch.Tensor,
    z: torch.Tensor,
    surface: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(M,) bilinear share of the four pixels around (u, v) that continue to this point's depth.

    And (M,) whether all of them lie well inside one surface, and (M, 2) the slope of inverse
    depth there.
    """
    first, x, y = _cell(u, v, memory.width)
    near = image.inverse[first]
    wanted = _wanted(z, surface)
    even = near[:, 3] > 0
    share = _continues(near, x, y, wanted).float()
    # where the plane bends inside the cell, or another surface begins, each corner has its say
    rough = (~even | (share == 0)).nonzero().squeeze(1)
    u, v = u[rough], v[rough]
    found = _corners(image, memory, u, v, wanted[rough])
    share[rough] = (found * _corner_weights(u, v)).sum(dim=1)
    return share, even, near[:, 1:3]


def _wanted(z: torch.Tensor, surface: torch.Tensor) -> torch.Tensor:
    """(M,) inverse depth to look for; 0 = sky."""
    return torch.where(surface, 1.0 / z, 0.0)


def _cell(
    u: torch.Tensor, v: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(M,) the upper left of the four pixels around (u, v), (M,) x and (M,) y from its centre."""
    column, row = (u - 0.5).floor(), (v - 0.5).floor()
    return row.long() * width + column.long(), u - 0.5 - column, v - 0.5 - row


def _corners(
    image: FrameImage, memory: Camera, u: torch.Tensor, v: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """(M, 4) bool: which of the four pixels around (u, v) continue to inverse depth `wanted`."""
    first, x, y = _cell(u, v, memory.width)
    found = [
        _continues(image.inverse[first + (j * memory.width + i)], x - i, y - j, wanted)
        for j, i in _CORNERS
    ]
    return torch.stack(found, dim=1)


def _continues(
    near: torch.Tensor, x: torch.Tensor, y: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """(M,) whether the plane of the pixels `near` (M, 4) has inverse depth `wanted` at (x, y)."""
    inverse, du, dv, _ = near.unbind(dim=-1)
    there = inverse + du * x + dv * y
    allowed = DEPTH_TOLERANCE * wanted + 0.5 * (du.abs() + dv.abs())
    # sky next to nothing else: its inverse depth is 0 and so is the tolerance
    return ((there - wanted).abs() <= allowed) & ((inverse > 0) == (wanted > 0))


def _corner_weights(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(M, 4) bilinear weights of the pixels around (u, v)."""
    a, b = (u - 0.5) % 1, (v - 0.5) % 1
    return torch.stack([(a if i else 1 - a) * (b if j else 1 - b) for j, i in _CORNERS], dim=1)


def _angles(
    memory: Camera,
    target: Camera,
    u: torch.Tensor,
    v: torch.Tensor,
    z: torch.Tensor,
    slope: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(M,) cosine between both lines of sight, (M,) how much flatter memory sees the surface.

    A plane with inverse depth q = a u + b v + c has the normal (a fx, b fy, q - a (u - cx) -
    b (v - cy)) in the camera.
    """
    fx, fy, cx, cy = (float(memory.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    a, b = slope.unbind(dim=-1)
    normal = (a * fx, b * fy, 1.0 / z - a * (u - cx) - b * (v - cy))
    point = ((u - cx) / fx * z, (v - cy) / fy * z, z)
    eye = (memory.w2c[:3, :3] @ (target.position - memory.position)).tolist()
    ray = [p - e for p, e in zip(point, eye, strict=True)]
    own, other = _norm(point), _norm(ray)
    cosine = _dot(point, ray) / (own * other)
    flat, wanted = _dot(normal, point).abs() / own, _dot(normal, ray).abs() / other
    return cosine, (flat / wanted.clamp(min=1e-9)).clamp(1e-3, 1.0)


def _dot(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> torch.Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _norm(a: Sequence[torch.Tensor]) -> torch.Tensor:
    return _dot(a, a).sqrt()


def _border(u: torch.Tensor, v: torch.Tensor, camera: Camera) -> torch.Tensor:
    """(M,) in (0, 1]: fades in from the border of the memory image."""
    du = torch.minimum(u, camera.width - u) / (FEATHER * camera.width)
    dv = torch.minimum(v, camera.height - v) / (FEATHER * camera.height)
    return du.clamp(1e-3, 1) * dv.clamp(1e-3, 1)


def _fetch(
    pyramid: list[torch.Tensor],
    u: torch.Tensor,
    v: torch.Tensor,
    camera: Camera,
    finer: torch.Tensor,
) -> torch.Tensor:
    """(M, 3) bicubic samples at the level whose pixels are about as large as the target's."""
    level = torch.log2(finer.clamp(min=1e-6)).round().clamp(0, len(pyramid) - 1).long()
    grid = torch.stack([u * (2 / camera.width) - 1, v * (2 / camera.height) - 1], dim=-1)
    rgb = torch.zeros(len(u), 3, device=u.device)
    for number in torch.bincount(level).nonzero().flatten().tolist():
        chosen = (level == number).nonzero().squeeze(1)
        sampled = grid_sample(
            pyramid[number],
            grid[chosen][None, None],
            mode="bicubic",
            padding_mode="border",
            align_corners=False,
        )
        rgb[chosen] = sampled[0, :, 0].T
    return rgb.clamp(0, 1)


def _fetch_cut(
    rgb: torch.Tensor, u: torch.Tensor, v: torch.Tensor, found: torch.Tensor
) -> torch.Tensor:
    """(M, 3) at a silhouette: bilinear over those of the four pixels that show the surface."""
    width = rgb.shape[-1]
    first = (v - 0.5).floor().long() * width + (u - 0.5).floor().long()
    offsets = torch.tensor([j * width + i for j, i in _CORNERS], device=u.device)
    colors = rgb.view(3, -1)[:, first[:, None] + offsets]  # (3, M, 4)
    weights = _corner_weights(u, v) * found
    return ((colors * weights).sum(dim=-1) / weights.sum(dim=1)).T
