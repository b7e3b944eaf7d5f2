# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody saw of a view: mechanisms propose in turn, what is known stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .cell_colors import propose_alike
from .depth_completion import propose_completion
from .planes import propose_planes
from .proposals import ProposesColor, ProposesDepth, SoFar

DEPTH: tuple[ProposesDepth, ...] = (propose_completion, propose_planes)
COLOR: ProposesColor = propose_alike


@dataclass(frozen=True, eq=False)
class Completed:
    """A view in which every pixel has depth and colour. See `Conditions` for owner, fill, far."""

    depth: torch.Tensor
    owner: torch.Tensor
    fill: torch.Tensor
    far: torch.Tensor


def complete(
    so_far: SoFar, depth: Sequence[ProposesDepth] = DEPTH, color: ProposesColor = COLOR
) -> Completed:
    """Known depth stays; elsewhere each proposal counts for more than those before it, by its
    confidence. Colours are proposed for what was not surely seen."""
    owner = torch.full(so_far.depth.shape, -1, device=so_far.depth.device)
    for mechanism in depth:
        proposed = mechanism(so_far)
        taken = ~so_far.known & (proposed.confidence > 0)
        so_far = so_far.with_depth(torch.where(taken, proposed.depth, so_far.depth))
        if proposed.owner is not None:
            owner = torch.where(taken, proposed.owner, owner)
    alike = color(so_far)
    seen = so_far.seen
    fill = seen.color * seen.sure + alike.color * (1 - seen.sure)
    return Completed(so_far.depth, owner, fill, alike.far)
