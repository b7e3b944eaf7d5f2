# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a training run, read from TOML. Every key is known, or the run does not start."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..shared.errors import InputError


@dataclass(frozen=True)
class ModelConfig:
    """Constructor values of `FrameModel`."""

    latent_channels: int = 8
    widths: tuple[int, ...] = (24, 48, 96, 128)
    token_width: int = 192
    heads: int = 6
    layers: int = 6
    time_layers: int = 2


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; a loss of weight 0 is not computed.

    pixel: Charbonnier distance to the truth. diffusion: latent x0 error.
    perceptual: distance of EfficientNet-lite0's features. gan: relativistic discriminator on the
    same features, its gradient penalties weighted by `penalty`. dmd: distribution matching.
    hole_gain: how much more an uncovered pixel counts than a covered one.
    """

    pixel: float = 1.0
    diffusion: float = 0.1
    perceptual: float = 0.0
    gan: float = 0.0
    penalty: float = 0.5
    dmd: float = 0.0
    hole_gain: float = 2.0

    @property
    def needs_features(self) -> bool:
        """Whether a loss compares features."""
        return bool(self.perceptual or self.gan)


@dataclass(frozen=True)
class TrainConfig:
    """One stage's run.

    samples: folders of cached samples. start: the run whose weights to begin with, or a model's
    folder, or "embedded", the one that ships; a model alone has no latent encoder.
    features: file of the feature network; the one installed if empty (`worldfm models features`).
    pixart: a folder with the transformer of PixArt-Sigma to begin with instead (see pixart.py).
    vae: a folder with an AutoencoderKL that makes the latents; without, stage 1 trains an encoder.
    crop: side in pixels of training crops; no side of a sample may be smaller.
    drop_memory, drop_color: how often a sample loses its memory tokens or its colours.
    train_memory: whether the way from memory frames to tokens learns too; without, a step takes
    about two thirds of the time.
    mask_anchors: part of the anchors that is hidden at first, in blocks: what is hidden has to come
    from memory (masked pretraining, arXiv 2601.05116).
    drop_ramp: iterations over which drop_color falls from 1 (geometry, memory) to its value and
    mask_anchors to 0, so that the model does not learn to lean on the easiest condition first.
    precision: no, bf16 or fp16; auto takes bf16 where it is quicker.
    minutes: limit of time spent in iterations (0 = none), over all resumptions;
    checkpoint_minutes: time between checkpoints.
    """

    output: str
    samples: tuple[str, ...]
    iterations: int
    start: str = ""
    features: str = ""
    pixart: str = ""
    vae: str = ""
    batch: int = 8
    crop: int = 128
    learning_rate: float = 4e-4
    warmup: int = 200
    ema: float = 0.999
    accumulate: int = 1
    precision: str = "auto"
    drop_memory: float = 0.1
    drop_color: float = 0.05
    train_memory: bool = True
    mask_anchors: float = 0.0
    drop_ramp: int = 0
    minutes: float = 0.0
    checkpoint_minutes: float = 4.0
    picture_every: int = 500
    threads: int = 0
    workers: int = 1
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)


def read_config(path: Path) -> TrainConfig:
    """Raises InputError naming the key that is unknown, missing or of the wrong type."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"There is no training config at '{path}'.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is no valid TOML: {error}.") from error
    nested = {"model": ModelConfig, "loss": LossConfig}
    for name, cls in nested.items():
        if name in data:
            data[name] = _build(cls, data[name], f"{path.name}: [{name}]")
    return _build(TrainConfig, data, path.name)


def _build(cls: type, data: dict[str, Any], where: str) -> Any:
    if not isinstance(data, dict):
        raise InputError(f"{where} must be a table of settings.")
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(data.keys() - known.keys())
    if unknown:
        raise InputError(f"{where} has an unknown key '{unknown[0]}'; known are {sorted(known)}.")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    for key, value in values.items():
        expected = str(known[key].type).split("[")[0]
        if not _fits(value, expected):
            raise InputError(f"{where}: '{key}' must be of type {known[key].type}, not {value!r}.")
    try:
        return cls(**values)
    except TypeError as error:
        raise InputError(f"{where} lacks a setting: {error}.") from error


def _fits(value: Any, expected: str) -> bool:
    types: dict[str, type | tuple[type, ...]] = {
        "int": int,
        "bool": bool,
        "str": str,
        "float": (int, float),
        "tuple": tuple,
    }
    if expected not in types:  # a nested table, built already
        return True
    return isinstance(value, types[expected]) and isinstance(value, bool) == (expected == "bool")
