# SPDX-License-Identifier: GPL-3.0-or-later
"""What a checkpoint of the official model must hold, key by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..shared.errors import ModelError


@dataclass(frozen=True)
class Entry:
    """Shape of one tensor, and whether inference reads it."""

    shape: tuple[int, ...]
    used: bool = True


@dataclass(frozen=True)
class CaptionLayout:
    """Sizes of the text conditioning that the files carry along and nothing reads."""

    channels: int = 4096
    tokens: int = 300


def official_manifest(
    config: dict[str, Any], captions: CaptionLayout | None = None
) -> dict[str, Entry]:
    """Every key of a released checkpoint: 441 for the XL/2 model.

    config: `WorldFMTransformer`'s arguments. What PixArt-Sigma was trained with but the frame
    model never reads (captions, cross-attention, ray projection) is listed as unused.
    """
    captions = captions or CaptionLayout()
    D, p = config["hidden_size"], config["patch_size"]
    inside = int(D * config["mlp_ratio"])
    grid = config["input_size"] // p
    entries = {"pos_embed": Entry((1, grid * grid, D), used=False)}
    entries["x_embedder.proj.weight"] = Entry((D, config["in_channels"], p, p))
    entries["x_embedder.proj.bias"] = Entry((D,))
    entries |= _linear("t_embedder.mlp.0", 256, D)
    entries |= _linear("t_embedder.mlp.2", D, D)
    entries |= _linear("t_block.1", D, 6 * D)
    entries["y_embedder.y_embedding"] = Entry((captions.tokens, captions.channels), used=False)
    entries |= _linear("y_embedder.y_proj.fc1", captions.channels, D, used=False)
    entries |= _linear("y_embedder.y_proj.fc2", D, D, used=False)
    for i in range(config["depth"]):
        block = f"blocks.{i}"
        entries[f"{block}.scale_shift_table"] = Entry((6, D))
        entries |= _linear(f"{block}.attn.qkv", D, 3 * D)
        entries |= _linear(f"{block}.attn.proj", D, D)
        entries |= _linear(f"{block}.cross_attn.q_linear", D, D, used=False)
        entries |= _linear(f"{block}.cross_attn.kv_linear", D, 2 * D, used=False)
        entries |= _linear(f"{block}.cross_attn.proj", D, D, used=False)
        entries |= _linear(f"{block}.mlp.fc1", D, inside)
        entries |= _linear(f"{block}.mlp.fc2", inside, D)
    entries["final_layer.scale_shift_table"] = Entry((2, D))
    entries |= _linear("final_layer.linear", D, p * p * config["out_channels"])
    entries |= _linear("plucker_proj.0", 6, D, used=False)
    entries |= _linear("plucker_proj.2", D, D, used=False)
    return entries


def check_weights(
    weights: dict[str, Tensor], manifest: dict[str, Entry], what: str
) -> Iterator[tuple[str, Tensor]]:
    """The tensors that inference reads, each checked for NaN and infinity as it is yielded.

    Keys and shapes are checked before the first is yielded. Unused tensors may be absent.
    Raises ModelError, one sentence that names `what` and the weights that are wrong.
    """
    _check_keys(weights, manifest, what)
    for key, entry in manifest.items():
        if entry.used:
            if not torch.isfinite(weights[key]).all():
                raise ModelError(
                    f'{what} is damaged: "{key}" has values that are not finite; get it again.'
                )
            yield key, weights[key]


def _check_keys(weights: dict[str, Tensor], manifest: dict[str, Entry], what: str) -> None:
    if not weights.keys() & manifest.keys():
        raise ModelError(
            f"{what} is a checkpoint of another model (its weights are {_some(weights)}); "
            "choose worldfm_1-step.pth or worldfm_2-step.pth."
        )
    needed = [key for key, entry in manifest.items() if entry.used]
    missing = [key for key in needed if key not in weights]
    unexpected = [key for key in weights if key not in manifest]
    misshapen = [
        f'"{key}" ({_shape(weights[key].shape)} instead of {_shape(entry.shape)})'
        for key, entry in manifest.items()
        if key in weights and tuple(weights[key].shape) != entry.shape
    ]
    faults = []
    if missing:
        faults.append(f"missing are {_some(missing)}")
    if unexpected:
        faults.append(f"unexpected are {_some(unexpected)}")
    if misshapen:
        faults.append(f"of another shape are {_some(misshapen, quote=False)}")
    if faults:
        raise ModelError(
            f"{what} does not fit the WorldFM model: {', '.join(faults)}; "
            "get the file that was published with this model."
        )


def _linear(name: str, inputs: int, outputs: int, used: bool = True) -> dict[str, Entry]:
    return {
        f"{name}.weight": Entry((outputs, inputs), used),
        f"{name}.bias": Entry((outputs,), used),
    }


def _some(names: Iterable[str], quote: bool = True) -> str:
    names = list(names)
    shown = ", ".join(f'"{name}"' if quote else name for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(str(side) for side in shape) or "a single number"
