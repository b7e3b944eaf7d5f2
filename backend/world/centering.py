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
    inverse = 1.0 / z
    across, down = u - columns, v - rows  # offsets from the centre, in (-0.5, 0.5)
    reach = torch.maximum(inverse * JUMP, inverse * inverse * tolerance.nan_to_num(0, 0))
    maps = pad(torch.stack([inverse, across, down])[None], (1, 1, 1, 1))[0]
    q, du, dv = maps
    uu = torch.full_like(z, 0.05)  # a row of points says nothing of the slope across it
    vv, uv = uu.clone(), torch.zeros_like(z)
    uq, vq = torch.zeros_like(z), torch.zeros_like(z)
    low, high = inverse.clone(), inverse.clone()
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            if i == 0 and j == 0:
                continue
            window = (slice(1 + j, 1 + j + height), slice(1 + i, 1 + i + width))
            step = q[window] - inverse
            same = (step.abs() <= reach) & (q[window] > 0)
            x = torch.where(same, du[window] - across + i, 0.0)
            y = torch.where(same, dv[window] - down + j, 0.0)
            step = torch.where(same, step, 0.0)
            uu.addcmul_(x, x)
            vv.addcmul_(y, y)
            uv.addcmul_(x, y)
            uq.addcmul_(x, step)
            vq.addcmul_(y, step)
            low = torch.minimum(low, inverse + step)
            high = torch.maximum(high, inverse + step)
    determinant = uu * vv - uv * uv
    slope_u, slope_v = (uq * vv - vq * uv) / determinant, (vq * uu - uq * uv) / determinant
    moved = inverse - slope_u * across - slope_v * down
    return 1.0 / moved.clamp(low, high)
