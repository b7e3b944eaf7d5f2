# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer of the released WorldFM checkpoints (a PixArt-Sigma XL/2 with three images).

Target, anchor render and memory frame are latents of one size, joined along the width; every
token attends to every other. Parameter names are those of the released files, so conversion only
drops what inference never reads (cross-attention, captions, ray projection, stored positions).
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..shared.errors import InputError
from .blocks import NORM_EPS, AdaLNBlock, TimestepEmbedder, modulate, sincos_positions

VIEWS = 3
"""Latents joined along the width: target, anchor render, memory frame."""


class PatchEmbed(nn.Module):
    """Latents (B, C, H, W) to tokens (B, H/p * W/p, D), row-major."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class FinalLayer(nn.Module):
    """Tokens (B, N, D) to patches (B, N, p * p * out_channels)."""

    def __init__(self, width: int, patch: int, out_channels: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=NORM_EPS, elementwise_affine=False)
        self.linear = nn.Linear(width, patch * patch * out_channels)
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width**0.5)

    def forward(self, x: Tensor, t_emb: Tensor) -> Tensor:
        shift, scale = (self.scale_shift_table + t_emb[:, None]).chunk(2, dim=1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class WorldFMTransformer(ModelMixin, ConfigMixin):
    """forward(target, anchor, memory, timestep) -> the network's output for the target.

    input_size: side of the square latent the positions were trained on. All arguments are the
    saved configuration; the defaults are the released XL/2 model.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("AdaLNBlock",)
    _repeated_blocks = ("AdaLNBlock",)

    @register_to_config
    def __init__(
        self,
        input_size: int = 64,
        patch_size: int = 2,
        in_channels: int = 4,
        out_channels: int = 8,
        hidden_size: int = 1152,
        depth: int = 28,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        pe_interpolation: float = 1.0,
    ) -> None:
        super().__init__()
        self.x_embedder = PatchEmbed(in_channels, hidden_size, patch_size)
        self.t_embedder = TimestepEmbedder(hidden_size)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(hidden_size, 6 * hidden_size))
        self.blocks = nn.ModuleList(
            AdaLNBlock(hidden_size, num_heads, mlp_ratio) for _ in range(depth)
        )
        self.final_layer = FinalLayer(hidden_size, patch_size, out_channels)
        self._positions: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}

    def positions(self, rows: int, columns: int) -> Tensor:
        """Codes (1, 3 * rows * columns, D) of the views' tokens; computed once per size.

        The released model counts x over the joined width, so each view has its own stretch.
        """
        bias = self.x_embedder.proj.bias
        key = (rows, columns, bias.device, bias.dtype)
        if key not in self._positions:
            config = self.config
            base = config.input_size // config.patch_size
            with torch.inference_mode(False):  # what is kept must also serve a training pass
                codes = sincos_positions(
                    rows, VIEWS * columns, config.hidden_size, base, config.pe_interpolation
                )
                codes = codes.view(rows, VIEWS, columns, -1).transpose(0, 1).flatten(0, 2)
                self._positions[key] = codes[None].to(bias.device, bias.dtype)
        return self._positions[key]

    def embed(self, target: Tensor, anchor: Tensor, memory: Tensor) -> Tensor:
        """Tokens (B, 3 N, D) of three latents (B, C, H, W): all of the target's come first.

        Attention does not mind the order of tokens, and this one keeps the target's together.
        """
        p = self.config.patch_size
        rows, columns = target.shape[2] // p, target.shape[3] // p
        latents = torch.stack((target, anchor, memory), dim=1).flatten(0, 1)
        tokens = self.x_embedder(latents.to(self.x_embedder.proj.bias.dtype))
        return tokens.reshape(len(target), -1, tokens.shape[-1]) + self.positions(rows, columns)

    def forward(
        self, target: Tensor, anchor: Tensor, memory: Tensor, timestep: Tensor, sigma: bool = False
    ) -> Tensor:
        """The output for the target latent.

        target, anchor, memory: (B, C, H, W), H and W multiples of the patch size.
        timestep: (B,) of any type; keep it wider than the weights (see `TimestepEmbedder`).
        sigma: also return the learned-variance half, (B, out_channels, H, W), that samplers drop.
        Returns (B, C, H, W) in the type of the weights.
        """
        x = self.embed(target, anchor, memory)
        t_emb = self.t_embedder(timestep)
        t_mod = self.t_block(t_emb).unflatten(1, (6, -1))
        for block in self.blocks[:-1]:
            x = block(x, t_mod)
        # nothing is read from the conditions after the last attention
        x = self.blocks[-1](x, t_mod, queries=x.shape[1] // VIEWS)
        return self.unpatch(self.final_layer(x, t_emb), *target.shape[2:], sigma)

    def unpatch(self, patches: Tensor, height: int, width: int, sigma: bool) -> Tensor:
        """Patches (B, N, p * p * out_channels) to (B, C, height, width)."""
        p = self.config.patch_size
        patches = patches.unflatten(2, (p, p, -1)).unflatten(1, (height // p, width // p))
        if not sigma:
            patches = patches[..., : self.config.in_channels]
        return patches.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, height, width)


def transformer_config(settings: dict[str, Any]) -> dict[str, Any]:
    """All arguments of `WorldFMTransformer` from some of them, or from the reference's settings.

    Other entries are passed over. Raises InputError when the numbers make no transformer.
    """
    parameters = inspect.signature(WorldFMTransformer.__init__).parameters
    config = {name: p.default for name, p in parameters.items() if name != "self"}
    config |= {name: value for name, value in settings.items() if name in config}
    if "out_channels" not in settings and not settings.get("pred_sigma", True):
        config["out_channels"] = config["in_channels"]
    elif "out_channels" not in settings:
        config["out_channels"] = 2 * config["in_channels"]
    for name, value in config.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise InputError(
                f'The transformer\'s "{name}" must be a positive number, not {value!r}.'
            )
    if config["hidden_size"] % (4 * config["num_heads"]):
        raise InputError(
            "The transformer's hidden_size must be a multiple of four times its num_heads."
        )
    return config
