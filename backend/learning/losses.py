# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses of the frame model. Images are (B, 3, H, W) in [-1, 1]; weights (B, 1, H, W).

None of them pays for gradients or grain as such: what is invented is told from what is true by
features that know pictures, or it is drawn to the mean of what may be there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..models.feature_net import LEVEL_CHANNELS, pooled_mean

HOLE_SOFTNESS = 0.25
"""Difference up to which invented pixels are drawn to the mean of what may be there (as PSNR
rewards it), instead of to its median."""

Levels = Sequence[torch.Tensor]
"""One map a level of `FeatureNet`, (B, C, h, w) each."""


def charbonnier(
    a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, soft: torch.Tensor | float = 0.01
) -> torch.Tensor:
    """Weighted mean of sqrt((a - b)^2 + soft^2): like L2 below `soft`, like L1 above.

    a, b: (B, C, H, W). weight: (B, 1, H, W).
    """
    distance = torch.sqrt((a - b) ** 2 + soft**2)
    return (distance * weight).sum() / (weight.sum() * a.shape[1]).clamp(min=1e-6)


def picture_distance(
    picture: torch.Tensor, truth: torch.Tensor, sure: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """`charbonnier`, soft where a pixel was invented; sure (B, 1, H, W): how well memory saw it."""
    return charbonnier(picture, truth, weight, 0.01 + HOLE_SOFTNESS * (1 - sure))


class FeatureDiscriminator(nn.Module):
    """Tells true pictures from generated ones by their features, given what the model was told.

    Small networks over the frozen levels (after arXiv 2111.01007). (B, C, h, w) a level and the
    condition (B, K, H, W) -> logits (B, 1, h, w) a level; positive = true.
    """

    def __init__(self, condition_channels: int, width: int = 48) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels + condition_channels, width, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, width, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )
            for channels in LEVEL_CHANNELS
        )

    def forward(self, levels: Levels, condition: torch.Tensor) -> list[torch.Tensor]:
        """The logits of `comparable` levels, (B, 1, h, w) each. condition: (B, C, H, W)."""
        logits = []
        for level, head in zip(levels, self.heads, strict=True):
            height, width = level.shape[-2:]
            told = F.adaptive_avg_pool2d(condition, (height, width))
            logits.append(head(torch.cat([level, told.to(level.dtype)], dim=1)))
        return logits


def comparable(levels: Levels) -> list[torch.Tensor]:
    """Levels (B, C, h, w) whose vectors have a mean square of 1, so that none outweighs another."""
    return [F.normalize(level.float(), dim=1) * level.shape[1] ** 0.5 for level in levels]


def relativistic(better: Levels, worse: Levels, weight: torch.Tensor) -> torch.Tensor:
    """softplus(worse - better), mean over levels: RpGAN's loss as R3GAN uses it (2501.05441).

    The discriminator calls the truth better, the generator its own picture. Levels are logits
    (B, 1, h, w), weight (B, 1, H, W).
    """
    parts = [
        pooled_mean(F.softplus(low.float() - high.float()), weight)
        for high, low in zip(better, worse, strict=True)
    ]
    return torch.stack(parts).mean()


def gradient_penalty(logits: Levels, levels: Levels, weight: torch.Tensor) -> torch.Tensor:
    """Mean square length of the logits' gradient by the features that they are of.

    R1 on true and R2 on generated ones (R3GAN): it keeps the discriminator smooth where they lie.
    logits: (B, 1, h, w) of levels (B, C, h, w). weight: (B, 1, H, W).
    """
    total = torch.stack([logit.float().sum() for logit in logits]).sum()
    slopes = torch.autograd.grad(total, list(levels), create_graph=True)
    parts = [pooled_mean(s.float().square().sum(1, keepdim=True), weight) for s in slopes]
    return torch.stack(parts).mean()
