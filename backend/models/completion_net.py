# SPDX-License-Identifier: GPL-3.0-or-later
"""A small network that continues depth into what the anchors leave open.

It works on the coarse cells of `backend.world.surface_fill`: floors and walls go on, sky begins
above them. From inverse depth a plane is as easy to continue as a line, and the rays' elevation
tells where floors and sky are.
"""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from ..shared.errors import ModelError
from .frame_blocks import ResBlock

INPUT_CHANNELS = 8
EMBEDDED_COMPLETION = Path(__file__).parent / "embedded_completion"


class CompletionNet(ModelMixin, ConfigMixin):
    """(B, 8, h, w) cells -> (B, 2, h, w): a correction of the guessed log depth, a sky logit."""

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (48, 64, 96, 128)) -> None:
        super().__init__()
        widths = tuple(widths)
        pairs = list(itertools.pairwise(widths))
        self.conv_in = nn.Conv2d(INPUT_CHANNELS, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(ResBlock(w) for w in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.up_blocks = nn.ModuleList(ResBlock(w) for w in widths)
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.conv_out = nn.Conv2d(widths[0], 2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """Any grid of at least 2 x 2 cells."""
        x = self.down_blocks[0](self.conv_in(cells))
        kept = [x]
        for down, block in zip(self.downs, self.down_blocks[1:], strict=True):
            x = block(down(x))
            kept.append(x)
        x = self.up_blocks[-1](x)
        for i in reversed(range(len(self.ups))):
            x = F.interpolate(self.ups[i](x), kept[i].shape[-2:], mode="bilinear")
            x = self.up_blocks[i](x + kept[i])
        return self.conv_out(x)


@cache
def load_completion(device: torch.device, folder: Path = EMBEDDED_COMPLETION) -> CompletionNet:
    """The shipped network. Raises ModelError when its files are missing or damaged."""
    try:
        network = CompletionNet.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The depth completion in '{folder}' is missing or damaged; reinstall WorldFM."
        ) from error
    return network.eval().requires_grad_(False).to(device)
