# SPDX-License-Identifier: GPL-3.0-or-later
"""Hints with a part of their anchors hidden: what was hidden has to come from memory's tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..conditioning.channels import HINTS
from ..conditioning.memory.sampling import usable
from ..conditioning.unseen.fill import push_pull
from ..models.frame_model import TOKEN_STRIDE

BLOCK = TOKEN_STRIDE
"""Pixels along the side of what is hidden at once: a token."""
GONE = ("memory", "memory_weight", "anchors", "anchors_colored", "coverage", "known", "sky")
"""Channels that are 0 where nothing is known."""


def hide_anchors(hints: torch.Tensor, share: float) -> torch.Tensor:
    """(B, C, H, W), a copy with `share` of its blocks hidden, which ones drawn at random.

    Hidden blocks look as holes do: no colour, no coverage; both guesses of their colour are the
    smooth continuation of what is left. Depth stays, as completed depth would.
    """
    result = hints.clone()
    rows, columns = (-(-side // BLOCK) for side in hints.shape[-2:])
    drawn = torch.rand(len(hints), 1, rows, columns, device=hints.device) < share
    hidden = F.interpolate(drawn.float(), scale_factor=BLOCK, mode="nearest")
    hidden = hidden[..., : hints.shape[-2], : hints.shape[-1]]
    for name in GONE:
        HINTS.of(result, name).mul_(1 - hidden)
    for i in range(len(hints)):
        sure = usable(HINTS.of(hints[i], "memory_weight")) * (1 - hidden[i])
        base, level = push_pull(HINTS.of(hints[i], "base"), sure)
        for name, value in (("base", base), ("fill", base), ("base_level", level / 8)):
            channel = HINTS.of(result[i], name)
            channel.copy_(torch.where(hidden[i] > 0, value, channel))
        far = HINTS.of(result[i], "fill_distance")
        far.copy_(torch.where(hidden[i] > 0, torch.ones_like(far), far))
    return result
