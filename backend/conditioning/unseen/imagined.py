# SPDX-License-Identifier: GPL-3.0-or-later
"""Surroundings that nobody saw, imagined once for a world so that they stay where they are.

What is invented beside the memory frames is lifted into the world: points and pictures like those
of memory, which count wherever anchors and memory know nothing. A camera that moves then finds the
same invention in every frame, instead of a new one. The model paints it in a few wide views; what
lies beside a photo is continued instead (`continuation.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ...shared.anchors import Anchors
from ...shared.camera import Camera, about_vertical
from ...shared.frame import MemoryFrame
from ..anchors.lifting import lift
from ..anchors.point_cloud import PointCloud
from ..anchors.point_renderer import AnchorRender, render_points
from ..memory.free_space import contradicts
from ..memory.images import MemoryImages
from ..memory.sampling import Sampled, sample_memory, usable
from ..memory.views import select_views
from .continuation import panorama_of
from .fill import push_pull

if TYPE_CHECKING:
    from ..conditions import Conditions

TURNS = (40.0, -40.0)
"""Degrees about the vertical by which imagined views are turned from a memory frame's."""

WIDER = 1.5
"""How much more of the world they show, as a factor of the half picture's tangent."""

LARGER = 1.25
"""Pixels of a side, as a factor of the memory frame's."""

MOST_SIDE = 480
"""Longest side of an imagined view, in pixels."""

WIDEST = 2.0
"""Tangent of half a view's angle that is never exceeded."""

MOST_FRAMES = 2
"""Memory frames up to which something is imagined. Between three, most is seen, and what is
imagined beside a far one is worse than a guess made for the frame: on the validation scenes it
cost up to 1.4 dB in two of 14."""

WORTH_IT = 0.1
"""Part of a view that has to be unknown for it to be imagined."""

LOOKS = 3
"""Imagined views that a frame looks at."""

PAINTED_GRAIN = 1.2
"""Noise of views imagined for whole geometry: frames see their pictures resampled, which softens
them."""

SOFT_EDGE = 6
"""Pixels of sky beside a surface that are left out where geometry is whole: what is drawn there has
something of the surface, and would stand as its ghost where another camera sees nothing but sky."""

CONTINUED_STRIDE = 2
"""Pixels from point to point of what a picture is continued by."""

LEAST_LOOK = 0.1
"""Weight below which a look at what a picture was continued by is a hole."""

GAP = 8
"""Pixels between such surfaces, or beside them, that are closed."""

SEAM = 2
"""Pixels at the border of what was seen that are closed too where no picture has their colour."""

SOFT_SURE = 0.95
"""How sure of its colours a frame is there: the network would lay its grain over them."""

SAME_SURFACE = 0.02
"""Part of the depth by which an imagined surface must be nearer to hide a real one."""


def views_aside(frames: list[MemoryFrame]) -> list[Camera]:
    """Cameras of the views to imagine beside `frames`, the first turns of all frames first."""
    seeing = _seeing(frames)
    if len(seeing) > MOST_FRAMES:
        return []
    return [_turned(frame.camera, math.radians(turn)) for turn in TURNS for frame in seeing]


def is_photo(frames: list[MemoryFrame]) -> bool:
    """Whether a world is a photo's: what lies beside one looks better continued than painted. What
    a camera that moves on saw of a place looks worse (2 dB on the validation scenes)."""
    seeing = _seeing(frames)
    return bool(seeing) and seeing[0].estimated


def _seeing(frames: list[MemoryFrame]) -> list[MemoryFrame]:
    return [frame for frame in frames if frame.enabled and frame.depth is not None]


def to_imagine(conditions: Conditions) -> torch.Tensor:
    """(H, W) bool: what of a view the model paints, sky included: whole geometry lacks colours
    only."""
    surface = torch.isfinite(conditions.depth)
    near_surface = F.max_pool2d(surface[None].float(), 2 * SOFT_EDGE + 1, 1, SOFT_EDGE)[0] > 0
    return (conditions.weight[0] == 0) & (surface | ~near_surface)


def _turned(camera: Camera, yaw: float) -> Camera:
    """The wider view from the same place, turned about the world's vertical."""
    c2w = camera.c2w.copy()
    c2w[:3, :3] = about_vertical(yaw) @ c2w[:3, :3]
    sides = np.array([camera.width, camera.height])
    tangents = np.minimum(WIDER * 0.5 * sides / camera.K[[0, 1], [0, 1]], WIDEST)
    factor = min(LARGER, MOST_SIDE / sides.max())
    width, height = (max(1, round(side * factor)) for side in sides)
    K = np.diag([0.5 * width / tangents[0], 0.5 * height / tangents[1], 1.0])
    K[:2, 2] = 0.5 * width, 0.5 * height
    return Camera(K, c2w, width, height)


@dataclass(eq=False)
class Imagined:
    """Points and pictures of imagined surfaces; pictures have depth only where those are."""

    anchors: Anchors
    cloud: PointCloud
    images: MemoryImages

    @classmethod
    def nothing(cls, device: torch.device) -> Imagined:
        """Before anything was imagined."""
        none = Anchors.empty()
        return cls(none, PointCloud(none, device), MemoryImages([], device))

    def __bool__(self) -> bool:
        return len(self.images) > 0

    @classmethod
    def continued(cls, frames: list[MemoryFrame], cloud: PointCloud) -> Imagined:
        """What the first of a few frames with depth shows, gone on to all sides.

        Left out where `cloud` knows of a surface, or a frame looked through.
        """
        device = cloud.device
        seeing = _seeing(frames)
        around = panorama_of(seeing[0]) if 0 < len(seeing) <= MOST_FRAMES else None
        if around is None:
            return cls.nothing(device)
        made = []
        for number, (camera, rgb, depth) in enumerate(around.views()):
            depth[(render_points(cloud, camera).depth > 0).cpu().numpy()] = 0
            depth[contradicts(depth, camera, seeing)] = 0
            if (depth > 0).any():
                name = f"imagined {number}"
                made.append(MemoryFrame(name, name, camera, rgb, depth))
        anchors = Anchors.concatenate([lift(frame, CONTINUED_STRIDE) for frame in made])
        return cls(anchors, PointCloud(anchors, device), MemoryImages(made, device))

    def joined(self, camera: Camera, rgb: np.ndarray, depth: np.ndarray) -> Imagined:
        """With one more view. rgb: (H, W, 3) uint8; depth: (H, W) metres, 0 = not imagined."""
        name = f"imagined {len(self.images)}"
        frame = MemoryFrame(name, name, camera, rgb, depth)
        anchors = Anchors.concatenate([self.anchors, lift(frame)])
        device = self.images.device
        images = MemoryImages([*self.images.frames, frame], device)
        return Imagined(anchors, PointCloud(anchors, device), images)

    def behind(self, real: AnchorRender, camera: Camera) -> AnchorRender:
        """`real` with imagined surfaces where there is nothing, or nothing as near."""
        ours = render_points(self.cloud, camera)
        taken = (ours.depth > 0) & (
            (real.depth <= 0) | (ours.depth < real.depth * (1 - SAME_SURFACE))
        )
        return AnchorRender(
            torch.where(taken[..., None], ours.rgb, real.rgb),
            torch.where(taken, ours.depth, real.depth),
            torch.where(taken, ours.coverage, real.coverage),
        )

    def beside(
        self, real: Sampled, camera: Camera, depth: torch.Tensor, soft: torch.Tensor | None = None
    ) -> Sampled:
        """`real` with imagined colours where memory is unsure. depth: (H, W) metres.

        soft: (H, W) bool, where only what a picture was continued by stands: its silhouettes mean
        nothing, so no hole is left there, and nothing is painted over it. None: nowhere.
        """
        chosen = select_views(self.images, camera, depth, LOOKS)
        ours = sample_memory(self.images, chosen, camera, depth)
        if soft is not None:
            ours = _closed(ours, (soft | _beside(soft, SEAM) & (real.weight == 0)) & ~real.sky)
        sure = usable(real.weight)
        found = (ours.weight > 0)[..., None]
        mixed = torch.lerp(ours.rgb, real.rgb, sure[..., None])
        return Sampled(
            rgb=torch.where(found, mixed, real.rgb),
            weight=torch.maximum(real.weight, ours.weight * (1 - sure)),
            sky=real.sky | ours.sky,
        )


def softly_shown(real: AnchorRender, shown: AnchorRender) -> torch.Tensor:
    """(H, W) bool: where `shown` has imagined surfaces, and the gaps beside them."""
    empty = real.depth <= 0
    return empty & _beside(empty & (shown.depth > 0), GAP)


def _beside(mask: torch.Tensor, reach: int) -> torch.Tensor:
    """(H, W) bool: `mask` and what is up to `reach` pixels beside it."""
    return F.max_pool2d(mask.float()[None], 2 * reach + 1, 1, reach)[0] > 0


def _closed(ours: Sampled, soft: torch.Tensor) -> Sampled:
    """`ours` with the holes in `soft` (H, W) filled smoothly from all around, and sure there."""
    found = (ours.weight >= LEAST_LOOK).float()[None]
    if not found.any():
        return ours
    filled = push_pull(ours.rgb.permute(2, 0, 1), found)[0].permute(1, 2, 0)
    hole = soft & (found[0] == 0)
    return Sampled(
        rgb=torch.where(hole[..., None], filled, ours.rgb),
        weight=torch.where(soft, torch.clamp(ours.weight, min=SOFT_SURE), ours.weight),
        sky=ours.sky,
    )
