# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points seen by a camera: colour, depth and coverage.

Points are drawn one pixel large. Depth and index share one integer key, so that a single
scatter-minimum resolves both and the result does not depend on the order of execution.
`closing` then fills the gaps between neighbouring points of one surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...shared.camera import Camera
from .closing import LARGEST, Samples, close_gaps
from .point_cloud import PointCloud
from .splat_renderer import SplatCloud, render_splats

NEAR = 1e-3
"""Metres in front of the camera below which nothing is drawn."""

MARGIN = LARGEST
"""Pixels drawn around the picture, so that surfaces are closed up to its border."""

EMPTY = torch.iinfo(torch.int64).max

BLOCK = 1 << 15
"""Points projected at once on a CPU: what fits its caches."""


@dataclass(eq=False)
class AnchorRender:
    """rgb: (H, W, 3) uint8, 0 where not covered. depth: (H, W) float32 z-depth, 0 = no point.

    coverage: (H, W) float32: 1 = a point landed here, between 0 and 1 = a gap was closed, 0 = hole.
    """

    rgb: torch.Tensor
    depth: torch.Tensor
    coverage: torch.Tensor


@torch.no_grad()
def render_points(cloud: PointCloud, camera: Camera) -> AnchorRender:
    """`cloud` seen by `camera`: its points, and its splats before and over them."""
    points = _points(cloud, camera)
    return points if cloud.splats is None else _over(cloud.splats, points, camera)


def _over(splats: SplatCloud, points: AnchorRender, camera: Camera) -> AnchorRender:
    """Splats blended over the points that are behind them. Where both together cover less than
    half of a pixel, nothing is there."""
    device = points.depth.device
    drawn = render_splats(splats, camera, points.depth.cpu().numpy())
    rgb, alpha, depth = (
        torch.from_numpy(v).to(device) for v in (drawn.rgb, drawn.alpha, drawn.depth)
    )
    own = (points.depth > 0).float()
    solid = alpha + (1 - alpha) * own
    mixed = rgb * 255 + ((1 - alpha) * own)[..., None] * points.rgb
    there = (depth > 0) | (own > 0)
    mixed = (mixed / solid.clamp(min=1e-6)[..., None] + 0.5).clamp(1, 255)
    return AnchorRender(
        torch.where(there[..., None], mixed, 0.0).to(torch.uint8),
        torch.where(depth > 0, depth, points.depth),
        torch.where(there, torch.maximum(alpha, points.coverage), 0.0),
    )


def _points(cloud: PointCloud, camera: Camera) -> AnchorRender:
    height, width, device = camera.height, camera.width, cloud.device
    if not len(cloud):
        return AnchorRender(
            torch.zeros(height, width, 3, dtype=torch.uint8, device=device),
            torch.zeros(height, width, device=device),
            torch.zeros(height, width, device=device),
        )
    samples = _draw(cloud, camera)
    closed = close_gaps(samples)
    inside = (slice(MARGIN, MARGIN + height), slice(MARGIN, MARGIN + width))
    depth, coverage = closed.depth[inside], closed.coverage[inside]
    return AnchorRender(
        closed.rgb[inside].contiguous(),
        torch.where(coverage > 0, depth, 0.0).contiguous(),
        coverage.contiguous(),
    )


def _draw(cloud: PointCloud, camera: Camera) -> Samples:
    """The nearest point of each pixel, on a canvas with `MARGIN` pixels around the picture."""
    size = (_canvas(camera.height), _canvas(camera.width))
    points, least = cloud.visible(camera, MARGIN + LARGEST)
    rows = _projection(cloud, camera)
    # one more pixel on each side takes what falls outside
    across, down = size[1] + 2, size[0] + 2
    buffer = torch.full((down * across,), EMPTY, dtype=torch.int64, device=cloud.device)
    count = points.shape[1]
    step = BLOCK if cloud.device.type == "cpu" else max(count, 1)
    for start in range(0, count, step):
        pixel, key = _project(points[:, start : start + step], rows, size)
        buffer.scatter_reduce_(0, pixel, key, "amin")
    nearest = buffer.view(down, across)[1:-1, 1:-1].reshape(-1)
    return _gather(cloud, least, rows, nearest, size, float(camera.K.max(axis=1)[:2].max()))


def _canvas(side: int) -> int:
    """Pixels of a canvas around `side` pixels; a whole number of the largest cells of closing."""
    return -(-side // LARGEST) * LARGEST + 2 * MARGIN


def _projection(cloud: PointCloud, camera: Camera) -> list[list[float]]:
    """(3, 4) from the cloud's coordinates to u * z, v * z and z on the canvas."""
    K = camera.K.copy()
    K[:2, 2] += MARGIN
    matrix = K @ camera.w2c[:3]
    matrix[:, 3] += matrix[:, :3] @ cloud.origin
    return matrix.tolist()


def _transform(points: Sequence[torch.Tensor], row: list[float]) -> torch.Tensor:
    x, y, z = points
    return (x * row[0]).add_(y, alpha=row[1]).add_(z, alpha=row[2]).add_(row[3])


def _project(
    points: torch.Tensor, rows: list[list[float]], size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(M,) pixels of the canvas with its border, and (M,) keys: depth bits, then number."""
    height, width = size
    u, v, z = (_transform(points[:3].unbind(), row) for row in rows)
    behind = z <= NEAR
    inverse = z.reciprocal()
    u = u.mul_(inverse).add_(1.0).masked_fill_(behind, 0.0).clamp_(0.0, width + 1.0)
    v = v.mul_(inverse).add_(1.0).masked_fill_(behind, 0.0).clamp_(0.0, height + 1.0)
    pixel = v.to(torch.int32).mul_(width + 2).add_(u.to(torch.int32)).to(torch.int64)
    key = torch.empty(len(z), 2, dtype=torch.int32, device=z.device)
    key[:, 0] = points[3].view(torch.int32)  # every device here stores the low half first
    key[:, 1] = z.view(torch.int32)
    return pixel, key.view(torch.int64).squeeze(1)


def _gather(
    cloud: PointCloud,
    least: torch.Tensor,
    rows: list[list[float]],
    nearest: torch.Tensor,
    size: tuple[int, int],
    focal: float,
) -> Samples:
    """Maps of the points that the keys `nearest` (H * W,) name."""
    seen = nearest != EMPTY
    halves = nearest.view(torch.int32).view(-1, 2)
    points, radius, rgb = cloud.look_up(torch.where(seen, halves[:, 0], 0), least)
    z = torch.where(seen, halves[:, 1].contiguous().view(torch.float32), torch.inf)
    inverse = z.reciprocal()
    u, v = (_transform(points.unbind(), row).mul_(inverse) for row in rows[:2])
    radius = radius.mul(focal).mul_(inverse)
    return Samples(z, u, v, radius, rgb * seen[:, None], size, focal, MARGIN)
