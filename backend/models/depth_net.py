# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded depth network: one picture and its camera's orientation to distance, ground and sky.

Lengths are in camera heights above the ground, so the ground's distance is known exactly from the
ray alone and is given to the network as an input; nothing in it depends on the scene's scale.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..shared.errors import ModelError
from ..shared.reading import as_sentence
from .config_file import check_fits, read_config
from .feature_net import LEVEL_CHANNELS, FeatureNet

LOG_FAR = 6.0
"""Natural logarithm of the farthest distance, in camera heights (about 400)."""
LOG_NEAR = -2.5
LOG_BACKDROP = 1.4
"""Logarithm of the level distance, in camera heights, to what is assumed at the start."""
STRIDE = 16
"""Pictures' sides are multiples of it."""
_MEETING = 4.0
"""How sharply the ground and what stands on it meet, per unit of log distance."""


@dataclass(frozen=True)
class DepthNetConfig:
    """Widths of the encoder at 1/2, 1/4, 1/8 and 1/16 of the picture's size, and blocks in each.

    features: whether a frozen `FeatureNet`, which knows photographs, tells each level what it sees.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: tuple[int, ...] = (0, 2, 2, 3)
    groups: int = 8
    features: bool = False
    version: int = 3


def ray_features(directions: Tensor) -> Tensor:
    """(B, 4, H, W): unit rays in the level frame, and the logarithm of the ground's distance.

    directions: (B, 3, H, W) unit; x to the right, y level and forward, z up.
    """
    down = (-directions[:, 2:3]).clamp_min(0)
    ground = -torch.log(down.clamp_min(torch.exp(torch.tensor(-LOG_FAR)).item())) / LOG_FAR
    return torch.cat([directions, ground], dim=1)


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity, which it starts as."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class DepthNet(nn.Module):
    """(B, 3, H, W) picture in [-1, 1] and (B, 3, H, W) rays to (B, 3, H, W).

    Channels out: logarithm of the distance along the ray in camera heights, then the logits of
    ground and of sky. H and W are multiples of `STRIDE`.

    The distance is a mixture of two: the ground's, which the ray alone gives, and that of what
    stands on it, as a correction of an upright backdrop. A pixel is the more ground the nearer the
    ground is of the two, and the more the network says so.
    """

    def __init__(self, config: DepthNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or DepthNetConfig()
        w, g = self.config.widths, self.config.groups
        self.stem = nn.Conv2d(7, w[0], 5, stride=2, padding=2)
        self.down = nn.ModuleList(
            nn.Conv2d(w[i], w[i + 1], 3, stride=2, padding=1) for i in range(len(w) - 1)
        )
        self.encoder = nn.ModuleList(
            nn.Sequential(*(Block(w[i], g) for _ in range(self.config.blocks[i])))
            for i in range(len(w))
        )
        self.up = nn.ModuleList(nn.Conv2d(w[i + 1], w[i], 1) for i in range(len(w) - 1))
        self.decoder = nn.ModuleList(Block(w[i], g) for i in range(len(w) - 1))
        self.rays = nn.ModuleList(nn.Conv2d(4, w[i], 1) for i in range(1, len(w)))
        self.head = nn.Conv2d(w[0], 3 * 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        if self.config.features:
            self.seen = FeatureNet()
            self.told = nn.ModuleList(
                nn.Conv2d(c, w[i], 1, bias=False) for i, c in enumerate(LEVEL_CHANNELS)
            )
            for layer in self.told:
                nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, image: Tensor, directions: Tensor) -> Tensor:
        """Picture and unit rays (B, 3, H, W) to the three channels (B, 3, H, W) of the class."""
        rays = ray_features(directions)
        told = self._features(image)
        x = self.encoder[0](self.stem(torch.cat([image, rays], dim=1)) + told[0])
        skips = [x]
        steps = zip(self.down, self.encoder[1:], self.rays, told[1:], strict=True)
        for down, encode, place, seen in steps:
            x = down(F.silu(x))
            x = encode(x + place(F.adaptive_avg_pool2d(rays, x.shape[-2:])) + seen)
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.up[i](x), size=skips[i].shape[-2:], mode="nearest") + skips[i]
            x = self.decoder[i](x)
        with torch.autocast(image.device.type, enabled=False):  # distances need all their digits
            out = F.pixel_shuffle(self.head(F.silu(x.float())), 2)
            level = directions[:, :2].norm(dim=1, keepdim=True).clamp_min(0.2)
            standing = (LOG_BACKDROP - level.log() + out[:, :1]).clamp(LOG_NEAR, LOG_FAR)
            plane = rays[:, 3:] * LOG_FAR
            ground = out[:, 1:2] + _MEETING * (standing - plane)
            log_distance = standing + torch.sigmoid(ground) * (plane - standing)
        return torch.cat([log_distance, ground, out[:, 2:]], dim=1)

    def _features(self, image: Tensor) -> list[Tensor | float]:
        """What each level is told, (B, width, h, w); nothing without features."""
        if not self.config.features:
            return [0.0] * len(self.config.widths)
        with torch.no_grad():
            levels = self.seen(image)
        return [layer(level) for layer, level in zip(self.told, levels, strict=True)]


def save_depth_net(net: DepthNet, folder: Path, notes: dict[str, object]) -> None:
    """Weights as float16 safetensors and the config with `notes` beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    temporary = folder / "weights.safetensors.tmp"
    save_file(half, temporary)
    temporary.replace(folder / "weights.safetensors")
    text = json.dumps({"config": asdict(net.config), **notes}, indent=2)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def load_depth_net(folder: Path) -> DepthNet:
    """The network in float32, ready to run. Raises ModelError when it is absent or damaged."""
    what = f"The embedded depth network in {folder.name}"
    with as_sentence(
        lambda why: ModelError(f"{what} cannot be read ({why}); install WorldFM again."),
        RuntimeError,
        SafetensorError,
    ):
        fields = read_config(folder, "The depth network", "install WorldFM again")["config"]
        fields["widths"], fields["blocks"] = tuple(fields["widths"]), tuple(fields["blocks"])
        config, file = DepthNetConfig(**fields), folder / "weights.safetensors"
        check_fits(lambda: DepthNet(config), folder)
        net, weights = DepthNet(config), load_file(file)
        net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net.eval()
