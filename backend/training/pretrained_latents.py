# SPDX-License-Identifier: GPL-3.0-or-later
"""A pretrained autoencoder in the place of the small latent encoder that stage 1 would train."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..models.autoencoder import Autoencoder
from ..models.frame_model import LATENT_STRIDE
from ..shared.errors import ModelError


class PretrainedLatents(nn.Module):
    """The scaled mode of an AutoencoderKL as latents. Frozen; checkpoints do not store it."""

    def __init__(self, folder: Path, latent_channels: int) -> None:
        """Raises ModelError when the folder holds no autoencoder that fits the frame model."""
        super().__init__()
        # no nn.Module, so its weights are nobody's parameters
        self.autoencoder = Autoencoder.from_folder(folder)
        channels = self.autoencoder.vae.config.latent_channels
        if self.autoencoder.factor != LATENT_STRIDE or channels != latent_channels:
            raise ModelError(
                f"The autoencoder in '{folder}' makes {channels} channels at 1/"
                f"{self.autoencoder.factor} of the size, and the training config asks for "
                f"{latent_channels} at 1/{LATENT_STRIDE}; set [model] latent_channels or name "
                "another."
            )

    @torch.no_grad()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, H/8, W/8) float32, near unit variance."""
        self.autoencoder.vae.to(image.device)
        # SDXL's autoencoder overflows in float16
        with torch.autocast(image.device.type, enabled=False):
            return self.autoencoder.encode(image.float())
