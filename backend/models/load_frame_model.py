# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded frame model from a folder, and into one."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..shared.errors import ModelError
from ..shared.reading import as_sentence
from .config_file import CONFIG, check_fits, read_config
from .frame_model import FrameModel
from .official_transformer import OfficialTransformer
from .weights_file import WEIGHTS

RETIRED = ("conditions", "patch_size", "learned_sigma", "position_base", "pe_interpolation")
"""Entries of models saved when this class was the released transformer's too; all said the same."""


def load_frame_model(folder: Path) -> FrameModel:
    """The model in float32. Raises ModelError naming what is missing, misshapen or not finite."""
    for name in (CONFIG, WEIGHTS):
        if not os.path.isfile(folder / name):  # nor is a name that is too long
            raise ModelError(f"'{folder}' holds no frame model: {name} is missing; choose another.")
    config = read_config(folder, "The frame model", "choose another")
    official = config.get("_class_name") == OfficialTransformer.__name__
    if official or config.get("conditions") == "joint":
        raise ModelError(
            f"'{folder}' holds no embedded frame model but a released one's transformer; name the "
            "folder above it."
        )
    config = {name: value for name, value in config.items() if name not in RETIRED}
    no_model = f"'{folder / CONFIG}' describes no frame model"
    with as_sentence(lambda why: ModelError(f"{no_model} ({why}); choose another."), RuntimeError):
        check_fits(lambda: FrameModel.from_config(config), folder)
        model = FrameModel.from_config(config)
    damaged = f"'{folder / WEIGHTS}' is damaged"
    with as_sentence(
        lambda why: ModelError(f"{damaged} ({why}); install the model again."), SafetensorError
    ):
        weights = load_file(folder / WEIGHTS)
    _check_weights(model, weights, folder / WEIGHTS)
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    return model


def save_frame_model(model: FrameModel, folder: Path, provenance: dict[str, str]) -> None:
    """Write config and half-precision weights, each beside its place and then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        key: value.detach().to("cpu", torch.float16).contiguous()
        for key, value in model.state_dict().items()
    }
    partial = folder / (WEIGHTS + ".tmp")
    save_file(weights, partial, metadata=provenance)
    partial.chmod(0o644)  # the library makes it readable by its owner alone
    partial.replace(folder / WEIGHTS)
    partial = folder / (CONFIG + ".tmp")
    partial.write_text(model.to_json_string(), encoding="utf-8")
    partial.replace(folder / CONFIG)


def _check_weights(model: FrameModel, weights: dict[str, torch.Tensor], path: Path) -> None:
    expected = model.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    unexpected = sorted(weights.keys() - expected.keys())
    if missing or unexpected:
        raise ModelError(
            f"'{path}' holds another model: missing {missing[:3]}, unexpected {unexpected[:3]}."
        )
    for key, value in weights.items():
        if value.shape != expected[key].shape:
            raise ModelError(
                f"'{path}' holds another size of model: {key} is {tuple(value.shape)}, "
                f"not {tuple(expected[key].shape)}."
            )
        if not torch.isfinite(value).all():
            raise ModelError(f"'{path}' is damaged: {key} has values that are not finite.")
