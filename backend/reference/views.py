# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference implementation's choice of the condition view, for comparison.

Sample pixels of the target are lifted by its depth and projected into every view; a view's score
is the number of them whose depth there agrees, times a weight of the distance between cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

_FAR_OFF = 1e9


@dataclass(frozen=True)
class SelectionSettings:
    """Defaults are those of the reference's function; its own configuration sets others.

    sample_grid: samples along a side of the picture. center_grid: along a side of the middle part,
    which is `center_frac` of the picture. eps_rel, eps_abs: how far depths may differ. px_radius:
    neighbouring pixels that may agree instead. The weight falls from weight_near at dist_min_m to
    weight_far at dist_max_m.
    """

    sample_grid: int = 10
    center_grid: int = 15
    center_frac: float = 0.5
    uniform_sampling: bool = False
    eps_rel: float = 0.02
    eps_abs: float = 0.0
    px_radius: int = 0
    max_view_angle_deg: float = 180.0
    use_distance_weight: bool = True
    dist_min_m: float = 1.0
    dist_max_m: float = 5.0
    weight_near: float = 1.5
    weight_far: float = 0.5


@dataclass(eq=False)
class ReferenceViews:
    """Of V views: projections (V, 3, 4), depths (V, H, W; 0 = none) and centres (V, 3), float32."""

    projections: Tensor
    depths: Tensor
    centres: Tensor


def projection(K: np.ndarray, c2w: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """(3, 4) float32 of K, scaled along x and y, and the inverse of c2w."""
    scaled = np.diag([*scale, 1.0]) @ K
    w2c = np.linalg.inv(np.asarray(c2w, np.float32))
    return scaled.astype(np.float32) @ w2c[:3]


def select_reference_view(
    depth: Tensor, K: np.ndarray, c2w: np.ndarray, views: ReferenceViews, s: SelectionSettings
) -> tuple[int, Tensor, int]:
    """The best view, the hits of every view (V,) and the number of samples.

    depth: (H, W) of the target, 0 = none; the views have its size.
    """
    height, width = depth.shape
    pixels = sample_pixels(width, height, s)
    z = depth.reshape(-1)[pixels]
    pixels, z = pixels[z > 0], z[z > 0]
    if not len(z):
        return 0, torch.zeros(len(views.depths), dtype=torch.int64), 0
    centre = torch.from_numpy(np.asarray(c2w, np.float32))[:3, 3]
    points = _lift(pixels % width, pixels // width, z, K, c2w)
    hits = _agree(points, views, s, width, height)
    if s.max_view_angle_deg < 179.999:
        ours = normalize(points - centre, dim=1)
        theirs = normalize(points - views.centres[:, None], dim=2)
        hits &= (theirs * ours).sum(dim=2) >= float(np.cos(np.deg2rad(s.max_view_angle_deg)))
    count = hits.sum(dim=1)
    score = count.float()
    if s.use_distance_weight:
        score = score * _distance_weight((views.centres - centre).norm(dim=1), s)
    return int(score.argmax()), count, len(z)


def sample_pixels(width: int, height: int, s: SelectionSettings) -> Tensor:
    """(N,) flat indices of the samples: a coarse grid, and a finer one in place of its middle."""
    columns, rows = _grid((0, width - 1), (0, height - 1), s.sample_grid)
    if s.uniform_sampling or s.center_frac <= 0 or s.center_grid <= 0:
        return rows * width + columns
    x, y = (
        (0.5 * (1 - s.center_frac) * (n - 1), 0.5 * (1 + s.center_frac) * (n - 1))
        for n in (width, height)
    )
    middle = (columns >= round(x[0])) & (columns <= round(x[1]))
    middle &= (rows >= round(y[0])) & (rows <= round(y[1]))
    fine_columns, fine_rows = _grid(x, y, s.center_grid)
    outer = (rows * width + columns)[~middle]
    return torch.cat([outer, fine_rows * width + fine_columns]).unique()


def _grid(x: tuple[float, float], y: tuple[float, float], count: int) -> tuple[Tensor, Tensor]:
    columns = torch.linspace(float(x[0]), float(x[1]), count).round().long()
    rows = torch.linspace(float(y[0]), float(y[1]), count).round().long()
    return columns.repeat(count), rows.repeat_interleave(count)


def _lift(columns: Tensor, rows: Tensor, z: Tensor, K: np.ndarray, c2w: np.ndarray) -> Tensor:
    """(M, 3) world points of pixels with depth z."""
    inverse_K = torch.linalg.inv(torch.from_numpy(np.asarray(K, np.float32)))
    w2c = torch.linalg.inv(torch.from_numpy(np.asarray(c2w, np.float32)))
    pixels = torch.stack([columns.float(), rows.float(), torch.ones_like(z)], dim=1)
    local = (pixels @ inverse_K.T) * z[:, None]
    return (local - w2c[:3, 3]) @ w2c[:3, :3]


def _agree(
    points: Tensor, views: ReferenceViews, s: SelectionSettings, width: int, height: int
) -> Tensor:
    """(V, M): the view has, at the point's pixel or next to it, the point's depth."""
    ones = torch.ones(len(points), 1)
    projected = torch.einsum("vij,mj->vmi", views.projections, torch.cat([points, ones], dim=1))
    z = projected[..., 2]
    column = torch.round(projected[..., 0] / (z + 1e-8)).long()
    row = torch.round(projected[..., 1] / (z + 1e-8)).long()
    depths = views.depths.flatten(1)
    difference = torch.full_like(z, _FAR_OFF)
    inside_any = torch.zeros_like(z, dtype=torch.bool)
    known_any = torch.zeros_like(z, dtype=torch.bool)
    reach = range(-max(0, s.px_radius), max(0, s.px_radius) + 1)
    for dy in reach:
        for dx in reach:
            x, y = column + dx, row + dy
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (z > 0)
            theirs = depths.gather(1, (y * width + x).clamp(0, width * height - 1))
            known = theirs > 0
            usable = torch.where(inside & known, (theirs - z).abs(), _FAR_OFF)
            difference = torch.minimum(difference, usable)
            inside_any |= inside
            known_any |= known
    tolerance = torch.maximum(s.eps_rel * z, torch.full_like(z, s.eps_abs))
    return inside_any & known_any & (difference < tolerance)


def _distance_weight(distance: Tensor, s: SelectionSettings) -> Tensor:
    span = max(s.dist_max_m - s.dist_min_m, 1e-6)
    share = ((distance - s.dist_min_m) / span).clamp(0, 1)
    return s.weight_near + (s.weight_far - s.weight_near) * share
