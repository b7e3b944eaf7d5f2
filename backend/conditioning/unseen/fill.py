# SPDX-License-Identifier: GPL-3.0-or-later
"""Push-pull filling: what is known, averaged down a pyramid and pulled back into the holes.

After Gortler et al., "The Lumigraph" (1996). Smooth, parameter-free, and a few milliseconds: a base
that the frame model draws over, not a result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def push_pull(values: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fill `values` (C, H, W) where `weight` (1, H, W), in [0, 1], is small.

    Returns the filled values (C, H, W), equal to the input where the weight is 1, and the
    level (1, H, W): about 0 where known, rising by one as the distance to what is known doubles.
    Where nothing is known at all the values are 0.
    """
    weighted, weights = [(values * weight)[None]], [weight[None]]
    while max(weights[-1].shape[-2:]) > 1:
        height, width = (-(-side // 2) for side in weights[-1].shape[-2:])
        both = torch.cat([weighted[-1], weights[-1]], 1)
        pooled = F.adaptive_avg_pool2d(both, (height, width))
        # four times the mean is the sum of a 2x2 cell: one known pixel makes its cell known
        total = pooled[:, -1:]
        gain = torch.where(total > 0, (4 * total).clamp(max=1) / total.clamp(min=1e-12), 0.0)
        weighted.append(pooled[:, :-1] * gain)
        weights.append(total * gain)
    mean = weighted[-1] / weights[-1].clamp(min=1e-6)
    for known_values, known in zip(reversed(weighted[:-1]), reversed(weights[:-1]), strict=True):
        size = known.shape[-2:]
        mean = known_values + (1 - known) * F.interpolate(mean, size, mode="bilinear")
    return mean[0], _hole_level(weights)


def _hole_level(weights: list[torch.Tensor]) -> torch.Tensor:
    """(1, H, W): how many halvings it takes until a pixel's cell holds something known."""
    size = weights[0].shape[-2:]
    level = torch.zeros_like(weights[0])
    for weight in weights[:-1]:
        level = level + (1 - F.interpolate(weight, size, mode="bilinear"))
    return level[0]
