# SPDX-License-Identifier: GPL-3.0-or-later
"""What mechanisms for the unseen are given, and what each gives back: see `composer`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch

from ..view import View

if TYPE_CHECKING:
    from ..memory.images import MemoryImages
    from ..memory.seen import Seen


@dataclass(frozen=True, eq=False)
class SoFar:
    """One view of H x W pixels as far as it is known and was guessed.

    scale: metres, see `world_scale`. seen: what anchors and memory know, colours and where depth
    is no guess. depth: (H, W) metres, +inf = sky, 0 = neither known nor guessed yet.
    """

    view: View
    images: MemoryImages
    scale: float
    seen: Seen
    depth: torch.Tensor

    @property
    def known(self) -> torch.Tensor:
        """(H, W) bool: where depth is no guess."""
        return self.seen.known[0] > 0

    def with_depth(self, depth: torch.Tensor) -> SoFar:
        """The same after another guess: (H, W) z-depth, metres."""
        return replace(self, depth=depth)


@dataclass(frozen=True, eq=False)
class DepthProposal:
    """depth: (H, W) metres, +inf = sky. confidence: (H, W) in [0, 1], 0 = nothing is proposed.

    owner: (H, W) number of the flat surface (`MemoryImages.flat_surfaces`) that a pixel lies on by
    this proposal, -1 = none; None where flat surfaces are no matter.
    """

    depth: torch.Tensor
    confidence: torch.Tensor
    owner: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class ColorProposal:
    """color: (3, H, W) in [-1, 1]. far: (1, H, W) in [0, 1], how far away what it looks like was
    seen."""

    color: torch.Tensor
    far: torch.Tensor


class ProposesDepth(Protocol):
    """A mechanism for depth; it sees what those before it guessed."""

    def __call__(self, so_far: SoFar) -> DepthProposal: ...


class ProposesColor(Protocol):
    """A mechanism for colour; depth is guessed everywhere by then."""

    def __call__(self, so_far: SoFar) -> ColorProposal: ...
