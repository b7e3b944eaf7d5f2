# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's colour and alpha as one array, for what blurs both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..shared.color import as_halves
from ..shared.frame import FrameReply


def layers_of(reply: FrameReply) -> np.ndarray:
    """(H, W, 4) float32 colour and alpha."""
    alpha = np.ones(reply.depth.shape, np.float32) if reply.alpha is None else reply.alpha
    return np.concatenate([reply.color, alpha[..., None]], axis=2).astype(np.float32)


def with_layers(reply: FrameReply, layers: np.ndarray) -> FrameReply:
    """The frame with these (H, W, 4); one that covers all has no alpha still."""
    return replace(
        reply,
        color=as_halves(layers[..., :3]),
        alpha=None if reply.alpha is None else layers[..., 3].astype(np.float16),
    )
