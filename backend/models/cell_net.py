# SPDX-License-Identifier: GPL-3.0-or-later
"""Small networks on the coarse cells of a picture (`backend.conditioning.unseen.surfels`).

One continues depth into what the anchors leave open: floors and walls go on, sky begins above
them. One corrects the colours guessed for what no memory frame saw.
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

from .frame_blocks import ResBlock
from .pretrained import load_pretrained

EMBEDDED_COLORS = Path(__file__).parent / "embedded_colors"
EMBEDDED_COMPLETION = Path(__file__).parent / "embedded_completion"


class CellNet(ModelMixin, ConfigMixin):
    """(B, in_channels, h, w) cells -> (B, out_channels, h, w); 0 at initialisation.

    widths, blocks: channels and residual blocks of each level, which has half the cells a side of
    the one before.

    Completes depth: a correction of the guessed log depth and a sky logit. Colours: a correction
    of the guessed colour.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: tuple[int, ...] = (48, 64, 96, 128),
        blocks: tuple[int, ...] = (1, 2, 3, 3),
    ) -> None:
        super().__init__()
        levels = list(zip(widths, blocks, strict=True))
        pairs = list(itertools.pairwise(widths))
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(_blocks(*level) for level in levels)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.up_blocks = nn.ModuleList(_blocks(*level) for level in levels)
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """(B, C, rows, columns) to as many cells of other channels; at least 2 x 2 cells."""
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


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResBlock(width) for _ in range(count)))


def load_completion(device: torch.device, folder: Path = EMBEDDED_COMPLETION) -> CellNet:
    """The network that completes depth. Raises ModelError when its files are missing or damaged."""
    return _load("depth completion", folder, device)


def load_colors(device: torch.device, folder: Path = EMBEDDED_COLORS) -> CellNet:
    """The network that colours unseen cells. Raises ModelError like `load_completion`."""
    return _load("colours of unseen surfaces", folder, device)


@cache
def _load(what: str, folder: Path, device: torch.device) -> CellNet:
    network = load_pretrained(CellNet, folder, f"The {what}", remedy="reinstall WorldFM")
    return network.eval().requires_grad_(False).to(device)
