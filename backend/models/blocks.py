# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer's parts: adaLN-single blocks, timesteps, positions.

Formulas: PixArt-Sigma (arXiv 2403.04692), which follows DiT (arXiv 2212.09748).
Shapes: B batch, N tokens, D width, H heads, d = D / H.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention
from .prope import (
    ViewEncoding,
    transform_key,
    transform_output,
    transform_query,
    transform_value,
)

NORM_EPS = 1e-6

KeysValues = tuple[Tensor, Tensor]
"""What tokens show to others in one layer: keys and values, each (B, H, N, d)."""


def norm(x: Tensor) -> Tensor:
    """x (B, N, D) at mean 0 and variance 1 per token."""
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPS)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, N, D) scaled by 1 + `scale` and moved by `shift`, both (B, D)."""
    return x * (1 + scale[:, None]) + shift[:, None]


def unpatch(patches: Tensor, rows: int, columns: int, channels: int, side: int) -> Tensor:
    """Patches (B, rows * columns, >= channels * side^2) -> (B, channels, rows * side,
    columns * side): the first channels of each."""
    kept = patches[..., : channels * side**2]
    return F.pixel_shuffle(kept.transpose(1, 2).unflatten(2, (rows, columns)), side)


def modulation_table(rows: int, width: int) -> Tensor:
    """Fresh values (rows, D) that the timestep's are added to."""
    return torch.randn(rows, width) / width**0.5


class TransformerBlock(nn.Module):
    """Attention, then an MLP, both behind norms that the timestep modulates (adaLN-single).

    The rows of `qkv` are all q, all k, all v; heads are contiguous inside each. The rows of `table`
    are shift, scale and gate of the attention, then of the MLP.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        inside = int(width * mlp_ratio)
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, inside), nn.GELU(approximate="tanh"), nn.Linear(inside, width)
        )
        self.table = nn.Parameter(modulation_table(6, width))

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        view: ViewEncoding | None = None,
        memory: KeysValues | None = None,
        queries: int | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """x (B, N, D), modulation (B, 6, D), added to the table -> x and its keys and values.

        view: cameras, for PRoPE. memory: keys and values of M more tokens to attend to.
        queries: carry only the first so many tokens on, (B, queries, D); not with `view`.
        """
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (self.table + modulation).unbind(1)
        qkv = self.qkv(modulate(norm(x), shift_a, scale_a))
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q = q[:, :, :queries]
        if view is not None:
            q, k, v = transform_query(q, view), transform_key(k, view), transform_value(v, view)
        own = k, v
        out = attention(q, *(own if memory is None else _join(own, memory)))
        if view is not None:
            out = transform_output(out, view)
        out = self.proj(out.transpose(1, 2).flatten(2))
        x = x[:, :queries] + gate_a[:, None] * out
        return x + gate_m[:, None] * self.mlp(modulate(norm(x), shift_m, scale_m)), own


def _join(own: KeysValues, memory: KeysValues) -> KeysValues:
    return torch.cat([own[0], memory[0]], dim=2), torch.cat([own[1], memory[1]], dim=2)


class TimestepEmbedding(nn.Module):
    """Timesteps to a vector, and that to the modulation rows that all blocks share.

    layers: linear layers from the frequencies to the rows; PixArt has 3.
    """

    def __init__(self, width: int, layers: int = 2, frequencies: int = 128) -> None:
        super().__init__()
        between = [
            module for _ in range(layers - 2) for module in (nn.Linear(width, width), nn.SiLU())
        ]
        self.mlp = nn.Sequential(
            nn.Linear(2 * frequencies, width), nn.SiLU(), *between, nn.Linear(width, 6 * width)
        )
        # Kept as bits, because casting a module to half precision would narrow a float buffer.
        bits = timestep_frequencies(frequencies).view(torch.int32)
        self.register_buffer("frequency_bits", bits, persistent=False)

    def forward(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        """(B,) of any type -> rows (B, 6, D) of `dtype`, the weights' own."""
        return self.rows(self.embed(timestep, dtype))

    def embed(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        """(B,) -> the vector (B, D), before its last activation."""
        return self.mlp[:-2](self.waves(timestep).to(dtype))

    def rows(self, embedding: Tensor) -> Tensor:
        """The vector (B, D) -> (B, 6, D)."""
        return self.mlp[-2:](embedding).unflatten(1, (6, -1))

    def waves(self, timestep: Tensor) -> Tensor:
        """(B,) -> [cos | sin], float32 (B, 2 * frequencies).

        Nothing is narrowed before the cosines are taken: bfloat16 has no 999, it becomes 1000.
        """
        bits: Tensor = self.frequency_bits  # type: ignore[assignment]
        angles = timestep.float()[:, None] * bits.view(torch.float32)
        return torch.cat([angles.cos(), angles.sin()], dim=1)


def timestep_frequencies(count: int) -> Tensor:
    """exp(-ln(10000) k / count) for k = 0 .. count - 1, float32 (count,).

    The exponential is taken in float64: float32 ones differ between processors in the last bit,
    and a timestep of 999 makes a thousand of it.
    """
    k = torch.arange(count, dtype=torch.float32)
    return (-math.log(10000.0) * k / count).double().exp().float()


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
