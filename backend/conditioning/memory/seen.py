# SPDX-License-Identifier: GPL-3.0-or-later
"""What anchors and memory tell of a picture, pixel by pixel and on its coarse cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...shared.camera import Camera
from ..unseen.fill import push_pull
from ..unseen.surface_fill import cell_grid

SEEN_CHANNELS = 7


@dataclass(eq=False)
class Seen:
    """What is known of a picture: color (3, H, W) in [-1, 1], sure (1, H, W) in [0, 1] how surely,
    base (3, H, W) its smooth continuation, known (1, H, W) 1 where depth is no guess."""

    color: torch.Tensor
    sure: torch.Tensor
    base: torch.Tensor
    known: torch.Tensor

    @classmethod
    def where_known(cls, rgb: np.ndarray, depth: torch.Tensor) -> Seen:
        """The colours (H, W, 3) uint8 of what has a depth (H, W), 0 = unknown."""
        color = torch.from_numpy(rgb).to(depth.device).permute(2, 0, 1).float() / 127.5 - 1
        known = (depth > 0).float()[None]
        return cls(color, known, push_pull(color, known)[0], known)

    def cells(self, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
        """(SEEN_CHANNELS, rows, columns): mean colour of what is sure, how much is, mean base;
        and (1, rows, columns): how much is known."""
        pictures = torch.cat([self.color * self.sure, self.sure, self.base, self.known])
        grid = cell_grid(camera.width, camera.height)
        color, sure, rest = F.adaptive_avg_pool2d(pictures[None], grid)[0].split((3, 1, 4))
        return torch.cat([color / sure.clamp(min=1e-3), sure, rest[:3]]), rest[3:]
