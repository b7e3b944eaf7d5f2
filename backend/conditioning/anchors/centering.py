# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth at pixel centres, from points that landed somewhere inside the pixels.

On a floor near the horizon half a pixel is several per cent of depth: enough to look a colour up
in the wrong place, or to fail an occlusion test. A plane through the neighbouring points of the
same surface carries each depth to the middle of its pixel.
"""

from __future__ import annotations

import torch
from torch.nn.functional import pad

JUMP = 0.05
"""Neighbours whose inverse depths differ by more than this part are another surface."""

_ROWS = 48


def center_depth(
    z: torch.Tensor, u: torch.Tensor, v: torch.Tensor, tolerance: torch.Tensor
) -> torch.Tensor:
    """(H, W) depth of `z` (H, W; +inf = none) at pixel centres.

    u, v: (H, W) where each point landed, pixels. tolerance: (H, W) metres within which
    neighbours are one surface in any case.
    """
    height, width = z.shape
    columns = torch.arange(width, device=z.device) + 0.5
    rows = torch.arange(height, device=z.device)[:, None] + 0.5
    inverse = z.reciprocal()
    reach = torch.maximum(inverse * JUMP, inverse.square().mul_(tolerance.nan_to_num(0, 0)))
    # inverse depth and the offsets from the centre, in (-0.5, 0.5)
    maps = pad(torch.stack([inverse, u - columns, v - rows])[None], (1, 1, 1, 1))[0]
    if z.device.type != "cpu":
        return _moved(maps, reach).reciprocal_()
    # a band of rows at a time stays in a CPU's cache
    bands = [
        _moved(maps[:, top : top + _ROWS + 2], reach[top : top + _ROWS])
        for top in range(0, height, _ROWS)
    ]
    return torch.cat(bands).reciprocal_()


def _moved(maps: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """(H, W) inverse depth at the centres; maps (3, H + 2, W + 2), reach (H, W).

    Least squares of the slopes over the four direct neighbours.
    """
    q, du, dv = maps
    inverse, across, down = maps[:, 1:-1, 1:-1]
    uu = torch.full_like(reach, 0.05)  # a row of points says nothing of the slope across it
    vv, uv = uu.clone(), torch.zeros_like(reach)
    uq, vq = torch.zeros_like(reach), torch.zeros_like(reach)
    least, most = torch.zeros_like(reach), torch.zeros_like(reach)
    height, width = reach.shape
    for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        window = (slice(1 + j, 1 + j + height), slice(1 + i, 1 + i + width))
        step = q[window] - inverse
        same = (step.abs() <= reach).mul_(q[window] > 0)
        x = (du[window] - across).add_(i).mul_(same)
        y = (dv[window] - down).add_(j).mul_(same)
        step = step.mul_(same)
        uu.addcmul_(x, x)
        vv.addcmul_(y, y)
        uv.addcmul_(x, y)
        uq.addcmul_(x, step)
        vq.addcmul_(y, step)
        least = torch.minimum(least, step)
        most = torch.maximum(most, step)
    determinant = uu * vv - uv * uv
    along = (uq * vv - vq * uv).mul_(across).add_((vq * uu - uq * uv).mul_(down))
    return inverse + torch.minimum(torch.maximum(along.div_(determinant).neg_(), least), most)
