# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to latents and back, through diffusers' autoencoders.

Images are (B, 3, H, W) in [-1, 1]; latents (B, C, H/f, W/f), scaled as the transformer expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.models.attention_processor import Attention
from torch import Tensor

from ..shared.errors import ModelError
from ..shared.reading import as_sentence, number
from .config_file import read_config
from .pretrained import load_pretrained


@dataclass(eq=False)
class Autoencoder:
    """A loaded VAE. `tiny` ones are for previews: a 15th of the work, softer pictures.

    scaling: what latents are multiplied by. factor: pixels per latent cell along a side.
    """

    vae: AutoencoderKL | AutoencoderTiny
    scaling: float
    factor: int

    @classmethod
    def wrap(cls, vae: AutoencoderKL | AutoencoderTiny) -> Autoencoder:
        """Around a diffusers model, in evaluation mode and channels-last."""
        config = vae.config
        kl = isinstance(vae, AutoencoderKL)
        stages = config.block_out_channels if kl else config.encoder_block_out_channels
        vae = vae.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        return cls(vae, float(config.scaling_factor), 2 ** (len(stages) - 1))

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype = torch.float32) -> Autoencoder:
        """From config.json and safetensors weights; which class it is stands in the config.

        Raises ModelError when a file is missing, damaged or of another model.
        """
        remedy = "get its config.json and safetensors file again"
        config = read_config(folder, "The autoencoder", remedy)
        with as_sentence(
            lambda why: ModelError(
                f'The scaling_factor of the autoencoder in "{folder}" is wrong ({why}); {remedy}.'
            )
        ):
            number(config.get("scaling_factor", 1.0), least=1e-6)
        tiny = "Tiny" in str(config.get("_class_name", ""))
        kind = AutoencoderTiny if tiny else AutoencoderKL
        return cls.wrap(load_pretrained(kind, folder, "The autoencoder", dtype))

    @property
    def dtype(self) -> torch.dtype:
        return self.vae.dtype

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """The scaled latent of an image, float32.

        The mode of the distribution, or, with `noise` ~N(0, 1) of the latent's shape, a sample of
        it (what the reference implementation feeds its model).
        """
        image = image.to(self.dtype, memory_format=torch.channels_last)
        if isinstance(self.vae, AutoencoderTiny):
            return self.vae.encode(image).latents.float() * self.scaling
        moments = self.vae.encode(image).latent_dist
        latent = moments.mean if noise is None else moments.mean + moments.std * noise
        return latent.float() * self.scaling

    def decode(self, latent: Tensor) -> Tensor:
        """The image (B, 3, H, W) of a scaled latent (B, C, H/8, W/8), float32, not clamped."""
        latent = (latent / self.scaling).to(self.dtype, memory_format=torch.channels_last)
        return self.vae.decode(latent).sample.float()

    def use_products(self) -> None:
        """Take attention as plain matrix products: none of a GPU's fused kernels is made for one
        head of 512 channels."""
        if isinstance(self.vae, AutoencoderKL):
            self.vae.set_attn_processor(ProductAttention())

    def save_memory(self, slicing: bool, tiling: bool) -> None:
        """Work image by image, or in overlapping tiles (seams may differ slightly)."""
        (self.vae.enable_slicing if slicing else self.vae.disable_slicing)()
        (self.vae.enable_tiling if tiling else self.vae.disable_tiling)()


class ProductAttention:
    """Attention of an autoencoder's middle block, a part of the queries at a time.

    Takes the place of diffusers' own processor; its weights stay in the `Attention` it is given.
    """

    MOST_SCORES = 1 << 26
    """Scores held at once: a picture of 1024 x 1024 pixels takes four parts."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        temb: None = None,
    ) -> Tensor:
        """(B, C, H, W) -> the same shape. The others are diffusers'; an autoencoder has none."""
        size = hidden_states.shape
        tokens = attn.group_norm(hidden_states.flatten(2)).transpose(1, 2)
        q, k, v = attn.to_q(tokens), attn.to_k(tokens), attn.to_v(tokens)
        q = q * q.shape[-1] ** -0.5
        rows = max(1, self.MOST_SCORES // k.shape[1])
        mixed = [self._mix(part, k, v) for part in q.split(rows, dim=1)]
        out = attn.to_out[0](torch.cat(mixed, dim=1)).transpose(1, 2).reshape(size)
        return (out + hidden_states) / attn.rescale_output_factor

    def _mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        share = torch.softmax(q @ k.transpose(1, 2), dim=-1, dtype=torch.float32)
        return share.to(v.dtype) @ v


def vae_dtype(wanted: torch.dtype, device: torch.device) -> torch.dtype:
    """The type to run a VAE in. SDXL's overflows in float16, so that becomes bfloat16 on a GPU
    that has it and float32 elsewhere."""
    if wanted != torch.float16:
        return wanted
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def to_bytes(image: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3) as the reference rounds them:
    floor(127.5 v + 128)."""
    return (127.5 * image + 128.0).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def from_bytes(image: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [-1, 1]."""
    return image.permute(0, 3, 1, 2).float() / 127.5 - 1.0
