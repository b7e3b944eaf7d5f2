# SPDX-License-Identifier: GPL-3.0-or-later
"""A view's conditions as the channels that the frame model was trained with."""

from __future__ import annotations

import torch

from .channels import HINTS
from .conditions import Conditions
from .memory.sampling import usable
from .noise import world_noise
from .unseen.depth_units import MAX_LOG_DEPTH

PIXEL_NOISE = len(HINTS.index(["noise"]))


def hints_of(known: Conditions, scale: float, seed: int, grain: float = 1.0) -> torch.Tensor:
    """(HINTS.count, H, W): the channels that enter the model; scale: see `world_scale`.

    grain: factor of the noise in pixels, and so of how rough what is invented comes out.
    """
    anchor_rgb = known.shown.rgb.permute(2, 0, 1).float()
    # black stands for a point without a colour of its own (see Anchors)
    colored = (anchor_rgb.amax(0, keepdim=True) > 0).float()
    log_depth = torch.log(known.depth / scale).clamp(-MAX_LOG_DEPTH, MAX_LOG_DEPTH)[None]
    return HINTS.pack(
        memory=known.color * usable(known.weight),
        memory_weight=known.weight,
        anchors=(anchor_rgb / 127.5 - 1) * colored,
        anchors_colored=colored,
        coverage=known.shown.coverage,
        log_depth=log_depth / MAX_LOG_DEPTH,
        known=known.known,
        sky=known.sky,
        base=known.base,
        base_level=known.level / 8,
        noise=grain * world_noise(known.view, known.depth, seed, PIXEL_NOISE),
        fill=known.fill,
        fill_distance=known.far,
    )
