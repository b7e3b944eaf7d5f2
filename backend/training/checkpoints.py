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
SHARD_BYTES = 15 << 20
"""Of tensors in one file, unless one alone is larger: machines that are lent for minutes give back
small files only."""


def write_checkpoint(
    folder: Path,
    modules: dict[str, dict[str, torch.Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write `folder`/checkpoint: safetensors of each module and optimiser, state as JSON.

    modules: tensors (...,) by name, by the module's name.
    """
    partial, final, previous = (folder / (NAME + end) for end in (".tmp", "", ".old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, tensors in modules.items():
        _write_shards({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, partial, name)
    for name, optimizer in optimizers.items():
        _write_shards(_flatten(optimizer), partial, f"optimizer-{name}")
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


def remove_checkpoints(folder: Path) -> None:
    """Of the run in `folder`, whole and half-written ones."""
    for end in ("", ".old", ".tmp"):
        shutil.rmtree(folder / (NAME + end), ignore_errors=True)


def read_tensors(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensors (...,) of one module. Raises InputError when they are missing or damaged."""
    try:
        tensors = load_file(path / f"{name}.safetensors")
        for shard in path.glob(f"{name}.*.safetensors"):
            tensors |= load_file(shard)
        return tensors
    except (SafetensorError, OSError) as error:
        raise InputError(f"The checkpoint '{path}' has no usable {name}: {error}.") from error


def read_state(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` was given as state."""
    return json.loads((path / "state.json").read_text(encoding="utf-8"))


def restore_module(module: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load tensors (...,) strictly; InputError: the checkpoint is of another configuration."""
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


def _write_shards(tensors: dict[str, torch.Tensor], folder: Path, name: str) -> None:
    """NAME.safetensors, then NAME.1.safetensors and so on."""
    shards: list[dict[str, torch.Tensor]] = [{}]
    room = SHARD_BYTES
    for key, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > room and shards[-1]:
            shards.append({})
            room = SHARD_BYTES
        shards[-1][key] = tensor
        room -= size
    for number, shard in enumerate(shards):
        save_file(shard, folder / f"{name}{f'.{number}' if number else ''}.safetensors")


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    tensors = {}
    for i, parameter in enumerate(parameters):
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{i}.{key}"] = value.detach().cpu().contiguous()
    return tensors
