# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: safetensors and JSON in one folder, replaced as a whole, never half-written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ..shared.errors import InputError

NAME = "checkpoint"


def write_checkpoint(
    folder: Path,
    modules: dict[str, dict[str, torch.Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write `folder`/checkpoint: one safetensors file a module and an optimiser, state as JSON."""
    partial, final, previous = (folder / (NAME + end) for end in (".tmp", "", ".old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, tensors in modules.items():
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
            partial / f"{name}.safetensors",
        )
    for name, optimizer in optimizers.items():
        save_file(_flatten(optimizer), partial / f"optimizer-{name}.safetensors")
    (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
    shutil.rmtree(previous, ignore_errors=True)
    if final.exists():
        final.rename(previous)
    partial.rename(final)
    shutil.rmtree(previous, ignore_errors=True)


def find_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in `folder`; the previous one if a kill came between renames."""
    for end in ("", ".old"):
        path = folder / (NAME + end)
        if (path / "state.json").is_file():
            return path
    return None


def read_tensors(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensors of one module. Raises InputError when they are missing or damaged."""
    try:
        return load_file(path / f"{name}.safetensors")
    except (SafetensorError, OSError) as error:
        raise InputError(f"The checkpoint '{path}' has no usable {name}: {error}.") from error


def read_state(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` was given as state."""
    return json.loads((path / "state.json").read_text(encoding="utf-8"))


def restore_module(module: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load strictly; an InputError says which checkpoint belongs to another configuration."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"The checkpoint '{path}' belongs to another model configuration; "
            "start from a matching one or into a new output folder."
        ) from error


def restore_optimizer(optimizer: torch.optim.Optimizer, path: Path, name: str) -> None:
    """Put the moments back that `write_checkpoint` stored."""
    tensors = read_tensors(path, f"optimizer-{name}")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for i, parameter in enumerate(parameters):
        found = {
            k: tensors[f"{i}.{k}"]
            for k in ("step", "exp_avg", "exp_avg_sq")
            if f"{i}.{k}" in tensors
        }
        if found:
            optimizer.state[parameter] = {
                k: v if k == "step" else v.to(parameter.device) for k, v in found.items()
            }


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    tensors = {}
    for i, parameter in enumerate(parameters):
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{i}.{key}"] = value.detach().cpu().contiguous()
    return tensors
