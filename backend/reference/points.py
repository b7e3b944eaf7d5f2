# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference implementation's point renderer, for comparison; this project's own is better.

Its conventions: pixel centres at whole numbers (a point belongs to the pixel it rounds to, ties to
even), points optionally kept in half precision, every point one pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

NEAR, FAR = 1e-3, 1e6
DEPTH_WINDOW = 1e-4
"""Points this close behind the nearest of their pixel may give it its colour."""
SOFTMIN_SHARPNESS = 500.0

_EMPTY = torch.iinfo(torch.int64).max


@dataclass(eq=False)
class ReferencePoints:
    """xyz (N, 3), rgb (N, 3) in [0, 1]; both float16 or both float32."""

    xyz: Tensor
    rgb: Tensor

    @classmethod
    def of(
        cls, xyz: np.ndarray, rgb: np.ndarray, half: bool = True, most: int | None = None
    ) -> ReferencePoints:
        """From (N, 3) float32 and (N, 3) uint8 colours; with `most`, every so many-th is kept."""
        step = 1 if most is None else max(1, math.ceil(len(xyz) / most))
        dtype = torch.float16 if half else torch.float32
        colours = torch.from_numpy(rgb[::step].astype(np.float32) / np.float32(255))
        return cls(torch.from_numpy(xyz[::step].copy()).to(dtype), colours.to(dtype))

    def ranges(self, ranges: Sequence[tuple[int, int]]) -> ReferencePoints:
        """Only the points with start <= index < stop of one of the ranges."""
        parts = [slice(max(0, start), max(0, stop)) for start, stop in ranges]
        return ReferencePoints(
            torch.cat([self.xyz[part] for part in parts]),
            torch.cat([self.rgb[part] for part in parts]),
        )


def render_reference(
    points: ReferencePoints,
    K: np.ndarray,
    w2c: np.ndarray,
    size: tuple[int, int],
    softmin: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """rgb (H, W, 3) uint8 and z-depth (H, W) float32, 0 = no point.

    K, w2c: (3, 3) and (4, 4), taken in float32. size: width, height. softmin: a pixel's colour is
    the mean of its points, weighted by exp(-500 (z - nearest)), instead of the nearest's.
    """
    width, height = size
    pixel, z, rgb = _project(points, K, w2c, width, height)
    nearest = torch.full((width * height,), torch.inf)
    nearest.scatter_reduce_(0, pixel, z, "amin")
    mix = _mean_colours if softmin else _nearest_colours
    colours = mix(pixel, z, rgb.float(), nearest)
    depth = torch.where(torch.isinf(nearest), 0.0, nearest)
    return (
        (colours * 255).to(torch.uint8).view(height, width, 3).numpy(),
        depth.view(height, width).numpy(),
    )


def inverse(c2w: np.ndarray) -> np.ndarray:
    """(4, 4) w2c as the reference takes it: inverted in float32."""
    return torch.linalg.inv(torch.from_numpy(np.asarray(c2w, np.float32))).numpy()


def _project(
    points: ReferencePoints, K: np.ndarray, w2c: np.ndarray, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel index (M,), depth (M,) float32 and colour (M, 3) of the points inside the picture."""
    dtype = points.xyz.dtype
    turn = torch.from_numpy(np.asarray(w2c, np.float32)).to(dtype)
    local = points.xyz @ turn[:3, :3].T + turn[:3, 3]
    z = local[:, 2]
    # the limits are rounded to the points' precision with the comparison
    seen = (z > NEAR) & (z < FAR) & torch.isfinite(z)
    x, y, z = local[seen].float().unbind(dim=1)
    K = np.asarray(K, np.float32)
    over = 1.0 / z
    column = torch.round(float(K[0, 0]) * (x * over) + float(K[0, 2])).long()
    row = torch.round(float(K[1, 1]) * (y * over) + float(K[1, 2])).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return (row * width + column)[inside], z[inside], points.rgb[seen][inside]


def _nearest_colours(pixel: Tensor, z: Tensor, rgb: Tensor, nearest: Tensor) -> Tensor:
    """(P, 3): of the points within the depth window, the first in order (there: any of them)."""
    window = ((z - nearest[pixel]).abs() <= DEPTH_WINDOW).nonzero().squeeze(1)
    first = torch.full_like(nearest, _EMPTY, dtype=torch.int64)
    first.scatter_reduce_(0, pixel[window], window, "amin")
    hit = first != _EMPTY
    colours = torch.zeros(len(nearest), 3)
    colours[hit] = rgb[first[hit]]
    return colours


def _mean_colours(pixel: Tensor, z: Tensor, rgb: Tensor, nearest: Tensor) -> Tensor:
    weight = torch.exp(-SOFTMIN_SHARPNESS * (z - nearest[pixel]).clamp(min=0))
    total = torch.zeros(len(nearest)).index_add_(0, pixel, weight)
    colours = torch.zeros(len(nearest), 3).index_add_(0, pixel, rgb * weight[:, None])
    return (colours / (total[:, None] + 1e-8)).clamp(0, 1)
