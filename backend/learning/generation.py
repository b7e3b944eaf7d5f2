# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame model's way from noise to a latent, with gradients: as inference goes it."""

from __future__ import annotations

import torch

from ..models.frame_model import FrameModel, MemoryTokens
from ..pipelines.schedulers import few_step_timesteps
from .batches import Batch


def memory_tokens(model: FrameModel, batch: Batch) -> MemoryTokens | None:
    """The batch's memory tokens, or None where it has none."""
    pairs = zip(batch.memory, batch.memory_views, strict=True)
    return MemoryTokens.join([model.encode_memory(image, view) for image, view in pairs])


def noised(
    signal: torch.Tensor, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """sqrt(ac) * clean + sqrt(1 - ac) * noise at timesteps t (B,); signal: `alphas_cumprod`."""
    amount = signal[t][:, None, None, None]
    return amount.sqrt() * clean + (1 - amount).sqrt() * noise


def generate(
    model: FrameModel,
    batch: Batch,
    features: list[torch.Tensor],
    memory: MemoryTokens | None,
    steps: int,
    signal: torch.Tensor,
) -> torch.Tensor:
    """The latent (B, C, H/8, W/8) after one or two steps; only the last one carries gradients.

    features: of the hints. signal: (1000,) cumulative products of alpha.
    """
    noise = batch.noise[:, :, : model.config["latent_channels"]]
    latent = torch.zeros_like(noise[:, 0])
    for step, timestep in enumerate(few_step_timesteps(steps)):
        t = torch.full((len(latent),), timestep, device=latent.device)
        noisy = noised(signal, latent.detach(), noise[:, step], t)
        with torch.set_grad_enabled(step == steps - 1):
            latent = model.denoise(noisy, t, features, batch.view, memory)
    return latent
