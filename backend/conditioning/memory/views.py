# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the memory frames that tell most about a target view."""

from __future__ import annotations

import numpy as np
import torch

from ...shared.camera import Camera
from .images import MemoryImages
from .prepared import GRID

COLUMNS = 48
"""Width of the coarse picture on which visibility is counted."""

SLACK = 0.04
"""Relative depth by which a point may leave the range of its coarse cell."""

UNKNOWN_SKY = 0.5
"""Worth of a pixel without known depth where a memory frame saw sky in its direction."""

LEAST_GAIN = 0.002
"""A frame that adds less than this part of the picture isn't worth taking."""


@torch.no_grad()
def select_views(
    images: MemoryImages, camera: Camera, depth: torch.Tensor, count: int
) -> list[int]:
    """Up to `count` indices of memory frames, the most telling first.

    Greedy: each frame is the one that adds most to what the target sees of `depth` (H, W),
    counted by depth-tested visibility, by angle and by resolution. Where nothing is visible in
    any frame (or no depth is known) the nearest cameras that look the same way come first.
    """
    usable = [i for i, frame in enumerate(images.frames) if frame.enabled]
    if not usable or count < 1:
        return []
    chosen = _cover(images, camera, depth, usable, min(count, len(usable)))
    return chosen or _nearest(images, camera, usable)[:count]


def _cover(
    images: MemoryImages, camera: Camera, depth: torch.Tensor, usable: list[int], count: int
) -> list[int]:
    scores = _scores(images, camera, depth, usable)
    if scores.shape[1] == 0:
        return []
    covered = torch.zeros(scores.shape[1], device=scores.device)
    chosen: list[int] = []
    for _ in range(count):
        gains = (scores - covered).clamp(min=0).sum(dim=1)
        best = int(gains.argmax())
        if float(gains[best]) < LEAST_GAIN * len(covered):
            break
        covered = torch.maximum(covered, scores[best])
        chosen.append(usable[best])
    return chosen


def _scores(
    images: MemoryImages, camera: Camera, depth: torch.Tensor, usable: list[int]
) -> torch.Tensor:
    """(F, P) how well each frame sees each of the target's coarse pixels, 0 = not at all."""
    device = images.device
    z, rays = _coarse(camera, depth.to(device))
    if not bool((z > 0).any()):
        return torch.zeros(len(usable), 0, device=device)
    solid = torch.isfinite(z) & (z > 0)
    offsets = rays * torch.where(solid, z, 1.0)[:, None]

    cameras = [images.frames[i].camera for i in usable]
    scale = [np.diag([GRID / c.width, GRID / c.height, 1.0]) @ c.K for c in cameras]
    turn = np.stack([s @ c.w2c[:3, :3] for s, c in zip(scale, cameras, strict=True)])
    baseline = np.stack([camera.position - c.position for c in cameras])
    shift = np.einsum("fij,fj->fi", turn, baseline)
    uvz = torch.einsum("fij,pj->fip", _tensor(turn, device), offsets)
    uvz += _tensor(shift, device)[:, :, None] * solid
    u, v, there = uvz.unbind(dim=1)
    column, row = (u / there).floor(), (v / there).floor()
    inside = (there > 0) & (column >= 0) & (row >= 0)
    inside &= (column < GRID) & (row < GRID)
    cell = torch.where(inside, row * GRID + column, 0.0).long()
    chosen = torch.tensor(usable, device=device)
    near = images.near[chosen].flatten(1).gather(1, cell)
    far = images.far[chosen].flatten(1).gather(1, cell)
    seen = torch.where(
        solid, (there >= near * (1 - SLACK)) & (there <= far * (1 + SLACK)), torch.isinf(far)
    )
    focal = _tensor(np.array([c.K[0, 0] for c in cameras]), device)[:, None]
    detail = (z * (focal / float(camera.K[0, 0])) / there).clamp(0, 1)
    other = offsets[None] + _tensor(baseline, device)[:, None]
    cosine = torch.nn.functional.cosine_similarity(offsets[None], other, dim=-1)
    quality = detail * (0.5 + 0.5 * cosine).square()
    # where nothing is known it may be sky, but a surface that is surely seen is worth more
    guess = torch.where(z > 0, 1.0, UNKNOWN_SKY)
    return torch.where(inside & seen, torch.where(solid, quality, guess), 0.0)


def _coarse(camera: Camera, depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(P,) z-depth of a coarse grid of the pixels of `depth` (H, W), and their rays (P, 3)."""
    small = camera.resized(
        min(COLUMNS, camera.width),
        max(1, min(COLUMNS * camera.height // camera.width, camera.height)),
    )
    rows = ((np.arange(small.height) + 0.5) * camera.height / small.height).astype(int)
    columns = ((np.arange(small.width) + 0.5) * camera.width / small.width).astype(int)
    z = depth[torch.from_numpy(rows)[:, None], torch.from_numpy(columns)[None]]
    return z.reshape(-1), torch.from_numpy(small.rays()).to(depth.device).view(-1, 3)


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32, device=device)


def _nearest(images: MemoryImages, camera: Camera, usable: list[int]) -> list[int]:
    """`usable` by distance of the cameras and by angle between their directions."""
    cameras = [images.frames[i].camera for i in usable]
    distance = np.array([np.linalg.norm(c.position - camera.position) for c in cameras])
    typical = max(float(np.median(distance)), 1e-6)
    angle = np.array([1.0 - c.c2w[:3, 2] @ camera.c2w[:3, 2] for c in cameras])
    return [usable[i] for i in np.argsort(distance / typical + 2.0 * angle, kind="stable")]
