# SPDX-License-Identifier: GPL-3.0-or-later
"""The released model's transformer: target, anchors and a memory frame in one joint sequence.

Its conditions are latents of the target's size, joined along the width; every token attends to
every other; positions are sin/cos codes of the joined grid. Pixels are an autoencoder's work.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from .blocks import (
    TimestepEmbedding,
    TransformerBlock,
    modulate,
    modulation_table,
    norm,
    sincos_positions,
    unpatch,
)

JOINED_VIEWS = 3
"""Latents joined along the width: target, anchor render, memory frame."""


class OfficialTransformer(ModelMixin, ConfigMixin):
    """Latents to a latent, after PixArt-Sigma. All arguments are the saved configuration.

    learned_sigma: the output has a second half, the variance, which samplers drop.
    position_base: tokens a side that either axis is squeezed to.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("TransformerBlock",)
    _repeated_blocks = ("TransformerBlock",)

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        token_width: int = 1152,
        heads: int = 16,
        layers: int = 28,
        mlp_ratio: float = 4,
        time_layers: int = 3,
        patch_size: int = 2,
        learned_sigma: bool = True,
        position_base: int = 32,
        pe_interpolation: float = 1.0,
    ) -> None:
        super().__init__()
        self.out_table = nn.Parameter(modulation_table(2, token_width))
        self.token_in = nn.Conv2d(latent_channels, token_width, patch_size, stride=patch_size)
        self.time = TimestepEmbedding(token_width, time_layers)
        self.blocks = nn.ModuleList(
            TransformerBlock(token_width, heads, mlp_ratio) for _ in range(layers)
        )
        outputs = latent_channels * (1 + learned_sigma)
        self.token_out = nn.Linear(token_width, outputs * patch_size**2)
        self._positions: dict[tuple[int, int, torch.device, torch.dtype], torch.Tensor] = {}

    def forward(
        self,
        target: torch.Tensor,
        anchor: torch.Tensor,
        memory: torch.Tensor,
        timestep: torch.Tensor,
        sigma: bool = False,
    ) -> torch.Tensor:
        """The network's output for the target latent.

        target, anchor, memory: (B, C, H, W), H and W multiples of the patch size.
        timestep: (B,) of any type; keep it wider than the weights (see `TimestepEmbedding`).
        sigma: with the learned variance behind it, (B, 2 C, H, W).
        Returns (B, C, H, W) in the type of the weights.
        """
        rows, columns = (side // self.config.patch_size for side in target.shape[2:])
        x = self.join(target, anchor, memory)
        embedding = self.time.embed(timestep, x.dtype)
        modulation = self.time.rows(embedding)
        for block in self.blocks[:-1]:
            x, _ = block(x, modulation)
        # nothing is read from the conditions after the last attention
        x, _ = self.blocks[-1](x, modulation, queries=rows * columns)
        patches = self.patches(x, embedding)
        channels = self.config.latent_channels * (1 + (sigma and self.config.learned_sigma))
        return unpatch(patches, rows, columns, channels, self.config.patch_size)

    def join(
        self, target: torch.Tensor, anchor: torch.Tensor, memory: torch.Tensor
    ) -> torch.Tensor:
        """Tokens (B, 3 N, D) of three latents (B, C, H, W): all of the target's come first.

        Attention does not mind the order of tokens, and this one keeps the target's together.
        """
        latents = torch.stack((target, anchor, memory), dim=1).flatten(0, 1)
        x = self.token_in(latents.to(self.token_in.weight.dtype))
        tokens = x.flatten(2).transpose(1, 2).reshape(len(target), -1, x.shape[1])
        return tokens + self.positions(*x.shape[-2:])

    def positions(self, rows: int, columns: int) -> torch.Tensor:
        """Codes (1, 3 * rows * columns, D) of the views' tokens; computed once per size.

        The released model counts x over the joined width, so each view has its own stretch.
        """
        weight, config = self.token_in.weight, self.config
        key = (rows, columns, weight.device, weight.dtype)
        if key not in self._positions:
            with torch.inference_mode(False):  # what is kept must also serve a training pass
                codes = sincos_positions(
                    rows,
                    JOINED_VIEWS * columns,
                    config.token_width,
                    config.position_base,
                    config.pe_interpolation,
                )
                codes = codes.view(rows, JOINED_VIEWS, columns, -1).transpose(0, 1).flatten(0, 2)
                self._positions[key] = codes[None].to(weight.device, weight.dtype)
        return self._positions[key]

    def patches(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N, D) and the timestep's vector (B, D) -> (B, N, channels * p * p)."""
        shift, scale = (self.out_table + embedding[:, None]).unbind(1)
        return self.token_out(modulate(norm(x), shift, scale))
