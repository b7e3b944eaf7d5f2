# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame model's transformer from the weights of PixArt-Sigma (arXiv 2403.04692), for stage 1.

Kept: self-attention, MLPs and modulation tables of all blocks, the timestep's embedding, the patch
embedding of the latent. With a single view PRoPE's camera half cancels, so that half of every
head's channels attends as it did before.

For training to relearn: text is gone, and cross-attention with it. Positions are no longer added to
the tokens; RoPE rotates half of every head's channels instead. PixArt predicts the noise, a frame
model the clean latent: the last layer starts as the negated noise prediction (what is clean
falls where noise rises) with the modulation of one timestep folded in, and the learned variance is
dropped. Hints enter through weights that start at zero; encoder, decoder and the embedding of
memory frames start at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import PixArtTransformer2DModel

from ..models.config_file import read_config
from ..models.frame_model import FrameModel
from ..models.pretrained import load_pretrained
from ..pipelines.schedulers import TRAIN_STEPS
from ..shared.errors import ModelError

KIND = "PixArtTransformer2DModel"
FOLDED_TIMESTEP = TRAIN_STEPS // 2
"""The output's modulation depends on the timestep in PixArt and not here: this one's is kept."""
PATCH = 2
SIGMA = {
    "patch_size": PATCH,
    "attention_bias": True,
    "activation_fn": "gelu-approximate",
    "use_additional_conditions": False,
}
"""What all PixArt-Sigma configurations say, or leave out."""


def start_from_pixart(model: FrameModel, folder: Path) -> None:
    """Overwrite the transformer of `model` with the weights in `folder`.

    folder: config.json and safetensors of diffusers' PixArtTransformer2DModel (the folder
    `transformer` of a pipeline). Raises ModelError when they are missing, damaged, or of another
    architecture or size than `model`.
    """
    config = _read_config(folder)
    _check_shape(model, config, folder)
    _copy_weights(model, load_pretrained(PixArtTransformer2DModel, folder, "PixArt-Sigma"))


def _read_config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"'{folder}' holds no PixArt-Sigma transformer, for config.json is missing; "
            "name the folder that has it beside the safetensors weights."
        )
    config = read_config(folder, "The transformer", "get it again")
    kind = config.get("_class_name")
    if kind != KIND:
        raise ModelError(
            f"'{folder}' holds a {kind or 'model of no name'}, not a {KIND}; "
            "name the transformer's folder of PixArt-Sigma."
        )
    return config


def _check_shape(model: FrameModel, config: dict[str, Any], folder: Path) -> None:
    for name, expected in SIGMA.items():
        if config.get(name, expected) != expected:
            raise ModelError(
                f"'{folder}' holds another PixArt than Sigma: {name} is {config[name]}, "
                f"not {expected}; name a folder of PixArt-Sigma."
            )
    heads = config.get("num_attention_heads", 16)
    needed = {
        "token_width": heads * config.get("attention_head_dim", 72),
        "heads": heads,
        "layers": config.get("num_layers", 28),
        "latent_channels": config.get("in_channels", 4),
        "time_layers": 3,
    }
    for name, value in needed.items():
        if model.config[name] != value:
            raise ModelError(
                f"The model in '{folder}' needs {name} = {value} in the training config's [model], "
                f"not {model.config[name]}."
            )


@torch.no_grad()
def _copy_weights(model: FrameModel, source: PixArtTransformer2DModel) -> None:
    ours: Any
    for ours, theirs in zip(model.blocks, source.transformer_blocks, strict=True):
        attention = theirs.attn1
        for part in ("weight", "bias"):
            rows = [
                getattr(layer, part) for layer in (attention.to_q, attention.to_k, attention.to_v)
            ]
            getattr(ours.qkv, part).copy_(torch.cat(rows))
        _copy_linear(ours.proj, attention.to_out[0])
        _copy_linear(ours.mlp[0], theirs.ff.net[0].proj)
        _copy_linear(ours.mlp[2], theirs.ff.net[2])
        ours.table.copy_(theirs.scale_shift_table)
    embedder = source.adaln_single.emb.timestep_embedder
    _copy_linear(model.time.mlp[0], embedder.linear_1)
    _copy_linear(model.time.mlp[2], embedder.linear_2)
    _copy_linear(model.time.mlp[4], source.adaln_single.linear)
    # memory frames are clean pictures: timestep 0 is what PixArt knows closest to them
    model.memory_modulation.copy_(model.time(torch.zeros(1), torch.float32)[0])
    latent = model.config.latent_channels
    model.token_in.weight.zero_()
    model.token_in.weight[:, :latent] = source.pos_embed.proj.weight
    bias = model.token_in.bias
    assert bias is not None
    bias.copy_(source.pos_embed.proj.bias)
    _copy_output(model, source)


def _copy_linear(ours: Any, theirs: Any) -> None:
    """Of one `nn.Linear` to another; their owners do not say that they are."""
    ours.weight.copy_(theirs.weight)
    ours.bias.copy_(theirs.bias)


def _copy_output(model: FrameModel, source: PixArtTransformer2DModel) -> None:
    """W ((1 + scale) n + shift) + b as one linear layer, negated, its rows put in another order.

    PixArt's rows run over (row, column, channel) of a patch, pixel_shuffle's over (channel, row,
    column); the second half of the channels is the variance.
    """
    embedding = model.time.embed(torch.tensor([FOLDED_TIMESTEP]), torch.float32)
    shift, scale = source.scale_shift_table + embedding
    weight, bias = source.proj_out.weight, source.proj_out.bias
    weight, bias = weight * (1 + scale), bias + weight @ shift

    def reordered(rows: torch.Tensor) -> torch.Tensor:
        patches = rows.unflatten(0, (PATCH, PATCH, -1))[:, :, : model.config.latent_channels]
        return patches.movedim(2, 0).flatten(0, 2)

    model.token_out.weight.copy_(-reordered(weight))
    model.token_out.bias.copy_(-reordered(bias))
