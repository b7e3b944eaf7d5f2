# SPDX-License-Identifier: GPL-3.0-or-later
"""Plane sweep: how alike a view and its neighbours look if its surface were at some depths.

All depths are inverse z-depths q (1 / metres) of the view that is looked at, so that a step of q
is about as many pixels in the neighbours wherever the surface is.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.nn.functional import avg_pool2d, grid_sample

from .views import View

FLAT = 4e-5
"""Variance of a window below which it shows nothing to compare."""
CHUNK = 2_000_000
"""Samples that are compared at once."""


class Sweep:
    """A view and the views it is compared with, on a device."""

    def __init__(
        self, view: View, sources: Sequence[View], window: int, device: torch.device | str
    ) -> None:
        self.device = torch.device(device)
        self.window = window
        self.size = view.grey.shape
        self.grey = torch.from_numpy(view.grey).to(self.device)
        self.mean = self.box(self.grey[None, None])[0, 0]
        square = self.box(self.grey[None, None].square())[0, 0]
        self.variance = (square - self.mean.square()).clamp(min=0)
        self.sources = [torch.from_numpy(s.grey).to(self.device)[None, None] for s in sources]
        self.maps = [_map(view, source) for source in sources]
        height, width = self.size
        self.x = torch.arange(width, device=self.device, dtype=torch.float32) + 0.5
        self.y = torch.arange(height, device=self.device, dtype=torch.float32)[:, None] + 0.5

    def pixels_per_q(self) -> float:
        """Most pixels by which a match moves in a neighbour when q changes by one."""
        height, width = self.size
        corner = np.array([[0.5 * width, 0.5 * height, 1.0]]).T
        moved = []
        for turn, move in self.maps:
            far = (turn @ corner)[:, 0]
            if far[2] > 1e-6:
                moved.append(np.linalg.norm(move[:2] - far[:2] / far[2] * move[2]) / far[2])
        return float(max(moved, default=1.0))

    def costs(self, q: torch.Tensor, best: int) -> torch.Tensor:
        """(P, H, W) in [0, 2]: 1 - correlation, mean of the `best` neighbours that fit best.

        q: (P, H, W), or (P, 1, 1) for planes. 1 where no neighbour can say.
        """
        height, width = self.size
        step = max(1, CHUNK // (height * width))
        out = torch.empty(len(q), height, width, device=self.device)
        for first in range(0, len(q), step):
            part = q[first : first + step]
            kept: list[torch.Tensor] = []
            for number in range(len(self.maps)):
                cost = self._compare(number, part)
                for place, other in enumerate(kept):  # the lowest first
                    kept[place], cost = torch.minimum(other, cost), torch.maximum(other, cost)
                if len(kept) < best:
                    kept.append(cost)
            out[first : first + step] = torch.stack(kept).mean(dim=0)
        return out

    def _compare(self, number: int, q: torch.Tensor) -> torch.Tensor:
        """(P, H, W) 1 - correlation with one neighbour; 1 outside of its picture."""
        turn, move = self.maps[number]
        source = self.sources[number]
        height, width = source.shape[-2:]
        local = []
        for (a, b, c), shift in zip(turn.tolist(), move.tolist(), strict=True):
            local.append((self.x * a + self.y * b + c) + q * shift)
        depth = local[2].clamp(min=1e-9)
        u, v = local[0] / depth, local[1] / depth
        seen = (local[2] > 1e-6) & (u > 0) & (v > 0) & (u < width) & (v < height)
        grid = torch.stack([u * (2 / width) - 1, v * (2 / height) - 1], dim=-1)
        grid = grid.clamp_(-4, 4)
        count = len(grid)
        image = source.expand(count, 1, height, width)
        warped = grid_sample(image, grid, mode="bilinear", padding_mode="border",
                             align_corners=False)  # fmt: skip
        mean = self.box(warped)[:, 0]
        variance = (self.box(warped.square())[:, 0] - mean.square()).clamp(min=0)
        product = self.box(warped * self.grey)[:, 0] - mean * self.mean
        correlation = product / (variance * self.variance + FLAT * FLAT).sqrt()
        return torch.where(seen, 1 - correlation, 1.0)

    def box(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 1, H, W) mean of each pixel's window."""
        if images.device.type == "cpu":  # OpenCV's running sums cost the same for any window
            out = torch.empty_like(images)
            for image, mean in zip(images[:, 0].numpy(), out[:, 0].numpy(), strict=True):
                cv2.blur(image, (self.window, self.window), dst=mean)
            return out
        half = self.window // 2
        across = avg_pool2d(images, (1, self.window), 1, (0, half), count_include_pad=False)
        return avg_pool2d(across, (self.window, 1), 1, (half, 0), count_include_pad=False)


def _map(view: View, source: View) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,): pixel (u, v, 1) at inverse depth q lands at turn @ (u, v, 1) + q move."""
    a, b = view.camera, source.camera
    rotation = b.w2c[:3, :3] @ a.c2w[:3, :3]
    turn = b.K @ rotation @ np.linalg.inv(a.K)
    return turn, b.K @ (b.w2c[:3, :3] @ (a.position - b.position))
