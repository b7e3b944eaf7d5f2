# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a frame model is told of one view. Inference and training build it with this code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.frame import MemoryFrame
from .anchors.point_renderer import AnchorRender, PointCloud, render_points
from .memory.images import MemoryImages
from .memory.own_place import seen_from_own_place
from .memory.sampling import Sampled, sample_memory, usable
from .memory.seen import Seen
from .memory.views import select_views
from .unseen.composer import complete
from .unseen.fill import push_pull
from .unseen.imagined import Imagined, softly_shown
from .unseen.proposals import SoFar
from .view import View


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is known and guessed of one view, H x W pixels; all tensors float32 on its device.

    anchors: what the points alone show; shown: the same with imagined surfaces.
    references: indices of the memory frames used.
    coverage (H, W) in [0, 1]: how well anchors or the sky of a memory frame cover a pixel.
    seen (H, W): bool, where they do so at all; nothing imagined counts.
    color (3, H, W): memory's colours in [-1, 1], 0 where `weight` (1, H, W) is 0.
    depth (H, W): metres, +inf = sky, completed by guesses where `known` (1, H, W) is 0.
    sky (1, H, W): 1 = a direction that a memory frame saw as sky, or that whole geometry left free.
    In all of these what was imagined before counts like what was seen.
    base (3, H, W): `color`, smoothly continued into the holes; level (1, H, W): how far in.
    fill (3, H, W): `color`, and in the holes what alike surfaces show; far (1, H, W): see
    `surfels`. owner (H, W): number of the flat surface that a guessed pixel was moved onto,
    -1 = none. remembered (H, W) in [0, 1]: how surely memory saw a pixel, nothing imagined.
    """

    view: View
    references: list[int]
    anchors: AnchorRender
    shown: AnchorRender
    coverage: torch.Tensor
    seen: torch.Tensor
    color: torch.Tensor
    weight: torch.Tensor
    depth: torch.Tensor
    known: torch.Tensor
    sky: torch.Tensor
    base: torch.Tensor
    level: torch.Tensor
    fill: torch.Tensor
    far: torch.Tensor
    owner: torch.Tensor
    remembered: torch.Tensor

    @property
    def camera(self) -> Camera:
        """Where the view is from."""
        return self.view.camera


def build_conditions(
    cloud: PointCloud,
    images: MemoryImages,
    camera: Camera,
    *,
    references: int,
    scale: float,
    imagined: Imagined | None = None,
) -> Conditions:
    """Render the anchors, choose memory frames and fetch their colours for `camera`.

    references: most memory frames to use. scale: metres, see `world_scale`. imagined: surfaces
    and colours to show where neither anchors nor memory know better.
    """
    view = View(camera, images.device)
    anchors = render_points(cloud, camera)
    if not cloud.whole:
        anchors = seen_from_own_place(anchors, images.frames, camera)
    chosen = select_views(images, camera, anchors.depth, references)
    # whole geometry leaves no place for others' surfaces: what was imagined only colours it
    shown = imagined.behind(anchors, camera) if imagined and not cloud.whole else anchors
    sampled = sample_memory(images, chosen, camera, shown.depth)
    free = _open(anchors.depth) if cloud.whole else torch.zeros_like(sampled.sky)
    seen = (anchors.depth > 0) | sampled.sky | free
    coverage = torch.maximum(anchors.coverage, (sampled.sky | free).float())
    remembered = usable(sampled.weight)
    if imagined:
        soft = None if cloud.whole else softly_shown(anchors, shown)
        sampled = imagined.beside(sampled, camera, shown.depth, soft)
    weight, sky = sampled.weight[None].clamp(0, 1), sampled.sky | free
    known, level = _known(sampled, shown, sky, None if images.frames else anchors)
    depth = torch.where(sky, torch.inf, shown.depth)
    whole = complete(SoFar(view, images, scale, known, depth))
    return Conditions(
        view=view,
        references=chosen,
        anchors=anchors,
        shown=shown,
        coverage=coverage,
        seen=seen,
        color=known.color * (weight > 0),
        weight=weight,
        depth=whole.depth,
        known=known.known,
        sky=sky.float()[None],
        base=known.base,
        level=level,
        fill=whole.fill,
        far=whole.far,
        owner=whole.owner,
        remembered=remembered,
    )


def _known(
    sampled: Sampled, shown: AnchorRender, sky: torch.Tensor, alone: AnchorRender | None
) -> tuple[Seen, torch.Tensor]:
    """What is known of a view's pixels, and (1, H, W) how far into a hole each is, octaves.

    sky: (H, W) bool. alone: the anchors where nothing is remembered, so that their own colours are
    all there is.
    """
    color = sampled.rgb.permute(2, 0, 1) * 2 - 1
    sure = usable(sampled.weight[None].clamp(0, 1))
    if alone is None:
        base, level = push_pull(color, sure)
    else:
        own = (alone.coverage[None] > 0).float()
        base, level = push_pull(alone.rgb.permute(2, 0, 1).float() / 127.5 - 1, own)
    known = (shown.depth > 0) | sky
    return Seen(color, sure, base, known.float()[None]), level


def _open(depth: torch.Tensor) -> torch.Tensor:
    """(H, W) bool: empty pixels of `depth` that are no mere gap between points."""
    empty = (depth <= 0).float()[None, None]
    eroded = -F.max_pool2d(-empty, 3, 1, 1)
    return F.max_pool2d(eroded, 3, 1, 1)[0, 0] > 0


def world_scale(memory: list[MemoryFrame], anchors: Anchors) -> float:
    """Metres that count as one unit of this world: the median depth that memory sees.

    Without depths in memory, half the extent of the anchors; 1 for an empty world.
    """
    depths = [f.depth[(f.depth > 0) & np.isfinite(f.depth)] for f in memory if f.depth is not None]
    seen = np.concatenate(depths) if depths else np.zeros(0, np.float32)
    if len(seen):
        return max(float(np.median(seen)), 1e-3)
    if len(anchors):
        low, high = np.percentile(anchors.xyz, (5, 95), axis=0)
        return max(0.5 * float(np.linalg.norm(high - low)), 1e-3)
    return 1.0
