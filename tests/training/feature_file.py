# SPDX-License-Identifier: GPL-3.0-or-later
"""A feature network that knows nothing, where the real one's weights need not be."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from backend.models.feature_net import FeatureNet


def random_features(folder: Path) -> str:
    """Path of a file of random weights, the same ones each time."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = FeatureNet()
    path = folder / "features.safetensors"
    save_file(network.state_dict(), path)
    return str(path)
