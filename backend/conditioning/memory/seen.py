# SPDX-License-Identifier: GPL-3.0-or-later
"""What anchors and memory tell of a picture, pixel by pixel and on its coarse cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..unseen.fill import push_pull
from ..view import View


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

    def cells(self, view: View) -> dict[str, torch.Tensor]:
        """Of each cell (..., rows, columns), by the names of `channels`: the mean colour of what is
        sure, how much is, the mean base, and how much has a known depth."""
        pictures = torch.cat([self.color * self.sure, self.sure, self.base, self.known])
        color, sure, rest = F.adaptive_avg_pool2d(pictures[None], view.grid)[0].split((3, 1, 4))
        seen = color / sure.clamp(min=1e-3)
        return {"seen": seen, "sure": sure, "base": rest[:3], "known": rest[3:]}
