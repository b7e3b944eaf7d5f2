# SPDX-License-Identifier: GPL-3.0-or-later
"""A height field on a device: marching rays to it, its normals, materials and sunlight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .scene import Scene

_STEPS = 90


@dataclass(eq=False)
class TerrainField:
    """Maps over [-extent, extent]^2: height, normal and share of sun, as (1, C, N, N)."""

    height: torch.Tensor
    normal: torch.Tensor
    sun: torch.Tensor
    open: torch.Tensor
    extent: float
    slope: float
    top: float
    materials: tuple[int, int, int]
    snow_line: float

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str) -> TerrainField:
        terrain = scene.terrain
        h = terrain.height.astype(np.float64)
        cell = 2 * terrain.extent / (h.shape[0] - 1)
        dy, dx = np.gradient(h, cell)
        normal = np.stack([-dx, -dy, np.ones_like(h)]) / np.sqrt(1 + dx**2 + dy**2)
        sun = _sun_map(h, cell, np.array(scene.sky.sun), scene.sky.sun_radius)

        def put(a: np.ndarray) -> torch.Tensor:
            return torch.tensor(a, dtype=torch.float32, device=device)

        return cls(
            put(h)[None, None], put(normal)[None], put(sun)[None, None],
            put(_openness(h, cell))[None, None], terrain.extent,
            terrain.slope, float(h.max()), terrain.materials, terrain.snow_line,
        )  # fmt: skip

    def _sample(self, field: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
        grid = (xy / self.extent)[None, None]
        return F.grid_sample(field, grid, padding_mode="border", align_corners=True)[0, :, 0]

    def march(self, origins: torch.Tensor, rays: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        """Ray parameter (N,) of the first hit before `limit` (N,), +inf for none.

        Steps are bounded by the steepest slope, so no ridge is skipped beyond the tolerance.
        """
        result = torch.full_like(limit, torch.inf)
        flat = rays[:, :2].norm(dim=1)
        rate = (self.slope * flat - rays[:, 2]).clamp_min(1e-4)
        index = torch.arange(len(rays), device=rays.device)
        t = torch.full_like(limit, 1e-3)
        for step in range(_STEPS):
            o, d = origins[index], rays[index]
            here = t[index]
            at = o + d * here[:, None]
            gap = at[:, 2] - self._sample(self.height, at[:, :2])[0]
            # relaxed beyond the first steps: far ridges need not be exact to a millimetre
            push = gap / rate[index] * (1.0 + 0.02 * step)
            touched = gap < 1e-3 * (1 + here * 0.3)
            outside = (at[:, :2].abs() > self.extent).any(1) | (here > limit[index])
            outside |= (at[:, 2] > self.top) & (d[:, 2] >= 0)
            result[index[touched & ~outside]] = here[touched & ~outside]
            keep = ~(touched | outside)
            index = index[keep]
            if not len(index):
                break
            t[index] = here[keep] + push[keep].clamp_min(2e-3)
        # rays that still creep along a slope are on it for every purpose
        if len(index):
            result[index] = t[index]
        return result

    def surface(self, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normals (N, 3) and materials (N,) of points on the ground."""
        normal = F.normalize(self._sample(self.normal, point[:, :2]).T, dim=1)
        flat, steep, high = self.materials
        wobble = 0.06 * torch.sin(point[:, 0] * 1.7) * torch.sin(point[:, 1] * 1.3)
        material = torch.where(normal[:, 2] + wobble > 0.8, flat, steep)
        snow = (point[:, 2] + 20 * wobble > self.snow_line) & (normal[:, 2] > 0.6)
        return normal, torch.where(snow, high, material)

    def uv(self, point: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """(N, 2) metres: seen from above, or along the wall on steep ground."""
        x, y, z = point.unbind(1)
        steep = normal[:, 2] < 0.7
        side = normal[:, 0].abs() > normal[:, 1].abs()
        u = torch.where(steep & side, y, x)
        return torch.stack([u, torch.where(steep, -z, y)], 1)

    def openness(self, point: torch.Tensor) -> torch.Tensor:
        """(N,) share of the sky that ground at these points sees."""
        return self._sample(self.open, point[:, :2])[0]

    def sunlight(self, point: torch.Tensor) -> torch.Tensor:
        """(N,) share of the sun that the ground lets through to points on or above it."""
        share = self._sample(self.sun, point[:, :2])[0]
        above = point[:, 2] - self._sample(self.height, point[:, :2])[0]
        return torch.where(above > 0.5, 0.3 + 0.7 * share, share)


def _sun_map(h: np.ndarray, cell: float, sun: np.ndarray, radius: float) -> np.ndarray:
    """Share of the sun's disc above the horizon at every sample, by walking towards the sun."""
    n = h.shape[0]
    yy, xx = np.mgrid[0:n, 0:n].astype(np.float64)
    flat = np.hypot(sun[0], sun[1])
    if flat < 1e-6:
        return np.ones_like(h)
    slope = sun[2] / flat
    worst = np.full_like(h, np.inf)
    distance = 1.0
    while distance < n:
        x, y = xx + sun[0] / flat * distance, yy + sun[1] / flat * distance
        inside = (x >= 0) & (x < n - 1) & (y >= 0) & (y < n - 1)
        i, j = np.clip(y, 0, n - 1).astype(int), np.clip(x, 0, n - 1).astype(int)
        margin = (h + slope * distance * cell - h[i, j]) / (distance * cell)
        worst = np.where(inside, np.minimum(worst, margin), worst)
        distance *= 1.08
        distance += 0.4
    return np.clip(worst / (2 * (radius + 0.01)) + 0.5, 0, 1)


def _openness(h: np.ndarray, cell: float) -> np.ndarray:
    """Share of the sky above the horizon at every sample, from eight horizons."""
    n = h.shape[0]
    yy, xx = np.mgrid[0:n, 0:n]
    total = np.zeros_like(h)
    for angle in np.arange(8) * np.pi / 4:
        horizon = np.zeros_like(h)
        for distance in (1, 2, 4, 8, 16, 32):
            j = np.clip(xx + int(round(np.cos(angle) * distance)), 0, n - 1)
            i = np.clip(yy + int(round(np.sin(angle) * distance)), 0, n - 1)
            horizon = np.maximum(horizon, (h[i, j] - h) / (distance * cell))
        total += 1 - horizon / np.sqrt(1 + horizon**2)
    return total / 8
