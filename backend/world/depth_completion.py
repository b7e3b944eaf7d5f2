# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth for pixels without anchors: a smooth guess, corrected by a small network."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..models.cell_net import CellNet, load_completion
from ..shared.camera import Camera
from .depth_units import MAX_LOG_DEPTH
from .fill import push_pull
from .surface_fill import cell_centres, cell_grid

WORTH_IT = 0.01
"""Part of the picture that has to be unknown for the network to be asked."""


@torch.no_grad()
def complete_depth(
    depth: torch.Tensor, camera: Camera, scale: float, network: CellNet | None = None
) -> torch.Tensor:
    """depth (H, W): metres, +inf = sky, 0 = unknown -> the same with every pixel known.

    scale: see `world_scale`. network: the shipped one if none is given.
    """
    known = depth > 0
    if known.all():
        return depth
    guess = smooth_guess(depth, scale)
    if (~known).float().mean() < WORTH_IT or not (known & torch.isfinite(depth)).any():
        return torch.where(known, depth, guess)
    network = network or load_completion(depth.device)
    drawn = network(completion_cells(depth, guess, camera, scale)[None])
    correction, sky = F.interpolate(drawn, depth.shape, mode="bilinear")[0]
    completed = torch.where(sky > 0, torch.inf, guess * torch.exp(correction))
    return torch.where(known, depth, completed)


def smooth_guess(depth: torch.Tensor, scale: float) -> torch.Tensor:
    """(H, W) metres: the surroundings' depth, the far side preferred.

    What a hole uncovers is more often the background than the object in front of it.
    """
    usable = (depth > 0) & torch.isfinite(depth)
    if not usable.any():
        return torch.full_like(depth, scale)
    log_depth = torch.log(torch.where(usable, depth, torch.full_like(depth, scale)))
    far = torch.exp((log_depth - log_depth[usable].max()).clamp(min=-3))
    # weights below 1 leave room for the pull; the far side gets up to 20 times the near side's
    guess, _ = push_pull(log_depth[None], (usable * far)[None])
    return torch.exp(guess[0])


def completion_cells(
    depth: torch.Tensor, guess: torch.Tensor, camera: Camera, scale: float
) -> torch.Tensor:
    """(8, rows, columns): what the network is told of each cell of the picture."""
    rows, columns = cell_grid(camera.width, camera.height)
    at = cell_centres(camera, depth.device)
    z, smooth = depth[at], guess[at]
    rays = torch.from_numpy(camera.resized(columns, rows).rays()).to(depth.device, torch.float32)
    facing = torch.tensor(camera.c2w[:3, :3], dtype=torch.float32, device=depth.device)
    image = rays @ facing
    solid = ((z > 0) & torch.isfinite(z)).float()
    log_depth = (torch.log(smooth / scale) / MAX_LOG_DEPTH).clamp(-1, 1)
    inverse = solid * (scale / smooth).clamp(max=4)
    rise = rays[..., 2]
    height = solid * (rise * smooth / scale).clamp(-3, 3)
    parts = (solid, torch.isinf(z).float(), log_depth, inverse, image[..., 0], image[..., 1])
    return torch.stack([*parts, rise, height])
