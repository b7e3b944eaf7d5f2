# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that the transformers of this project share.

Formulas: PixArt-Sigma (arXiv 2403.04692), which follows DiT (arXiv 2212.09748).
Shapes: B batch, N tokens, D width, H heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .attention import attention

NORM_EPS = 1e-6


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, N, D) scaled by 1 + `scale` and moved by `shift`, both (B, 1, D)."""
    return x * (1 + scale) + shift


class TimestepEmbedder(nn.Module):
    """Timesteps (B,) of any type to vectors (B, D) in the weights' type.

    Nothing is narrowed before the cosines are taken: bfloat16 has no 999, it becomes 1000.
    """

    def __init__(self, width: int, features: int = 256) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))
        # Kept as bits, because casting a module to half precision would narrow a float buffer.
        bits = timestep_frequencies(features // 2).view(torch.int32)
        self.register_buffer("frequency_bits", bits, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * self.frequency_bits.view(torch.float32)
        features = torch.cat((angles.cos(), angles.sin()), dim=-1)
        return self.mlp(features.to(self.mlp[0].bias.dtype))


def timestep_frequencies(count: int) -> Tensor:
    """exp(-ln(10000) k / count) for k = 0 .. count - 1, float32 (count,).

    The exponential is taken in float64: float32 ones differ between processors in the last bit,
    and a timestep of 999 makes a thousand of it.
    """
    k = torch.arange(count, dtype=torch.float32)
    return (-math.log(10000.0) * k / count).double().exp().float()


class SelfAttention(nn.Module):
    """Multi-head attention of x (B, N, D) with itself; the qkv rows are all q, all k, all v.

    With `queries`, only the first so many tokens are asked for: (B, queries, D).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, queries: int | None = None) -> Tensor:
        B, N, D = x.shape
        qkv = self.qkv(x).view(B, N, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, N, D / H)
        out = attention(q[:, :, :queries], k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers around a tanh-approximated GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU(approximate="tanh")
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class AdaLNBlock(nn.Module):
    """A transformer block whose norms are modulated by the timestep (adaLN-single).

    forward(x (B, N, D), t_mod (B, 6, D)) -> (B, N, D). The block adds its own table to t_mod; the
    rows are shift, scale, gate of the attention, then of the MLP. With `queries`, only the first
    so many tokens are carried on: (B, queries, D).
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS, elementwise_affine=False)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS, elementwise_affine=False)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width**0.5)

    def forward(self, x: Tensor, t_mod: Tensor, queries: int | None = None) -> Tensor:
        rows = (self.scale_shift_table + t_mod).chunk(6, dim=1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = rows
        attended = self.attn(modulate(self.norm1(x), shift_a, scale_a), queries)
        x = x[:, :queries] + gate_a * attended
        return x + gate_m * self.mlp(modulate(self.norm2(x), shift_m, scale_m))


def sincos_positions(
    rows: int, columns: int, width: int, base: float, interpolation: float
) -> Tensor:
    """Sin/cos codes of a token grid, float32 (rows * columns, width), row-major.

    The first half of the channels comes from x, the second from y; each half is [sin | cos].
    Either axis is squeezed to [0, base), then divided by `interpolation`.
    """
    y = torch.arange(rows, dtype=torch.float64) / (rows / base) / interpolation
    x = torch.arange(columns, dtype=torch.float64) / (columns / base) / interpolation
    frequencies = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))

    def codes(coordinate: Tensor) -> Tensor:
        angles = coordinate[:, None] * frequencies
        return torch.cat((angles.sin(), angles.cos()), dim=1)

    from_x = codes(x)[None, :, :].expand(rows, -1, -1)
    from_y = codes(y)[:, None, :].expand(-1, columns, -1)
    return torch.cat((from_x, from_y), dim=-1).reshape(rows * columns, width).float()
