# SPDX-License-Identifier: GPL-3.0-or-later
"""Building blocks of the embedded frame model: convolutions in pixel space, tokens with PRoPE."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from .attention import attention
from .prope import (
    ViewEncoding,
    transform_key,
    transform_output,
    transform_query,
    transform_value,
)

KeysValues = tuple[torch.Tensor, torch.Tensor]


class ResBlock(nn.Module):
    """Two 3x3 convolutions added to their input; the identity at initialisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv2.weight, std=1e-3)
        nn.init.zeros_(self.conv2.bias)

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
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.normal_(self.conv_out.weight, std=1e-3)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, latent: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        """latent (B, C, H/8, W/8) and the encoder's features -> (B, 3, H, W) residual."""
        x = self.blocks[-1](self.conv_in(latent) + features[-1])
        for level in reversed(range(len(self.ups))):
            # 1x1 before enlarging: a quarter of the work, and the same result
            x = F.interpolate(self.ups[level](x), scale_factor=2, mode="bilinear")
            x = self.blocks[level](x + features[level])
        return self.conv_out(F.silu(x))


class TimestepEmbedding(nn.Module):
    """Timesteps to the shift, scale and gate rows that all blocks share (adaLN-single).

    layers: linear layers from the frequencies to the rows; PixArt has 3.
    """

    def __init__(self, width: int, layers: int = 2, frequencies: int = 128) -> None:
        super().__init__()
        self.frequencies = frequencies
        between = [
            module for _ in range(layers - 2) for module in (nn.Linear(width, width), nn.SiLU())
        ]
        self.mlp = nn.Sequential(
            nn.Linear(2 * frequencies, width), nn.SiLU(), *between, nn.Linear(width, 6 * width)
        )

    def forward(self, timestep: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """(B,) float32 -> (B, 6, D)."""
        return self.mlp(self.waves(timestep).to(dtype)).unflatten(1, (6, -1))

    def waves(self, timestep: torch.Tensor) -> torch.Tensor:
        """(B,) -> (B, 2 * frequencies). In float32: bfloat16 cannot hold 999."""
        k = torch.arange(self.frequencies, device=timestep.device, dtype=torch.float32)
        angles = timestep.float()[:, None] * torch.exp(-math.log(10000.0) * k / self.frequencies)
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class FrameBlock(nn.Module):
    """Pre-norm transformer block: PRoPE attention over own and memory tokens, then an MLP."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(mlp_ratio * width, width),
        )
        self.table = nn.Parameter(torch.randn(6, width) / width**0.5)

    def forward(
        self,
        x: torch.Tensor,
        modulation: torch.Tensor,
        view: ViewEncoding,
        memory: KeysValues | None = None,
    ) -> tuple[torch.Tensor, KeysValues]:
        """x (B, N, D), modulation (B, 6, D) -> x and its own keys and values (B, heads, N, d).

        memory: keys and values of M other tokens, which every token attends to besides its own.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.table + modulation).unbind(1)
        h = _modulate(x, shift1, scale1)
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        own = transform_key(k, view), transform_value(v, view)
        keys, values = own if memory is None else _join(own, memory)
        out = attention(transform_query(q, view), keys, values)
        out = transform_output(out, view).transpose(1, 2).flatten(2)
        x = x + gate1[:, None] * self.proj(out)
        return x + gate2[:, None] * self.mlp(_modulate(x, shift2, scale2)), own


def _modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
    return x * (1 + scale[:, None]) + shift[:, None]


def _join(own: KeysValues, memory: KeysValues) -> KeysValues:
    return torch.cat([own[0], memory[0]], dim=2), torch.cat([own[1], memory[1]], dim=2)
