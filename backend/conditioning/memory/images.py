# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory frames of a world on a device: prepared once, looked at by every camera."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn.functional import interpolate

from ...shared.frame import MemoryFrame
from ..unseen.flat_surfaces import FlatSurface, flat_surfaces
from ..unseen.surfels import Surfels, joined_cells
from .prepared import GRID, PreparedFrames

KEPT_PIXELS = 20_000_000
"""Pixels of memory images kept ready on the device, 32 bytes each."""


@dataclass(eq=False)
class FrameImage:
    """A memory frame on the device. pyramid: (1, 3, h, w) float32 images, each half the last.

    inverse: (H * W, 4): inverse depth (0 = sky, NaN = unknown), its slope along u and v, and 1
    where this pixel, the next, and the two below lie well inside one surface.
    """

    pyramid: list[torch.Tensor]
    inverse: torch.Tensor


class MemoryImages:
    """Memory frames on a device, prepared once. Indices are those of `frames`.

    near, far: (N, G, G) bounds of depth, for the choice of views.
    """

    def __init__(
        self,
        frames: Sequence[MemoryFrame],
        device: torch.device | str = "cpu",
        known: PreparedFrames | None = None,
    ) -> None:
        """known: where frames may be prepared already, on the same device."""
        self.frames = list(frames)
        self.device = torch.device(device)
        known = known or PreparedFrames(self.device)
        self.prepared = [known.of(frame) for frame in self.frames]
        self._cache: OrderedDict[int, FrameImage] = OrderedDict()
        near = [frame.bounds[0] for frame in self.prepared]
        far = [frame.bounds[1] for frame in self.prepared]
        empty = torch.zeros(0, GRID, GRID)
        self.near = (torch.stack(near) if near else empty).to(self.device)
        self.far = (torch.stack(far) if far else empty).to(self.device)

    @cached_property
    def cells(self) -> Surfels:
        """The cells of all frames that have depth: the same for every camera that looks at them."""
        parts = [one.cells for one in self.prepared if one.frame.depth is not None]
        return joined_cells(parts, self.device)

    @cached_property
    def flat_surfaces(self) -> list[FlatSurface]:
        """The flat surfaces that memory saw, the largest first, each once."""
        return flat_surfaces(self.prepared, self.device)

    def __len__(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> FrameImage:
        """Frame `index` on the device; those asked for last are kept there."""
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        self._cache[index] = _prepare(self.frames[index], self.device)
        while len(self._cache) > 1 and sum(map(_pixels, self._cache.values())) > KEPT_PIXELS:
            self._cache.popitem(last=False)
        return self._cache[index]


def _pixels(image: FrameImage) -> int:
    return len(image.inverse)


def _prepare(frame: MemoryFrame, device: torch.device) -> FrameImage:
    rgb = torch.from_numpy(frame.rgb).to(device).permute(2, 0, 1)[None].float() / 255
    pyramid = [rgb]
    while min(pyramid[-1].shape[-2:]) >= 16:
        height, width = pyramid[-1].shape[-2:]
        size = ((height + 1) // 2, (width + 1) // 2)
        pyramid.append(interpolate(pyramid[-1], size, mode="area"))
    depth = torch.from_numpy(frame.depth).to(device)
    inverse = torch.where(depth > 0, 1.0 / depth, torch.nan)
    slopes = [_slope(inverse, axis) for axis in (1, 0)]
    interior = _interior(inverse, *slopes)
    even = torch.zeros_like(inverse)
    even[:-1, :-1] = interior[:-1, :-1] & interior[:-1, 1:] & interior[1:, :-1] & interior[1:, 1:]
    maps = torch.stack([inverse, *slopes, even], dim=-1)
    return FrameImage(pyramid, maps.view(-1, 4))


def _slope(inverse: torch.Tensor, axis: int) -> torch.Tensor:
    """Change of inverse depth per pixel along `axis`: the smaller of both sides, 0 if unknown."""
    step = inverse.diff(dim=axis)
    edge = torch.full_like(inverse.narrow(axis, 0, 1), torch.inf)
    before = torch.cat([edge, step], dim=axis).nan_to_num(torch.inf, torch.inf, torch.inf)
    after = torch.cat([step, edge], dim=axis).nan_to_num(torch.inf, torch.inf, torch.inf)
    slope = torch.where(before.abs() < after.abs(), before, after)
    return torch.where(slope.isfinite(), slope, 0.0)


def _interior(inverse: torch.Tensor, du: torch.Tensor, dv: torch.Tensor) -> torch.Tensor:
    """(H, W) bool: the 3x3 neighbours lie on the plane through the pixel, or all are sky."""
    padded = torch.nn.functional.pad(inverse[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    height, width = inverse.shape
    inside = torch.ones_like(inverse, dtype=torch.bool)
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            other = padded[1 + j : 1 + j + height, 1 + i : 1 + i + width]
            step = other - inverse
            bend = (step - i * du - j * dv).abs()
            # replicated borders and creases: a flat continuation is one surface as well
            bend = torch.minimum(bend, step.abs())
            inside &= bend <= 0.03 * torch.maximum(other, inverse)
    return inside
