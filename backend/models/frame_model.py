# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded frame model: a few-step generator conditioned on anchors and memory.

The latent of the target (width 1/8) is denoised by a transformer whose tokens also carry the anchor
hints as channels and attend to memory frames through cached keys and values; a guided decoder turns
the latent into pixels and keeps what the hints already know at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from .frame_blocks import (
    FrameBlock,
    GuidedDecoder,
    HintEncoder,
    KeysValues,
    ResBlock,
    TimestepEmbedding,
)
from .prope import ViewEncoding

LATENT_STRIDE = 8
TOKEN_STRIDE = 16
MEMORY_CHANNELS = 5
"""A memory image's channels: rgb in [-1, 1], log depth, sky."""

TRUST = 0.85
"""How much of the residual a pixel loses that a memory frame saw well."""


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
    """Noise, hints and memory to a frame.

    Images are (B, 3, H, W) in [-1, 1] with H and W multiples of 16; latents (B, C, H/8, W/8).
    """

    @register_to_config
    def __init__(
        self,
        hint_channels: int = 18,
        latent_channels: int = 8,
        widths: tuple[int, ...] = (24, 48, 96, 128),
        token_width: int = 192,
        heads: int = 6,
        layers: int = 6,
        mlp_ratio: int = 4,
        time_layers: int = 2,
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        self.hint_encoder = HintEncoder(hint_channels, widths)
        self.token_in = nn.Conv2d(latent_channels + widths[-1], token_width, 2, stride=2)
        self.memory_in = nn.Sequential(
            nn.Conv2d(MEMORY_CHANNELS, 48, 4, stride=4),
            ResBlock(48),
            nn.Conv2d(48, token_width, 4, stride=4),
        )
        self.time = TimestepEmbedding(token_width, time_layers)
        # memory is encoded once for all timesteps, so its modulation is a constant of its own
        self.memory_modulation = nn.Parameter(torch.zeros(6, token_width))
        self.blocks = nn.ModuleList(
            FrameBlock(token_width, heads, mlp_ratio) for _ in range(layers)
        )
        self.token_out = nn.Linear(token_width, 4 * latent_channels)
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
        modulation = self.time(timestep, x.dtype)
        for i, block in enumerate(self.blocks):
            x, _ = block(x, modulation, view, memory.layers[i] if memory else None)
        x = self.token_out(F.layer_norm(x, x.shape[-1:], eps=1e-6))
        x = x.transpose(1, 2).unflatten(2, (rows, columns))
        return F.pixel_shuffle(x, 2)

    def decode(
        self,
        latent: torch.Tensor,
        features: list[torch.Tensor],
        base: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Latent to pixels: `base` (B, 3, H, W), what the hints already show, plus a residual.

        The surer memory is of a pixel (weight (B, 1, H, W) in [0, 1]), the less it is changed.
        """
        return base + (1 - TRUST * weight) * self.decoder(latent, features)


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
