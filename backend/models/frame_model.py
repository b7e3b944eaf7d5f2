# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded frame model: hints, memory and noise to pixels.

Hints enter as channels; memory frames were run through the same blocks once, and their keys and
values are attended to; PRoPE tells attention the cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from ..conditioning.channels import HINTS, MEMORY_IMAGE
from .blocks import KeysValues, TimestepEmbedding, TransformerBlock, norm, unpatch
from .frame_blocks import GuidedDecoder, HintEncoder, ResBlock
from .prope import ViewEncoding

LATENT_STRIDE = 8
TOKEN_STRIDE = 16
TRUST = 0.85
"""How much of the residual a pixel loses that a memory frame saw well."""

PATCH = TOKEN_STRIDE // LATENT_STRIDE
"""Latent cells along the side of a token."""


@dataclass(eq=False)
class MemoryTokens:
    """Keys and values of memory frames, one pair a layer: (B, heads, M, head_dim)."""

    layers: list[KeysValues]

    @classmethod
    def join(cls, frames: list[MemoryTokens]) -> MemoryTokens | None:
        """The tokens of several frames, one after another; None for no frame."""
        if not frames:
            return None
        pairs = zip(*(frame.layers for frame in frames), strict=True)
        return cls(
            [(torch.cat([k for k, _ in p], 2), torch.cat([v for _, v in p], 2)) for p in pairs]
        )


class FrameModel(ModelMixin, ConfigMixin):
    """Noise and conditions to a frame. All arguments are the saved configuration.

    `encode_hints` and `encode_memory` once a frame, `denoise` each step, `decode` to pixels.
    Images are (B, 3, H, W) in [-1, 1] with H and W multiples of 16; latents (B, C, H/8, W/8).
    widths: of the convolutions at full, half, quarter and eighth resolution.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("TransformerBlock",)
    _repeated_blocks = ("TransformerBlock",)

    @register_to_config
    def __init__(
        self,
        hint_channels: int = HINTS.count,
        latent_channels: int = 8,
        widths: tuple[int, ...] = (24, 48, 96, 128),
        token_width: int = 192,
        heads: int = 6,
        layers: int = 6,
        mlp_ratio: float = 4,
        time_layers: int = 2,
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        # memory is encoded once for all timesteps, so its modulation is a constant of its own
        self.memory_modulation = nn.Parameter(torch.zeros(6, token_width))
        # checkpoints of optimiser and averaged weights go by the order of what follows
        self.hint_encoder = HintEncoder(hint_channels, widths)
        self.token_in = nn.Conv2d(latent_channels + widths[-1], token_width, PATCH, stride=PATCH)
        self.memory_in = _memory_embedding(token_width)
        self.time = TimestepEmbedding(token_width, time_layers)
        self.blocks = nn.ModuleList(
            TransformerBlock(token_width, heads, mlp_ratio) for _ in range(layers)
        )
        self.token_out = nn.Linear(token_width, latent_channels * PATCH**2)
        self.decoder = GuidedDecoder(latent_channels, widths)

    @property
    def head_dim(self) -> int:
        """Channels of one attention head; the view encodings must be made for it."""
        return self.config.token_width // self.config.heads

    def encode_memory(self, images: torch.Tensor, view: ViewEncoding) -> MemoryTokens:
        """images (B, 5, h, w), h and w multiples of 16 -> keys and values of their tokens.

        Independent of target and timestep: compute once a memory frame and keep.
        """
        x = self.memory_in(images).flatten(2).transpose(1, 2)
        modulation = self.memory_modulation.expand(len(x), -1, -1)
        layers = []
        for block in self.blocks:
            x, own = block(x, modulation, view)
            layers.append(own)
        return MemoryTokens(layers)

    def encode_hints(self, hints: torch.Tensor) -> list[torch.Tensor]:
        """hints (B, hint_channels, H, W) -> features; independent of the timestep."""
        return self.hint_encoder(hints)

    def denoise(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        features: list[torch.Tensor],
        view: ViewEncoding,
        memory: MemoryTokens | None,
    ) -> torch.Tensor:
        """The clean latent x0 (B, C, H/8, W/8), predicted from a noisy one at `timestep` (B,)."""
        x = self.token_in(torch.cat([noisy, features[-1]], dim=1))
        rows, columns = x.shape[-2:]
        x = x.flatten(2).transpose(1, 2)
        modulation = self.time.rows(self.time.embed(timestep, x.dtype))
        for i, block in enumerate(self.blocks):
            x, _ = block(x, modulation, view, memory.layers[i] if memory else None)
        channels = self.config.latent_channels
        return unpatch(self.token_out(norm(x)), rows, columns, channels, PATCH)

    def decode(
        self,
        latent: torch.Tensor,
        features: list[torch.Tensor],
        base: torch.Tensor,
        fill: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Latent to pixels: a mixture of two guesses (B, 3, H, W), plus a residual.

        base and fill: see `Conditions`; they agree where memory saw the pixel. The surer it is of
        one (weight (B, 1, H, W) in [0, 1]), the less the residual changes it.
        """
        drawn = self.decoder(latent, features)
        guess = torch.lerp(base, fill, torch.sigmoid(drawn[:, 3:]).to(base.dtype))
        return guess + (1 - TRUST * weight) * drawn[:, :3]


def _memory_embedding(token_width: int) -> nn.Sequential:
    """Memory images (B, 5, h, w) to (B, D, h/16, w/16)."""
    return nn.Sequential(
        nn.Conv2d(MEMORY_IMAGE.count, 48, 4, stride=4),
        ResBlock(48),
        nn.Conv2d(48, token_width, 4, stride=4),
    )


class LatentEncoder(ModelMixin, ConfigMixin):
    """Pixels to latents: the encoding half of the small autoencoder. Training needs it only."""

    @register_to_config
    def __init__(
        self, latent_channels: int = 8, widths: tuple[int, ...] = (24, 48, 96, 128)
    ) -> None:
        super().__init__()
        self.trunk = HintEncoder(3, tuple(widths))
        self.conv_out = nn.Conv2d(widths[-1], latent_channels, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, H/8, W/8), kept in [-3, 3] and near unit variance."""
        return 3.0 * torch.tanh(self.conv_out(self.trunk(image)[-1]) / 3.0)
