# SPDX-License-Identifier: GPL-3.0-or-later
"""The released checkpoint's layout: its settings, its 441 keys, and what they are called here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..shared.errors import InputError, ModelError

RELEASED: dict[str, Any] = {
    "input_size": 64,
    "patch_size": 2,
    "in_channels": 4,
    "pred_sigma": True,
    "hidden_size": 1152,
    "depth": 28,
    "num_heads": 16,
    "mlp_ratio": 4.0,
    "pe_interpolation": 1.0,
    "caption_channels": 4096,
    "model_max_length": 300,
}
"""The reference's settings of the released XL/2 model, under its own names.

input_size: side of the square latent that positions were trained on. The last two are sizes of
the text conditioning, which the files carry along and nothing reads.
"""


@dataclass(frozen=True)
class Entry:
    """Shape of one tensor of the file, and its name in `OfficialTransformer`: None = never read."""

    shape: tuple[int, ...]
    name: str | None = None

    @property
    def used(self) -> bool:
        """Whether inference reads it."""
        return self.name is not None


def read_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The reference's settings, whole, from some of them; other entries are passed over.

    Raises InputError when they make no transformer.
    """
    found = RELEASED | {name: value for name, value in settings.items() if name in RELEASED}
    for name, value in found.items():
        if name == "pred_sigma" and isinstance(value, bool):
            continue
        whole = isinstance(RELEASED[name], int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise InputError(f'The setting "{name}" must be a number, not {value!r}; correct it.')
        if value <= 0:
            raise InputError(f'The setting "{name}" must be above 0, not {value}; correct it.')
    if found["hidden_size"] % 4 or found["hidden_size"] % found["num_heads"]:
        raise InputError(
            'The setting "hidden_size" must be a multiple of 4 and of num_heads; correct it.'
        )
    return found


def transformer_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`OfficialTransformer`'s arguments from the reference's settings (see `read_settings`)."""
    found = read_settings(settings)
    return {
        "latent_channels": found["in_channels"],
        "token_width": found["hidden_size"],
        "heads": found["num_heads"],
        "layers": found["depth"],
        "mlp_ratio": found["mlp_ratio"],
        "time_layers": 3,
        "patch_size": found["patch_size"],
        "learned_sigma": bool(found["pred_sigma"]),
        "position_base": found["input_size"] // found["patch_size"],
        "pe_interpolation": found["pe_interpolation"],
    }


def official_manifest(settings: Mapping[str, Any]) -> dict[str, Entry]:
    """Every key of a released checkpoint (441 for the XL/2 model) for the reference's settings.

    What PixArt-Sigma was trained with but the frame model never reads (captions,
    cross-attention, ray projection) has no name of ours.
    """
    found = read_settings(settings)
    D, p, channels = found["hidden_size"], found["patch_size"], found["in_channels"]
    captions, inside = found["caption_channels"], int(D * found["mlp_ratio"])
    grid = found["input_size"] // p
    outputs = channels * (2 if found["pred_sigma"] else 1)
    entries = {"pos_embed": Entry((1, grid * grid, D))}
    entries["x_embedder.proj.weight"] = Entry((D, channels, p, p), "token_in.weight")
    entries["x_embedder.proj.bias"] = Entry((D,), "token_in.bias")
    entries |= _linear("t_embedder.mlp.0", 256, D, "time.mlp.0")
    entries |= _linear("t_embedder.mlp.2", D, D, "time.mlp.2")
    entries |= _linear("t_block.1", D, 6 * D, "time.mlp.4")
    entries["y_embedder.y_embedding"] = Entry((found["model_max_length"], captions))
    entries |= _linear("y_embedder.y_proj.fc1", captions, D)
    entries |= _linear("y_embedder.y_proj.fc2", D, D)
    for i in range(found["depth"]):
        entries |= _block(f"blocks.{i}", D, inside)
    entries["final_layer.scale_shift_table"] = Entry((2, D), "out_table")
    entries |= _linear("final_layer.linear", D, p * p * outputs, "token_out")
    entries |= _linear("plucker_proj.0", 6, D)
    entries |= _linear("plucker_proj.2", D, D)
    return entries


def _block(block: str, D: int, inside: int) -> dict[str, Entry]:
    return {
        f"{block}.scale_shift_table": Entry((6, D), f"{block}.table"),
        **_linear(f"{block}.attn.qkv", D, 3 * D, f"{block}.qkv"),
        **_linear(f"{block}.attn.proj", D, D, f"{block}.proj"),
        **_linear(f"{block}.cross_attn.q_linear", D, D),
        **_linear(f"{block}.cross_attn.kv_linear", D, 2 * D),
        **_linear(f"{block}.cross_attn.proj", D, D),
        **_linear(f"{block}.mlp.fc1", D, inside, f"{block}.mlp.0"),
        **_linear(f"{block}.mlp.fc2", inside, D, f"{block}.mlp.2"),
    }


def _linear(key: str, inputs: int, outputs: int, name: str | None = None) -> dict[str, Entry]:
    return {
        f"{key}.weight": Entry((outputs, inputs), name and f"{name}.weight"),
        f"{key}.bias": Entry((outputs,), name and f"{name}.bias"),
    }


def to_transformer(
    weights: Mapping[str, Tensor], manifest: dict[str, Entry], patch_size: int
) -> dict[str, Tensor]:
    """`OfficialTransformer`'s weights from those of a file; all that inference reads must be there.

    The rows of the last layer run over (row, column, channel) of a patch in the file and over
    (channel, row, column) here; all else only changes its name.
    """
    ours = {entry.name: weights[key] for key, entry in manifest.items() if entry.name}
    for name in ("token_out.weight", "token_out.bias"):
        patches = ours[name].unflatten(0, (patch_size, patch_size, -1))
        ours[name] = patches.movedim(2, 0).flatten(0, 2)
    return ours


def check_weights(
    weights: dict[str, Tensor], manifest: dict[str, Entry], what: str
) -> Iterator[tuple[str, Tensor]]:
    """The tensors (...,) that inference reads, each checked for NaN and infinity when yielded.

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


def _some(names: Iterable[str], quote: bool = True) -> str:
    names = list(names)
    shown = ", ".join(f'"{name}"' if quote else name for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(str(side) for side in shape) or "a single number"
