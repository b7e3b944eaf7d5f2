# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's config.json, checked before anything is built or set aside for it.

A configuration of a few bytes can ask for terabytes or name a hub: numbers are bounded, and the
network must not have more values than its weights' file has bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..shared.errors import ModelError
from ..shared.reading import as_sentence, json_object

CONFIG = "config.json"
MOST_BYTES = 1 << 20
MOST_WIDTH = 1 << 16
MOST_LAYERS = 256
MOST_ENTRIES = 1 << 14
_COUNTED = ("layers", "blocks", "depth", "heads", "groups")


def read_config(folder: Path, what: str, remedy: str) -> dict[str, Any]:
    """The object in `folder`/config.json, its numbers within what a network can have.

    Raises ModelError, one sentence that calls the model `what` and ends with `remedy`.
    """

    def say(why: str) -> ModelError:
        return ModelError(f'{what} in "{folder}" has no usable config.json ({why}); {remedy}.')

    path = folder / CONFIG
    with as_sentence(say):
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        config = json_object(path, say)
        check_sizes(config)
    return config


def check_sizes(config: dict[str, Any]) -> None:
    """Raises ValueError naming the first number that no network has."""
    entries = 0
    todo: list[tuple[str, Any]] = list(config.items())
    while todo:
        name, value = todo.pop()
        entries += 1
        if entries > MOST_ENTRIES:
            raise ValueError("it has too many entries")
        if isinstance(value, dict):
            todo += value.items()
        elif isinstance(value, list):
            todo += [(name, item) for item in value]
            if _is_count(name) and sum(v for v in value if type(v) is int) > MOST_LAYERS:
                raise ValueError(f"its {name} are too many")
        elif type(value) in (int, float):
            most = MOST_LAYERS if _is_count(name) else MOST_WIDTH
            divides = type(value) is int and ("heads" in name or "groups" in name)
            if not (math.isfinite(value) and abs(value) <= most) or (divides and value < 1):
                raise ValueError(f"its {name} is {value:g}")


def _is_count(name: str) -> bool:
    return any(word in name for word in _COUNTED)


def check_fits(build: Callable[[], nn.Module], folder: Path) -> None:
    """Raises ValueError when the network that `build` makes is larger than the weights in `folder`.

    It is built without memory for its values first.
    """
    with torch.device("meta"):
        network = build()
    count = sum(value.numel() for value in network.state_dict().values())
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if count > size:
        raise ValueError(f"its config.json describes {count} values, its weights have {size} bytes")
