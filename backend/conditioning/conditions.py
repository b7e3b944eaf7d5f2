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
from .channels import HINTS
from .memory.sampling import MemoryImages, sample_memory, usable
from .memory.seen import Seen
from .memory.views import select_views
from .noise import world_noise
from .unseen.composer import complete
from .unseen.depth_units import MAX_LOG_DEPTH
from .unseen.fill import push_pull
from .unseen.flat_surfaces import repeated_detail
from .unseen.imagined import Imagined, softly_shown
from .unseen.patterns import from_log, to_log
from .unseen.proposals import SoFar
from .view import View

PIXEL_NOISE = len(HINTS.index(["noise"]))


@dataclass(eq=False)
class Conditions:
    """Conditions of one view, H x W pixels; all tensors float32 on its device.

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

    def hints(self, scale: float, seed: int, grain: float = 1.0) -> torch.Tensor:
        """(HINTS.count, H, W): the channels that enter the model; scale: see `world_scale`.

        grain: factor of the noise in pixels, and so of how rough what is invented comes out.
        """
        anchor_rgb = self.shown.rgb.permute(2, 0, 1).float()
        # black stands for a point without a colour of its own (see Anchors)
        colored = (anchor_rgb.amax(0, keepdim=True) > 0).float()
        anchor_rgb = (anchor_rgb / 127.5 - 1) * colored
        log_depth = torch.log(self.depth / scale).clamp(-MAX_LOG_DEPTH, MAX_LOG_DEPTH)[None]
        return HINTS.pack(
            memory=self.color * usable(self.weight),
            memory_weight=self.weight,
            anchors=anchor_rgb,
            anchors_colored=colored,
            coverage=self.shown.coverage,
            log_depth=log_depth / MAX_LOG_DEPTH,
            known=self.known,
            sky=self.sky,
            base=self.base,
            base_level=self.level / 8,
            noise=grain * world_noise(self.view, self.depth, seed, PIXEL_NOISE),
            fill=self.fill,
            fill_distance=self.far,
        )

    def detail(self, images: MemoryImages) -> torch.Tensor:
        """(3, H, W): what repeats on the surfaces that memory did not see, log ratios."""
        surfaces, unseen = images.flat_surfaces, 1 - self.remembered
        return unseen * repeated_detail(self.depth, self.view, surfaces, self.owner, unseen > 0)

    def detailed(self, image: torch.Tensor, images: MemoryImages) -> torch.Tensor:
        """A finished frame (1, 3, H, W) in [-1, 1] with that detail laid over it."""
        detail = self.detail(images)
        if not detail.any():
            return image
        value = from_log(to_log(image.float()) + detail)
        return torch.where(detail != 0, value.to(image.dtype), image)

    def latent_noise(self, stride: int, channels: int, seed: int) -> torch.Tensor:
        """(C, H / stride, W / stride) noise locked to the surfaces that latent cells show.

        H and W must be multiples of `stride`.
        """
        height, width = (side // stride for side in self.depth.shape)
        sky = F.avg_pool2d(torch.isinf(self.depth).float()[None], stride)[0]
        finite = self.depth.nan_to_num(posinf=0.0)[None]
        depth = F.avg_pool2d(finite, stride)[0] / (1 - sky).clamp(min=1e-6)
        depth = torch.where(sky > 0.5, torch.inf, depth)
        smaller = View(self.camera.resized(width, height), self.view.device)
        return world_noise(smaller, depth, seed, channels)


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
    color = sampled.rgb.permute(2, 0, 1) * 2 - 1
    weight = sampled.weight[None].clamp(0, 1)
    sky = sampled.sky | free
    known = (shown.depth > 0) | sky
    depth = torch.where(sky, torch.inf, shown.depth)
    sure = usable(weight)
    if images.frames:
        base, level = push_pull(color, sure)
    else:  # nothing remembered: the anchors' own colours are all there is
        own = (anchors.coverage[None] > 0).float()
        base, level = push_pull(anchors.rgb.permute(2, 0, 1).float() / 127.5 - 1, own)
    known_so_far = Seen(color, sure, base, known.float()[None])
    whole = complete(SoFar(view, images, scale, known_so_far, depth))
    return Conditions(
        view=view,
        references=chosen,
        anchors=anchors,
        shown=shown,
        coverage=coverage,
        seen=seen,
        color=color * (weight > 0),
        weight=weight,
        depth=whole.depth,
        known=known_so_far.known,
        sky=sky.float()[None],
        base=base,
        level=level,
        fill=whole.fill,
        far=whole.far,
        owner=whole.owner,
        remembered=remembered,
    )


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
