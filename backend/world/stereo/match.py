# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of one view from its neighbours: a sweep over planes, smoothed, then made finer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from .smooth import smooth_surface
from .sweep import Sweep
from .views import View

COARSE = 320
"""Longer side at which all planes are tried."""
PLANES = (40, 176)
"""Least and most planes of the sweep."""
WINDOWS = (7, 5)
"""Pixels of the compared windows, coarse and fine."""
STEPS = np.arange(-3, 4) * 0.6
"""Pixels of parallax that are tried around the surface at each finer size."""
LIKE = 0.55
"""1 - correlation from which on a match does not count."""


@dataclass(eq=False)
class Matched:
    """q: (H, W) float32 inverse depth. cost: (H, W) float32, 1 - correlation where it was found.

    sure: (H, W) float32 in [0, 1], how much better than any other depth it is.
    """

    q: np.ndarray
    cost: np.ndarray
    sure: np.ndarray


@torch.no_grad()
def match(
    view: View,
    sources: Sequence[View],
    near: float,
    far: float,
    device: torch.device | str = "cpu",
) -> Matched:
    """Depth between `near` and `far` metres (inf is sky or as good) at the view's own size."""
    best = max(1, (len(sources) + 1) // 2)
    coarse = view.scaled(COARSE)
    small = [source.scaled(COARSE) for source in sources]
    sweep = Sweep(coarse, small, WINDOWS[0], device)
    low, high = (0.0 if np.isinf(far) else 1 / far), 1 / near
    count = int(np.clip((high - low) * sweep.pixels_per_q(), *PLANES)) + 1
    planes = torch.linspace(low, high, count, device=sweep.device)
    costs = sweep.costs(planes[:, None, None], best).permute(1, 2, 0).contiguous().cpu().numpy()
    number, sure = smooth_surface(costs, coarse.grey)
    q = (low + number * ((high - low) / (count - 1))).astype(np.float32)
    q = cv2.medianBlur(q, 5)
    while True:
        height, width = view.grey.shape
        side = min(max(height, width), 2 * max(q.shape))
        finer = view.scaled(side)
        near_views = [source.scaled(side) for source in sources]
        q = cv2.resize(q, finer.grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
        q, cost = _refine(finer, near_views, q, low, high, best, device)
        if side == max(height, width):
            break
    size = (width, height)
    return Matched(q, cost, cv2.resize(sure, size, interpolation=cv2.INTER_LINEAR))


def _refine(
    view: View,
    sources: Sequence[View],
    q: np.ndarray,
    low: float,
    high: float,
    best: int,
    device: torch.device | str,
) -> tuple[np.ndarray, np.ndarray]:
    """The best of a few depths around a surface, whose slant the compared windows follow."""
    sweep = Sweep(view, sources, WINDOWS[1], device)
    start = torch.from_numpy(q).to(sweep.device)
    step = 1 / max(sweep.pixels_per_q(), 1e-9)
    steps = torch.tensor(STEPS * step, dtype=torch.float32, device=sweep.device)
    tried = (start[None] + steps[:, None, None]).clamp(low, high)
    costs = sweep.costs(tried, best)
    # a little of the neighbourhood's opinion, so that no pixel stands alone
    shared = costs + 0.5 * sweep.box(costs[:, None])[:, 0]
    number = shared.argmin(dim=0, keepdim=True)
    inner = number.clamp(1, len(steps) - 2)
    a, b, c = (shared.gather(0, inner + o)[0] for o in (-1, 0, 1))
    bend = (a + c - 2 * b).clamp(min=1e-6)
    fraction = torch.where(inner[0] == number[0], (0.5 * (a - c) / bend).clamp(-0.5, 0.5), 0.0)
    apart = float(STEPS[1] - STEPS[0]) * step
    found = (tried.gather(0, number)[0] + fraction * apart).clamp(low, high)
    cost = costs.gather(0, number)[0]
    return cv2.medianBlur(found.cpu().numpy(), 3), cost.cpu().numpy()
