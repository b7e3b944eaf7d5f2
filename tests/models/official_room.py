# SPDX-License-Identifier: GPL-3.0-or-later
"""A small network of the released layout, for the tests of the official model."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

VECTORS = Path(__file__).parents[1] / "data" / "conformance"
CONFIG = VECTORS / "dit_a" / "config.json"


def reference_weights() -> dict[str, torch.Tensor]:
    """All tensors of the small reference network, those that inference never reads among them."""
    return load_file(VECTORS / "dit_a" / "weights.safetensors")


def write_vae(folder: Path) -> Path:
    """A small autoencoder under the file names of a published one."""
    folder.mkdir(parents=True)
    shutil.copyfile(VECTORS / "e2e" / "vae_config.json", folder / "config.json")
    shutil.copyfile(
        VECTORS / "e2e" / "vae_weights.safetensors",
        folder / "diffusion_pytorch_model.safetensors",
    )
    return folder
