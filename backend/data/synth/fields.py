# SPDX-License-Identifier: GPL-3.0-or-later
"""Tileable fields that textures and terrain are made of: noise, streaks, cells."""

from __future__ import annotations

import numpy as np

SIZE = 256
"""Samples along each side of a field and of a texture."""

Field = np.ndarray
U, V = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE)
_FREQUENCY = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]) * SIZE


def noise(rng: np.random.Generator, low: float, high: float, power: float = 1.0) -> Field:
    """Tileable noise in [0, 1] with frequencies low..high cycles a tile, amplitude f^-power."""
    gain = np.where((low <= _FREQUENCY) & (high >= _FREQUENCY), (_FREQUENCY + 1e-9) ** -power, 0)
    phase = rng.random(_FREQUENCY.shape)
    field = np.fft.irfft2(gain * np.exp(2j * np.pi * phase), s=(SIZE, SIZE))
    return np.clip(0.5 + 0.2 * field / (field.std() + 1e-12), 0, 1)


def streaks(rng: np.random.Generator, along: float, across: float) -> Field:
    """Noise drawn out along u: about `along` cycles along u and `across` along v."""
    fu = np.abs(np.fft.rfftfreq(SIZE)[None]) * SIZE / along
    fv = np.abs(np.fft.fftfreq(SIZE)[:, None]) * SIZE / across
    gain = np.exp(-0.5 * (fu**2)) * (fv < 1) * np.minimum(1, fv * 8)
    spectrum = gain * np.exp(2j * np.pi * rng.random(gain.shape))
    field = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return np.clip(0.5 + 0.2 * field / (field.std() + 1e-12), 0, 1)


def cells(rng: np.random.Generator, count: int, jitter: float = 0.9) -> tuple[Field, Field, Field]:
    """Voronoi: distance to the nearest seed, to the border (both in cells), id in [0, 1)."""
    spots = (0.5 + jitter * (rng.random((count, count, 2)) - 0.5)).astype(np.float32)
    ids = rng.random((count, count))
    u, v = U * count, V * count
    i, j = np.floor(v).astype(int), np.floor(u).astype(int)
    near = np.full(u.shape, 9.0)
    second, which = near.copy(), near.copy()
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            spot = spots[(i + a) % count, (j + b) % count]
            dist = np.hypot(i + a + spot[..., 0] - v, j + b + spot[..., 1] - u)
            closer = dist < near
            second = np.where(closer, near, np.minimum(second, dist))
            which = np.where(closer, ids[(i + a) % count, (j + b) % count], which)
            near = np.where(closer, dist, near)
    return near, second - near, which


def mix(a: np.ndarray, b: np.ndarray, t: Field) -> np.ndarray:
    """Colours a, b (3,) or (S, S, 3) blended by t (S, S)."""
    return a + (b - a) * np.clip(t, 0, 1)[..., None]


def ramp(colors: np.ndarray, t: Field) -> np.ndarray:
    """Colours (n, 3) interpolated along t in [0, 1]."""
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, at, colors[:, c]) for c in range(3)], -1)
