# SPDX-License-Identifier: GPL-3.0-or-later
"""A height field on a device: marching rays to it, its normals, materials and sunlight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .scene import Scene

_STEPS = 90
_BISECTIONS = 9
_SLOPE = 1.3  # steeper ground than this is stepped into, then refined


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
    bottom: float
    materials: tuple[int, int, int]
    snow_line: float

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str) -> TerrainField:
        terrain = scene.terrain
        assert terrain is not None
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
            terrain.slope, float(h.max()), float(h.min()) - 0.1, terrain.materials,
            terrain.snow_line,
        )  # fmt: skip

    def _sample(self, field: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
        grid = (xy / self.extent)[None, None]
        return F.grid_sample(field, grid, padding_mode="border", align_corners=True)[0, :, 0]

    def march(self, origins: torch.Tensor, rays: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        """Ray parameter (N,) of the first hit before `limit` (N,), +inf for none.

        Steps grow with the height above ground; a step that went under it is halved until exact.
        """
        flat = rays[:, :2].norm(dim=1)
        rate = torch.maximum(min(self.slope, _SLOPE) * flat - rays[:, 2], 0.6 * flat + 1e-4)
        # where a ray is inside the slab between the ground's lowest and highest point
        rise = torch.where(rays[:, 2].abs() < 1e-6, 1e-6, rays[:, 2])
        top, bottom = (self.top - origins[:, 2]) / rise, (self.bottom - origins[:, 2]) / rise
        near = torch.minimum(top, bottom).clamp_min(1e-3)
        far = torch.minimum(torch.maximum(top, bottom), limit)
        index = torch.nonzero(near < far).view(-1)
        ray = torch.cat([origins, rays, rate[:, None], far[:, None]], 1)[index]
        low, high = near[index], torch.full_like(index, torch.inf, dtype=near.dtype)
        under: list[tuple[torch.Tensor, ...]] = []
        for step in range(_STEPS):
            ox, oy, oz, dx, dy, dz, rate, far = ray.unbind(1)
            gap = oz + dz * low - self._heights(ox + dx * low, oy + dy * low)
            # farther away a ray may advance more boldly: a pixel is wider there
            ahead = low + (gap / rate * (1 + 0.02 * step)).clamp_min(0.02) + 2e-3 * low
            sunk = oz + dz * ahead < self._heights(ox + dx * ahead, oy + dy * ahead)
            high = torch.where(sunk, ahead, high)
            low = torch.where(sunk, low, ahead)
            if step % 3 == 2 or step == _STEPS - 1 or bool(sunk.any()):
                done = torch.isfinite(high)
                under.append((index[done], ray[done], low[done], high[done]))
                keep = ~done & (low < far)
                keep &= torch.maximum((ox + dx * low).abs(), (oy + dy * low).abs()) < self.extent
                index, ray, low, high = index[keep], ray[keep], low[keep], high[keep]
            if not len(index):
                break
        else:  # what still creeps along a slope is on it for every purpose
            under.append((index, ray, low, low * 1.001))
        return self._refine(torch.full_like(limit, torch.inf), under, limit)

    def _refine(
        self, result: torch.Tensor, under: list[tuple[torch.Tensor, ...]], limit: torch.Tensor
    ) -> torch.Tensor:
        """Bisects between the last point above ground and the first below it."""
        if not under:
            return result
        index, ray, low, high = (torch.cat(parts) for parts in zip(*under, strict=True))
        ox, oy, oz, dx, dy, dz = ray[:, :6].unbind(1)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            above = oz + dz * middle > self._heights(ox + dx * middle, oy + dy * middle)
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        t = 0.5 * (low + high)
        inside = torch.maximum((ox + dx * t).abs(), (oy + dy * t).abs()) < self.extent
        result[index] = torch.where(inside & (t < limit[index]), t, torch.inf)
        return result

    def _heights(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        grid = torch.stack([x, y], 1)[None, None] / self.extent
        found = F.grid_sample(self.height, grid, padding_mode="border", align_corners=True)
        return found.view(-1)

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
            j = np.clip(xx + round(np.cos(angle) * distance), 0, n - 1)
            i = np.clip(yy + round(np.sin(angle) * distance), 0, n - 1)
            horizon = np.maximum(horizon, (h[i, j] - h) / (distance * cell))
        total += 1 - horizon / np.sqrt(1 + horizon**2)
    return total / 8
