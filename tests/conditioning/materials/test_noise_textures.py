# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise of many points at once beside noise of one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from backend.conditioning.anchors.materials.nodes import perlin


def points(count: int = 300, far: float = 1e4) -> np.ndarray:
    rng = np.random.default_rng(3)
    at = (rng.normal(size=(count, 4)) * 30).astype(np.float32)
    at[::17] *= far  # where lattices repeat
    at[5, 1], at[6, 2] = np.nan, np.inf
    return at


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("detail", [0.0, 2.0, 3.25])
def test_octaves_of_many_points_are_those_of_each(detail: float, normalize: bool) -> None:
    at = points()
    settings = np.tile(np.array([detail, 0.6, 2.1], np.float32), (len(at), 1))
    made = np.zeros(len(at), np.float32)
    perlin.fbm3(at, settings, normalize, made)
    alone = [perlin.fbm(3, *p[:3], np.float32(0), *settings[0], normalize) for p in at]
    np.testing.assert_allclose(made, alone, rtol=1e-4, atol=2e-5)
    mixed = settings.copy()
    mixed[::2, 0] = 1  # settings that differ take the other way
    perlin.fbm3(at, mixed, normalize, made)
    np.testing.assert_allclose(made[1::2], alone[1::2], rtol=1e-4, atol=2e-5)


def test_colours_of_noise_are_three_noises() -> None:
    at, out = points(40, 1), np.zeros((40, 3), np.float32)
    settings = np.tile(np.array([2, 0.5, 2, 0, 0, 0], np.float32), (40, 1))
    perlin.noise_texture(perlin.FBM, True, 3, at, settings, True, out)
    bent = settings.copy()
    bent[0, 5] = 1e-30  # the way of distorted noise, which goes point by point
    other = np.zeros_like(out)
    perlin.noise_texture(perlin.FBM, True, 3, at, bent, True, other)
    np.testing.assert_allclose(out, other, rtol=1e-4, atol=2e-5)
    assert np.ptp(out, axis=1).max() > 0.1
