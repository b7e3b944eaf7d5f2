# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's picture as the answer to a request, with all that tells how it was made."""

from __future__ import annotations

from typing import Protocol

import torch

from ..shared.color import halves_of_bytes
from ..shared.frame import FrameReply, FrameRequest


class Named(Protocol):
    """Whose picture it is."""

    name: str
    hash: str


def picture_reply(
    model: Named,
    revision: int,
    request: FrameRequest,
    timings: dict[str, float],
    *,
    rgb: torch.Tensor,
    depth: torch.Tensor,
    coverage: torch.Tensor,
    anchor_rgb: torch.Tensor,
) -> FrameReply:
    """Of pictures that may be larger than the request's on the right and below.

    rgb, anchor_rgb: (H, W, 3) uint8. depth, coverage: (H, W) float32. See `FrameReply`.
    """
    crop = slice(0, request.camera.height), slice(0, request.camera.width)
    return FrameReply(
        color=halves_of_bytes(rgb[crop].cpu().numpy()),
        depth=depth[crop].cpu().numpy(),
        coverage=coverage[crop].cpu().numpy(),
        anchor_rgb=anchor_rgb[crop].cpu().numpy(),
        request=request,
        world_revision=revision,
        model_name=model.name,
        model_hash=model.hash,
        timings=timings,
    )
