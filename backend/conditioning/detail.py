# SPDX-License-Identifier: GPL-3.0-or-later
"""What repeats on the surfaces that memory did not see, laid over a finished frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .conditions import Conditions
from .unseen.flat_surfaces import FlatSurface, repeated_detail
from .unseen.patterns import from_log, to_log


def with_detail(
    image: torch.Tensor, known: Conditions, surfaces: Sequence[FlatSurface]
) -> torch.Tensor:
    """A frame (1, 3, H, W) in [-1, 1] of a view with what repeats on its surfaces, those that
    memory saw (`MemoryImages.flat_surfaces`)."""
    unseen = 1 - known.remembered
    repeated = repeated_detail(known.depth, known.view, surfaces, known.owner, unseen > 0)
    detail = unseen * repeated
    if not detail.any():
        return image
    value = from_log(to_log(image.float()) + detail)
    return torch.where(detail != 0, value.to(image.dtype), image)
