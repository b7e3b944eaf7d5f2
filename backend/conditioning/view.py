# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera on a device, with what is derived of it: each once, for all that look through it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..shared.camera import Camera
from .anchors.rays import camera_rays

CELLS = 32
"""Cells along the longer side of a picture."""
_CPU = torch.device("cpu")


@dataclass(eq=False)
class View:
    """What one camera looks at; all tensors float32 on `device`."""

    camera: Camera
    device: torch.device = _CPU

    @cached_property
    def rays(self) -> torch.Tensor:
        """(H, W, 3), see `Camera.rays`."""
        return camera_rays(self.camera, self.device)

    @cached_property
    def eye(self) -> torch.Tensor:
        """(3,) where the camera stands, metres."""
        return torch.tensor(self.camera.position, dtype=torch.float32, device=self.device)

    @cached_property
    def axes(self) -> torch.Tensor:
        """(3, 3): its columns are the camera's right, down and forward in world space."""
        return torch.tensor(self.camera.c2w[:3, :3], dtype=torch.float32, device=self.device)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the coarse cells of its picture."""
        width, height = self.camera.width, self.camera.height
        longer = max(width, height)
        return max(1, round(CELLS * height / longer)), max(1, round(CELLS * width / longer))

    @cached_property
    def centres(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices (rows, 1) and (1, columns) of the pixels in the middle of its cells."""
        y, x = self.pixels_of_cells(1)
        return y[:, None], x[None]

    def pixels_of_cells(self, each: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (rows * each,) and columns (columns * each,) of evenly spread pixels: so many
        along each side of a cell."""
        sides = self.camera.height, self.camera.width
        y, x = (
            torch.from_numpy(((np.arange(each * n) + 0.5) * side / (each * n)).astype(np.int64)).to(
                self.device
            )
            for n, side in zip(self.grid, sides, strict=True)
        )
        return y, x
