# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera's rays where they are needed."""

from __future__ import annotations

import torch

from ...shared.camera import Camera


def camera_rays(camera: Camera, device: torch.device) -> torch.Tensor:
    """`Camera.rays` on `device`, (H, W, 3) float32.

    A GPU that has float64 computes them itself rather than wait for a CPU.
    """
    if device.type != "cuda":
        return torch.from_numpy(camera.rays()).to(device)
    return computed_rays(camera, device)


def computed_rays(camera: Camera, device: torch.device) -> torch.Tensor:
    """(H, W, 3) float32, the same from its formula in float64, on any device that has it."""
    rows, columns = (
        torch.arange(side, device=device, dtype=torch.float64)
        for side in (camera.height, camera.width)
    )
    return pixel_rays(camera, rows, columns)


def pixel_rays(camera: Camera, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """(R, C, 3) float32 of the pixels in `rows` (R,) and `columns` (C,), in their precision."""
    u = (columns + (0.5 - camera.K[0, 2])) / camera.K[0, 0]
    v = (rows + (0.5 - camera.K[1, 2])) / camera.K[1, 1]
    axes = [(u * a)[None] + (v * b + c)[:, None] for a, b, c in camera.c2w[:3, :3].tolist()]
    return torch.stack(axes, dim=-1).float()
