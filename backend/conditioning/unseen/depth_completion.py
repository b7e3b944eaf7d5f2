# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth for pixels without anchors: a smooth guess, corrected by a small network.

The network sees depth and which way surfaces face, and the colours of what is seen: where a roof
ends and sky begins shows in the picture too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ...models.cell_net import CellNet, load_completion
from ..channels import COMPLETION_CELLS
from ..memory.seen import Seen
from ..view import View
from .depth_units import MAX_LOG_DEPTH
from .fill import push_pull
from .proposals import DepthProposal, SoFar
from .surfels import cell_normals, cell_samples

WORTH_IT = 0.01
"""Part of the picture that has to be unknown for the network to be asked."""


def propose_completion(so_far: SoFar) -> DepthProposal:
    """Depth for every pixel that has none."""
    completed = complete_depth(so_far.depth, so_far.view, so_far.scale, so_far.seen)
    return DepthProposal(completed, (so_far.depth <= 0).float())


@torch.no_grad()
def complete_depth(
    depth: torch.Tensor,
    view: View,
    scale: float,
    seen: Seen,
    network: CellNet | None = None,
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
    drawn = network(completion_cells(depth, guess, view, scale, seen)[None])
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
    depth: torch.Tensor, guess: torch.Tensor, view: View, scale: float, seen: Seen
) -> torch.Tensor:
    """(COMPLETION_CELLS.count, rows, columns): what the network is told of each cell."""
    rows, columns = view.grid
    z, smooth = depth[view.centres], guess[view.centres]
    rays = torch.from_numpy(view.camera.resized(columns, rows).rays()).to(view.device)
    image = rays @ view.axes
    solid = ((z > 0) & torch.isfinite(z)).float()
    rise = rays[..., 2]
    right, up, forward = _facing(depth, view)
    colors = seen.cells(view)
    return COMPLETION_CELLS.pack(
        solid=solid,
        sky=torch.isinf(z).float(),
        log_depth=(torch.log(smooth / scale) / MAX_LOG_DEPTH).clamp(-1, 1),
        inverse=solid * (scale / smooth).clamp(max=4),
        image_x=image[..., 0],
        image_y=image[..., 1],
        rise=rise,
        height=solid * (rise * smooth / scale).clamp(-3, 3),
        normal_right=right,
        normal_up=up,
        normal_forward=forward,
        seen=colors["seen"],
        sure=colors["sure"],
        base=colors["base"],
    )


def _facing(depth: torch.Tensor, view: View) -> torch.Tensor:
    """(3, rows, columns): normals along the camera's right, the world's up and the camera's view;
    0 where they are unknown."""
    z, rays = cell_samples(depth, view)
    solid = (z > 0) & torch.isfinite(z)
    normal = cell_normals(rays * torch.where(solid, z, 0.0)[..., None], rays[1::3, 1::3])
    known = solid[1::3, 0::3] & solid[1::3, 2::3] & solid[0::3, 1::3] & solid[2::3, 1::3]
    axes = view.axes
    facing = (normal @ axes[:, 0], normal[..., 2], normal @ axes[:, 2])
    return torch.stack(facing) * known
