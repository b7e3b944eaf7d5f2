# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points seen by a camera: colour, depth and coverage.

Points are drawn one pixel large. Depth and index share one integer key, so that a single
scatter-minimum resolves both and the result does not depend on the order of execution.
`closing` then fills the gaps between neighbouring points of one surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..shared.anchors import Anchors
from ..shared.camera import Camera
from .closing import LARGEST, Samples, close_gaps

NEAR = 1e-3
"""Metres in front of the camera below which nothing is drawn."""

MARGIN = LARGEST
"""Pixels drawn around the picture, so that surfaces are closed up to its border."""

EMPTY = torch.iinfo(torch.int64).max
_INDEX = 0xFFFFFFFF


@dataclass(eq=False)
class AnchorRender:
    """rgb: (H, W, 3) uint8, 0 where not covered. depth: (H, W) float32 z-depth, 0 = no point.

    coverage: (H, W) float32: 1 = a point landed here, between 0 and 1 = a gap was closed, 0 = hole.
    """

    rgb: torch.Tensor
    depth: torch.Tensor
    coverage: torch.Tensor


class PointCloud:
    """Anchors prepared once for many views, on `device`."""

    def __init__(self, anchors: Anchors, device: torch.device | str = "cpu") -> None:
        anchors = anchors.finite()
        self.device = torch.device(device)
        # relative to the middle, so that float32 is fine however far the world lies from (0, 0, 0)
        self.origin = anchors.xyz.mean(axis=0, dtype="float64") if len(anchors) else None
        local = anchors.xyz - self.origin if len(anchors) else anchors.xyz
        self.xyz = torch.from_numpy(local.astype("float32")).to(self.device)
        self.rgb = torch.from_numpy(anchors.rgb).to(self.device)
        self.radius = torch.from_numpy(anchors.radius).to(self.device)

    def __len__(self) -> int:
        return len(self.xyz)


@torch.no_grad()
def render_points(cloud: PointCloud, camera: Camera) -> AnchorRender:
    """`cloud` seen by `camera`."""
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
    height, width = _canvas(camera.height), _canvas(camera.width)
    rotation, shift = _to_camera(cloud, camera)
    local = torch.addmm(shift, cloud.xyz, rotation.T)
    z = local[:, 2]
    fx, fy = float(camera.K[0, 0]), float(camera.K[1, 1])
    u = local[:, 0] / z * fx + (float(camera.K[0, 2]) + MARGIN)
    v = local[:, 1] / z * fy + (float(camera.K[1, 2]) + MARGIN)
    seen = (z > NEAR) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    index = seen.nonzero().squeeze(1)
    z, u, v = z[index], u[index], v[index]
    pixel = v.to(torch.int64) * width + u.to(torch.int64)
    key = (z.view(torch.int32).to(torch.int64) << 32) | index
    buffer = torch.full((height * width,), EMPTY, dtype=torch.int64, device=cloud.device)
    buffer.scatter_reduce_(0, pixel, key, "amin")
    hit = (buffer != EMPTY).nonzero().squeeze(1)
    return _gather(cloud, camera, buffer[hit] & _INDEX, hit, (height, width))


def _canvas(side: int) -> int:
    """Pixels of a canvas around `side` pixels; a whole number of the largest cells of closing."""
    return -(-side // LARGEST) * LARGEST + 2 * MARGIN


def _to_camera(cloud: PointCloud, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    w2c = camera.w2c
    shift = w2c[:3, :3] @ cloud.origin + w2c[:3, 3]
    rotation = torch.tensor(w2c[:3, :3], dtype=torch.float32, device=cloud.device)
    return rotation, torch.tensor(shift, dtype=torch.float32, device=cloud.device)


def _gather(
    cloud: PointCloud,
    camera: Camera,
    index: torch.Tensor,
    hit: torch.Tensor,
    size: tuple[int, int],
) -> Samples:
    """Maps of the points `index` (M,) that landed on the pixels `hit` (M,)."""
    rotation, shift = _to_camera(cloud, camera)
    local = torch.addmm(shift, cloud.xyz[index], rotation.T)
    z = local[:, 2]
    fx, fy = float(camera.K[0, 0]), float(camera.K[1, 1])
    count = size[0] * size[1]
    maps = torch.zeros(4, count + 1, device=cloud.device)
    maps[0].fill_(torch.inf)
    radius = cloud.radius[index]
    maps[0, hit] = z
    maps[1, hit] = local[:, 0] / z * fx + (float(camera.K[0, 2]) + MARGIN)
    maps[2, hit] = local[:, 1] / z * fy + (float(camera.K[1, 2]) + MARGIN)
    maps[3, hit] = radius * (max(fx, fy) / z)
    rgb = torch.zeros(count + 1, 3, dtype=torch.uint8, device=cloud.device)
    rgb[hit] = cloud.rgb[index]
    return Samples(maps[0], maps[1], maps[2], maps[3], rgb, size, max(fx, fy), MARGIN)
