# SPDX-License-Identifier: GPL-3.0-or-later
"""EfficientNet-lite0's features: what tells pictures apart as people do, for metrics and losses.

Network: Tan and Le, arXiv 1905.11946, in its "lite" form (no squeeze and excitation, ReLU6).
Distance: that of unit vectors, level by level, as in LPIPS (arXiv 1801.03924, without its learnt
weights).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
"""(blocks, kernel, stride, expansion, channels) of each; the last two of the published network,
which see a picture as a whole, are left out."""
LEVELS = (0, 1, 2, 4)
"""Stages whose output is a level: at a half, a quarter, an eighth and a sixteenth of the size."""
LEVEL_CHANNELS = tuple(STAGES[i][4] for i in LEVELS)
SMALLEST = 32
"""Pixels a side that the deepest level needs."""
_STEM = 32
_EPSILON = 1e-3
_MEAN, _RANGE = 127 / 255, 128 / 255


class _Conv(nn.Module):
    """A convolution padded as TensorFlow pads, and its normalisation."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        rows, columns = (_same(size, kernel, stride) for size in x.shape[2:])
        return self.norm(self.conv(F.pad(x, (*columns, *rows))))


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels added before and after, so that ceil(size / stride) come out."""
    more = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return more // 2, more - more // 2


class _Block(nn.Module):
    """Expansion, depthwise convolution, projection; beside an identity where sizes allow."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = _Conv(inside, wide, 1, 1) if expansion > 1 else None
        self.depthwise = _Conv(wide, wide, kernel, stride, groups=wide)
        self.project = _Conv(wide, out, 1, 1)
        self.residual = stride == 1 and inside == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        out = self.project(F.relu6(self.depthwise(wide)))
        return out + x if self.residual else out


class FeatureNet(nn.Module):
    """(B, 3, H, W) in [-1, 1] to one map a level. Frozen, and always as in inference."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, _STEM, 3, 2)
        inside, stages = _STEM, []
        for blocks, kernel, stride, expansion, out in STAGES:
            made = []
            for i in range(blocks):
                made.append(_Block(inside, out, kernel, stride if i == 0 else 1, expansion))
                inside = out
            stages.append(nn.Sequential(*made))
        self.stages = nn.ModuleList(stages)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> FeatureNet:
        """Its statistics are those of its own training, whatever trains around it."""
        return super().train(False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) in [-1, 1] to maps (B, C, h, w), each level smaller than the one before."""
        x = F.relu6(self.stem(((image + 1) / 2 - _MEAN) / _RANGE))
        levels = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in LEVELS:
                levels.append(x)
        return levels

    def of_picture(self, rgb: np.ndarray) -> list[torch.Tensor]:
        """What it sees in (H, W, 3) uint8 sRGB."""
        image = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        device = next(self.parameters()).device
        return self(image.to(device, memory_format=torch.channels_last))


def feature_distance(
    ours: Sequence[torch.Tensor],
    theirs: Sequence[torch.Tensor],
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over levels of the mean square distance of unit feature vectors, in [0, 4].

    weight: (B, 1, H, W) >= 0, how much each pixel of the pictures counts.
    """
    total = torch.zeros((), device=ours[0].device)
    for a, b in zip(ours, theirs, strict=True):
        square = (F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)).square()
        distance = square.sum(1, keepdim=True)
        if weight is None:
            total = total + distance.mean()
            continue
        total = total + pooled_mean(distance, weight)
    return total / len(ours)


def pooled_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of values (B, 1, h, w), each counted by `weight` (B, 1, H, W) where it lies."""
    height, width = values.shape[-2:]
    counts = F.adaptive_avg_pool2d(weight.float(), (height, width))
    return (values * counts).sum() / counts.sum().clamp(min=1e-6)
