# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights out of files that strangers made: nothing in them is ever executed."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..shared.errors import InputError, ModelError
from ..shared.reading import open_plain

Progress = Callable[[str, float], None]
"""(what is being done, share done from 0 to 1)"""

_CHUNK = 1 << 22


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The named tensors, of any shape (...,), of a .pth or .safetensors file.

    They lie bare in it or under `state_dict`.

    Tensors stay on disk until they are touched where the format allows it. Raises ModelError,
    one sentence, for a pickle that holds code or no weights, and for a file that is cut short.
    """
    if not path.is_file():
        raise ModelError(f'There is no file "{path}"; give the path of a checkpoint.')
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    loaded = _unpickle(path)
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise ModelError(f'"{path}" holds no weights; choose worldfm_1-step.pth or 2-step.')
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ModelError(
                f'"{path}" holds something other than named weights under "{key}"; '
                "choose worldfm_1-step.pth or worldfm_2-step.pth."
            )
    return loaded


def _unpickle(path: Path) -> object:
    with open_plain(path) as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if path.stat().st_size == 0:
        raise ModelError(f'"{path}" is empty; download it again.')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what fails is said below
            # files of the old layout cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise _no_weights(path) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        if "magic number" in str(error):  # a pickle, but not one that torch wrote
            raise _no_weights(path) from error
        raise ModelError(f'"{path}" is damaged or cut short; download it again.') from error


def _no_weights(path: Path) -> ModelError:
    return ModelError(
        f'"{path}" is not a file of plain weights (it holds code or other objects), so nothing '
        "in it was opened; get the checkpoint from its publisher."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f'"{path}" is damaged or cut short; download it again.') from error


def sha256(path: Path, progress: Progress | None = None) -> str:
    """SHA-256 of a file, 64 hex digits. Raises InputError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        total, done = max(path.stat().st_size, 1), 0
        with open_plain(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(f"checking {path.name}", done / total)
    except OSError as error:
        raise InputError(
            f'"{path}" cannot be read ({error.strerror}); check its rights.'
        ) from error
    return digest.hexdigest()
