# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses of the frame model. Images are (B, 3, H, W) in [-1, 1]; weights (B, 1, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

ENERGY_WINDOW = 16
"""Side in pixels of the windows over which gradient energy is compared."""


def charbonnier(
    a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, soft: torch.Tensor | float = 0.01
) -> torch.Tensor:
    """Weighted mean of sqrt((a - b)^2 + soft^2): like L2 below `soft`, like L1 above."""
    distance = torch.sqrt((a - b) ** 2 + soft**2)
    return (distance * weight).sum() / (weight.sum() * a.shape[1]).clamp(min=1e-6)


def differences(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward differences along x (B, 3, H, W-1) and y (B, 3, H-1, W)."""
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


def gradient_distance(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Charbonnier distance between the images' finite differences."""
    (ax, ay), (bx, by) = differences(a), differences(b)
    return charbonnier(ax, bx, weight[..., 1:]) + charbonnier(ay, by, weight[..., 1:, :])


def gradient_magnitude(image: torch.Tensor) -> torch.Tensor:
    """(B, 1, H-1, W-1): length of the gradient, averaged over the colours."""
    dx, dy = differences(image)
    return torch.sqrt(dx[..., :-1, :] ** 2 + dy[..., :-1] ** 2 + 1e-6).mean(1, keepdim=True)


def energy_distance(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """How far the mean gradient magnitude of `a` is from that of `b`, window by window.

    Blind to where exactly the detail lies: it asks invented texture to be as rich as the truth,
    not to be the truth. The relative difference counts, so that faint texture matters too.
    """
    weight = weight[..., 1:, 1:]

    def pooled(x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, ENERGY_WINDOW, ENERGY_WINDOW // 2)

    area = pooled(weight)
    ours, theirs = (pooled(gradient_magnitude(x) * weight) / (area + 1e-3) for x in (a, b))
    distance = (torch.log(ours + 0.02) - torch.log(theirs + 0.02)).abs()
    return (distance * area).sum() / area.sum().clamp(min=1e-6)


class PatchDiscriminator(nn.Module):
    """Tells true patches from generated ones, given the hints' geometry and base.

    (B, 3 + C, H, W) -> (B, 1, H/8, W/8) logits; spectral normalisation keeps it calm.
    """

    def __init__(self, condition_channels: int, width: int = 32) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        layers: list[nn.Module] = []
        channels = 3 + condition_channels
        for i in range(3):
            layers += [norm(nn.Conv2d(channels, width << i, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels = width << i
        layers.append(norm(nn.Conv2d(channels, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Logits of every patch: positive = true."""
        return self.layers(torch.cat([image, condition], dim=1))


def hinge_discriminator(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """The discriminator's loss: real above 1, fake below -1."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
