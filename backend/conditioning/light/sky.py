# SPDX-License-Identifier: GPL-3.0-or-later
"""The background as directions: looked up, blurred for rays that gather, its suns taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...shared.scene import EVERYWHERE, Background

SUN_SHARE = 0.02
"""Part of all of the sky's light that a spot has to send to count as a lamp."""
SUN_SIZE = 0.02
"""Part of the sphere that such a spot covers at most."""
MOST_SUNS = 4
_COARSE = 32


@dataclass(frozen=True, eq=False)
class Sun:
    """A strong spot of the sky: unit direction to it, irradiance (3,) face on, radians across."""

    direction: np.ndarray
    irradiance: np.ndarray
    angle: float


@dataclass(frozen=True, eq=False)
class Sky:
    """pixels: (H, W, 3) float32 as in `Background`. rest: the same without its suns, each half as
    large as the one before, the last with about _COARSE rows: what rays gather that meet nothing.
    suns: what was taken out, the strongest first."""

    pixels: np.ndarray
    rest: tuple[np.ndarray, ...]
    suns: tuple[Sun, ...]
    visible: int

    @classmethod
    def of(cls, background: Background | None) -> Sky:
        """The sky of a scene; black without one."""
        if background is None:
            return cls(_BLACK, (_BLACK,), (), EVERYWHERE)
        pixels = np.nan_to_num(np.ascontiguousarray(background.pixels, np.float32), posinf=1e4)
        pixels = np.maximum(pixels, 0)
        if pixels.shape[:2] == (1, 1):
            return cls(pixels, (pixels,), (), background.visible)
        suns, rest = _without_suns(pixels)
        levels = [rest]
        while len(levels[-1]) >= 2 * _COARSE:
            levels.append(_halved(levels[-1]))
        return cls(pixels, tuple(levels), tuple(suns), background.visible)

    def seen(self, directions: np.ndarray) -> np.ndarray:
        """(N, 3) float32 radiance from directions (N, 3), of any length; suns included."""
        return look_up(self.pixels, directions)

    def gathered(self, directions: np.ndarray) -> np.ndarray:
        """(N, 3) float32 radiance from directions (N, 3): `seen`, blurred and without the suns."""
        return look_up(self.rest[-1], directions)

    def blurred(self, directions: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """(N, 3) float32: without the suns, as far blurred as one of several ways of lobes with
        GGX alpha (N,) may stand for."""
        steps = np.log2(np.maximum(alpha, 1e-6) * len(self.rest[0]) / (2 * np.pi))
        level = np.clip(steps, 0, len(self.rest) - 1).astype(np.int64)
        made = np.empty((len(directions), 3), np.float32)
        for k in np.unique(level):
            mine = level == k
            made[mine] = look_up(self.rest[k], directions[mine])
        return made


_BLACK = np.zeros((1, 1, 3), np.float32)


def look_up(pixels: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N, 3) float32 bilinear values of an equirectangular picture (H, W, 3), see `Background`, in
    directions (N, 3) of any length."""
    height, width = pixels.shape[:2]
    if (height, width) == (1, 1):
        return np.broadcast_to(pixels[0, 0], (len(directions), 3))
    x, y, z = directions.T
    length = np.sqrt(x * x + y * y + z * z)
    u = (0.5 - np.arctan2(y, x) * np.float32(0.5 / np.pi)) * width - 0.5
    v = np.arccos(np.clip(z / np.maximum(length, 1e-20), -1, 1)) * np.float32(height / np.pi) - 0.5
    left, top = np.floor(u), np.floor(v)
    fu, fv = (u - left)[:, None], (v - top)[:, None]
    x0, y0 = left.astype(np.int64) % width, top.astype(np.int64).clip(0, height - 1)
    x1, y1 = (x0 + 1) % width, (top.astype(np.int64) + 1).clip(0, height - 1)
    upper = pixels[y0, x0] * (1 - fu) + pixels[y0, x1] * fu
    lower = pixels[y1, x0] * (1 - fu) + pixels[y1, x1] * fu
    return (upper * (1 - fv) + lower * fv).astype(np.float32)


def directions_of(height: int, width: int) -> np.ndarray:
    """(H, W, 3) unit directions of the pixels of an equirectangular picture."""
    v = (np.arange(height) + 0.5) * np.pi / height
    u = (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi
    ring = np.sin(v)[:, None]
    z = np.broadcast_to(np.cos(v)[:, None], (height, width))
    return np.stack([ring * np.cos(u), ring * np.sin(u), z], axis=-1)


def solid_angles(height: int, width: int) -> np.ndarray:
    """(H, 1) steradians of a pixel in each row."""
    edges = np.cos(np.arange(height + 1) * np.pi / height)
    return ((edges[:-1] - edges[1:]) * 2 * np.pi / width)[:, None]


def _without_suns(pixels: np.ndarray) -> tuple[list[Sun], np.ndarray]:
    """Takes the strongest spots out, one after the other, for as long as they matter."""
    height, width = pixels.shape[:2]
    solid, ways = solid_angles(height, width), directions_of(height, width)
    light = pixels.mean(axis=2) * solid
    total = float(light.sum())
    rest = pixels.copy()
    suns: list[Sun] = []
    while len(suns) < MOST_SUNS and total > 0:
        mean = rest.mean(axis=2)
        top = float(mean.max())
        peak = ways[np.unravel_index(int(mean.argmax()), mean.shape)]
        near = ways @ peak > np.cos(np.pi * 0.08)
        around = float(np.median(mean[near]))
        spot = near & (mean > max(0.1 * top, 4 * around))
        over = np.where(spot, np.maximum(mean - around, 0), 0) * solid
        covers = float((spot * solid).sum()) / (4 * np.pi)
        if over.sum() < SUN_SHARE * total or covers > SUN_SIZE or not spot.any():
            break
        share = (over / np.maximum(mean * solid, 1e-20))[..., None]
        taken = rest * share * solid[..., None]
        centre = (ways * over[..., None]).sum(axis=(0, 1))
        angle = 2 * np.arccos(np.clip(1 - 2 * covers, -1, 1))
        suns.append(Sun(centre / np.linalg.norm(centre), taken.sum(axis=(0, 1)), float(angle)))
        rest = rest * (1 - share)
    return suns, rest


def _halved(pixels: np.ndarray) -> np.ndarray:
    """(H / 2, W / 2, 3) means of four pixels, by their solid angles; odd rows are cut."""
    high, wide = pixels.shape[0] // 2, pixels.shape[1] // 2
    solid = solid_angles(*pixels.shape[:2])[: 2 * high, :, None]
    weight = np.broadcast_to(solid, (2 * high, 2 * wide, 1)).reshape(high, 2, wide, 2, 1)
    blocks = (pixels[: 2 * high, : 2 * wide] * solid).reshape(high, 2, wide, 2, 3)
    return (blocks.sum(axis=(1, 3)) / weight.sum(axis=(1, 3))).astype(np.float32)
