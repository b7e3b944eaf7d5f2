# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded model's convolutions: hints to features, latents and features to pixels."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn


class ResBlock(nn.Module):
    """Two 3x3 convolutions added to their input; the identity at initialisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv2.weight, std=1e-3)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class HintEncoder(nn.Module):
    """Pixel-space conditions to features at full, half, quarter and eighth resolution."""

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(width) for width in widths)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) -> features (B, widths[i], H / 2^i, W / 2^i)."""
        x = self.conv_in(x)
        features = [self.blocks[0](x)]
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            features.append(block(down(features[-1])))
        return features


class GuidedDecoder(nn.Module):
    """Latents to pixels, guided by the hint features, so that known detail passes unblurred."""

    def __init__(self, latent_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(width) for width in widths)
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.conv_out = nn.Conv2d(widths[0], 4, 3, padding=1)
        nn.init.normal_(self.conv_out.weight, std=1e-3)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, latent: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        """latent (B, C, H/8, W/8) and the encoder's features -> (B, 4, H, W): rgb and gate."""
        x = self.blocks[-1](self.conv_in(latent) + features[-1])
        for level in reversed(range(len(self.ups))):
            # 1x1 before enlarging: a quarter of the work, and the same result
            x = F.interpolate(self.ups[level](x), scale_factor=2, mode="bilinear")
            x = self.blocks[level](x + features[level])
        return self.conv_out(F.silu(x))
