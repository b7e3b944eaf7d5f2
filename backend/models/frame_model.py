# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame model's transformer: one class for the released layout and for the embedded one.

`FrameModel`'s `conditions` says how a frame's conditions reach the target's tokens:

"cached" (embedded): hints enter as channels; memory frames were run through the same blocks once,
and their keys and values are attended to; PRoPE tells attention the cameras.
"joint" (released): target, anchor render and memory frame are latents of one size, joined along
the width; every token attends to every other; positions are sin/cos codes of the joined grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from ..conditioning.channels import HINTS, MEMORY_IMAGE
from .blocks import (
    KeysValues,
    TimestepEmbedding,
    TransformerBlock,
    modulate,
    modulation_table,
    norm,
    sincos_positions,
)
from .frame_blocks import GuidedDecoder, HintEncoder, ResBlock
from .prope import ViewEncoding

LATENT_STRIDE = 8
TOKEN_STRIDE = 16
TRUST = 0.85
"""How much of the residual a pixel loses that a memory frame saw well."""

JOINED_VIEWS = 3
"""Latents joined along the width: target, anchor render, memory frame."""

ConditionKind = Literal["cached", "joint"]


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

    With "cached" conditions: `encode_hints` and `encode_memory` once a frame, `denoise` each
    step, `decode` to pixels. Images are (B, 3, H, W) in [-1, 1] with H and W multiples of 16;
    latents (B, C, H/8, W/8). hint_channels and widths (of the convolutions at full, half, quarter
    and eighth resolution) matter here only.

    With "joint" conditions: call it, latents to latent; pixels are an autoencoder's work.
    position_base (tokens a side that either axis is squeezed to) and pe_interpolation matter
    here only, and the norm before the output is modulated too.

    learned_sigma: the output has a second half, the variance, which samplers drop.
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
        conditions: ConditionKind = "cached",
        patch_size: int = 2,
        learned_sigma: bool = False,
        position_base: int = 32,
        pe_interpolation: float = 1.0,
    ) -> None:
        super().__init__()
        cached = _check_conditions(conditions, patch_size)
        widths = tuple(widths) if cached else ()
        # memory is encoded once for all timesteps, so its modulation is a constant of its own
        self.memory_modulation = nn.Parameter(torch.zeros(6, token_width)) if cached else None
        self.out_table = None if cached else nn.Parameter(modulation_table(2, token_width))
        # checkpoints of optimiser and averaged weights go by the order of what follows
        self.hint_encoder = HintEncoder(hint_channels, widths) if cached else None
        channels = latent_channels + sum(widths[-1:])
        self.token_in = nn.Conv2d(channels, token_width, patch_size, stride=patch_size)
        self.memory_in = _memory_embedding(token_width) if cached else None
        self.time = TimestepEmbedding(token_width, time_layers)
        self.blocks = nn.ModuleList(
            TransformerBlock(token_width, heads, mlp_ratio) for _ in range(layers)
        )
        outputs = latent_channels * (1 + learned_sigma)
        self.token_out = nn.Linear(token_width, outputs * patch_size**2)
        self.decoder = GuidedDecoder(latent_channels, widths) if cached else None
        self._positions: dict[tuple[int, int, torch.device, torch.dtype], torch.Tensor] = {}

    @property
    def head_dim(self) -> int:
        """Channels of one attention head; the view encodings must be made for it."""
        return self.config.token_width // self.config.heads

    # "cached" conditions -------------------------------------------------------------------------

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
        embedding = self.time.embed(timestep, x.dtype)
        modulation = self.time.rows(embedding)
        for i, block in enumerate(self.blocks):
            x, _ = block(x, modulation, view, memory.layers[i] if memory else None)
        return self.unpatch(self.patches(x, embedding), rows, columns)

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

    # "joint" conditions --------------------------------------------------------------------------

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
        return self.unpatch(self.patches(x, embedding), rows, columns, sigma)

    def join(
        self, target: torch.Tensor, anchor: torch.Tensor, memory: torch.Tensor
    ) -> torch.Tensor:
        """Tokens (B, 3 N, D) of three latents (B, C, H, W): all of the target's come first.

        Attention does not mind the order of tokens, and this one keeps the target's together.
        """
        latents = torch.stack((target, anchor, memory), dim=1).flatten(0, 1)
        x = self.token_in(latents.to(self.token_in.bias.dtype))
        tokens = x.flatten(2).transpose(1, 2).reshape(len(target), -1, x.shape[1])
        return tokens + self.positions(*x.shape[-2:])

    def positions(self, rows: int, columns: int) -> torch.Tensor:
        """Codes (1, 3 * rows * columns, D) of the views' tokens; computed once per size.

        The released model counts x over the joined width, so each view has its own stretch.
        """
        bias, config = self.token_in.bias, self.config
        key = (rows, columns, bias.device, bias.dtype)
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
                self._positions[key] = codes[None].to(bias.device, bias.dtype)
        return self._positions[key]

    # either --------------------------------------------------------------------------------------

    def patches(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N, D) and the timestep's vector (B, D) -> (B, N, channels * p * p)."""
        x = norm(x)
        if self.out_table is not None:
            x = modulate(x, *(self.out_table + embedding[:, None]).unbind(1))
        return self.token_out(x)

    def unpatch(
        self, patches: torch.Tensor, rows: int, columns: int, sigma: bool = False
    ) -> torch.Tensor:
        """Patches (B, N, channels * p * p) -> (B, channels, rows * p, columns * p).

        Without `sigma` the latent's channels only, which come first.
        """
        p = self.config.patch_size
        if not sigma:
            patches = patches[..., : self.config.latent_channels * p * p]
        return F.pixel_shuffle(patches.transpose(1, 2).unflatten(2, (rows, columns)), p)


def _check_conditions(conditions: str, patch_size: int) -> bool:
    """Whether they are cached. Raises ValueError for what makes no model."""
    if conditions not in get_args(ConditionKind):
        raise ValueError(f'conditions must be one of {get_args(ConditionKind)}, not "{conditions}"')
    cached = conditions == "cached"
    if cached and patch_size * LATENT_STRIDE != TOKEN_STRIDE:
        raise ValueError(f"cached conditions need a patch_size of {TOKEN_STRIDE // LATENT_STRIDE}")
    return cached


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
