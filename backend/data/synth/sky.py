# SPDX-License-Identifier: GPL-3.0-or-later
"""The sky: gradient, clouds, the sun's disc."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from .fields import noise
from .scene import Scene


def vector(values: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
    """The values as a (N,) float32 tensor on the device of `like`."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)


def sky_color(scene: Scene, view: torch.Tensor, sun: bool = True) -> torch.Tensor:
    """Radiance (N, 3) of the sky along unit directions (N, 3), with or without the sun's disc."""
    sky, device = scene.sky, view.device

    def c(v: tuple[float, float, float]) -> torch.Tensor:
        return torch.tensor(v, dtype=torch.float32, device=device)

    up = view[:, 2:3]
    blend = up.clamp_min(0) ** 0.5
    color = c(sky.horizon) * (1 - blend) + c(sky.zenith) * blend
    color = torch.where(
        up < 0, c(sky.horizon) + (c(sky.ground) - c(sky.horizon)) * (-up * 6).clamp(0, 1), color
    )
    plane = view[:, :2] / (up + 0.08).clamp_min(0.03)
    color = color + _clouds(scene, plane, up)
    if not sun:
        return color
    toward = (view @ c(sky.sun)).clamp(-1, 1)
    glow = 0.25 * torch.exp((toward - 1) * 40) + 6.0 * torch.sigmoid(
        (toward - math.cos(sky.sun_radius + 0.01)) * 8e3
    )
    return color + c(sky.sun_color) * glow[:, None] * (0.15 if sky.clouds > 0.8 else 1.0)


def _clouds(scene: Scene, plane: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Added light of clouds drawn on a plane overhead; from a noise image, tiled."""
    key = f"clouds {plane.device}"
    if key not in scene.cache:
        rng = np.random.default_rng(scene.sky.cloud_seed)
        scene.cache[key] = torch.tensor(
            noise(rng, 1, 100, 1.35), dtype=torch.float32, device=plane.device
        )
    field = scene.cache[key]
    uv = (plane * 0.07) % 1 * 2 - 1
    value = F.grid_sample(
        field[None, None],
        uv[None, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0, 0, 0]
    cover = ((value - (0.75 - 0.45 * scene.sky.clouds)) * 5).clamp(0, 1)
    fade = ((up[:, 0] - 0.03) * 6).clamp(0, 1)
    white = torch.tensor(scene.sky.horizon, dtype=torch.float32, device=plane.device) * 0.35 + 0.25
    return (cover * fade)[:, None] * white
