# SPDX-License-Identifier: GPL-3.0-or-later
"""The official model's switches, in code and as one line of text."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..pipelines.schedulers import MID_TIMESTEP
from ..shared.errors import InputError
from .attention import AttentionName

OPTIONS_VARIABLE = "WORLDFM_OFFICIAL"
"""Environment variable with switches: "fp8, tiling, attention=xformers, mid-timestep=200"."""


@dataclass(frozen=True)
class OfficialSettings:
    """What decides the picture beside the request.

    mid_timestep: where the second of two steps begins. sample_latents: draw the conditions'
    latents at random, as the reference implementation does, instead of taking the mode.
    tiny_vae: folder of an `AutoencoderTiny` to use instead (previews).
    """

    mid_timestep: int = MID_TIMESTEP
    sample_latents: bool = False
    tiny_vae: Path | None = None


@dataclass(frozen=True)
class RunOptions:
    """How the official model is run. None = decided by the device.

    compile: torch.compile of the blocks and the autoencoder for the sizes that were warmed up;
    others run as they are (default: on CUDA with Triton).
    cuda_graphs: one recorded graph per stage and size (default: on CUDA without offload).
    fp8: keep the blocks' matrices in 8 bits (0.42 GB instead of 0.85; values change by up to 6 %).
    slicing, tiling: the autoencoder image by image, or tile by tile. offload: keep the
    transformer in main memory and bring it over block by block.
    """

    attention: AttentionName = "auto"
    compile: bool | None = None
    cuda_graphs: bool | None = None
    fp8: bool = False
    slicing: bool = False
    tiling: bool = False
    offload: bool = False

    def decided(self, device: torch.device) -> RunOptions:
        """The same without None. Raises InputError for what this device cannot do."""
        cuda = device.type == "cuda"
        if self.cuda_graphs and (not cuda or self.offload):
            raise InputError("CUDA graphs need a CUDA device and no offload; leave them out.")
        graphs = cuda and not self.offload if self.cuda_graphs is None else self.cuda_graphs
        triton = importlib.util.find_spec("triton") is not None
        compiled = cuda and triton and not self.offload if self.compile is None else self.compile
        return RunOptions(
            self.attention, compiled, graphs, self.fp8, self.slicing, self.tiling, self.offload
        )


def read_options(text: str) -> tuple[OfficialSettings, RunOptions]:
    """Switches separated by commas; see `SWITCHES`. Raises InputError naming one that is none."""
    settings, options = OfficialSettings(), RunOptions()
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = word.partition("=")
        try:
            changes = SWITCHES[name.strip()](value.strip())
        except (KeyError, ValueError) as error:
            raise InputError(
                f'{OPTIONS_VARIABLE} does not know "{word}"; it takes {", ".join(SWITCHES)}.'
            ) from error
        if changes.keys() & OfficialSettings.__dataclass_fields__.keys():
            settings = replace(settings, **changes)
        else:
            options = replace(options, **changes)
    return settings, options


def _flag(field: str) -> Callable[[str], dict[str, Any]]:
    values = {"": True, "on": True, "off": False}
    return lambda text: {field: values[text]}


SWITCHES: dict[str, Callable[[str], dict[str, Any]]] = {
    "fp8": _flag("fp8"),
    "offload": _flag("offload"),
    "slicing": _flag("slicing"),
    "tiling": _flag("tiling"),
    "compile": _flag("compile"),
    "cuda-graphs": _flag("cuda_graphs"),
    "attention": lambda text: {"attention": text},
    "sample-latents": _flag("sample_latents"),
    "mid-timestep": lambda text: {"mid_timestep": int(text)},
    "tiny-vae": lambda text: {"tiny_vae": Path(text)},
}
"""Word -> what it changes; flags take "=off" too."""
