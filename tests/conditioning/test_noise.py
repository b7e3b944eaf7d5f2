# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that sticks to surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.conditioning.anchors.rays import computed_rays
from backend.conditioning.noise import world_noise
from backend.conditioning.view import View
from backend.shared.camera import Camera
from tests.scenes.world_room import room_camera, trace


def _noise(camera: Camera, seed: int = 0, channels: int = 4) -> torch.Tensor:
    return world_noise(View(camera), torch.from_numpy(trace(camera)[1]), seed, channels)


@pytest.mark.parametrize("channels", [1, 4, 10])
def test_values_are_standard_normal_and_channels_independent(channels: int) -> None:
    noise = _noise(room_camera(size=(160, 120)), channels=channels)
    assert noise.shape == (channels, 120, 160) and noise.dtype == torch.float32
    flat = noise.reshape(channels, -1)
    assert flat.mean(dim=1).abs().max() < 0.04
    assert (flat.std(dim=1) - 1).abs().max() < 0.04
    assert ((flat**4).mean(dim=1) - 3).abs().max() < 0.4
    correlation = torch.corrcoef(flat) if channels > 1 else torch.ones(1, 1)
    assert (correlation - torch.eye(channels)).abs().max() < 0.05
    across = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert across.abs() < 0.2


def test_a_point_keeps_its_noise_when_the_camera_turns_and_moves_a_little() -> None:
    camera = room_camera()
    _, depth = trace(camera)
    noise = _noise(camera)
    point = camera.position + depth[60, 30] * camera.rays()[60, 30].astype(np.float64)
    # cameras whose middle pixel looks exactly at that point
    for place, bound in (((0.0, -3.0, 0.2), 1e-3), ((0.05, -3.0, 0.25), 0.1)):
        size = (31, 31)
        other = room_camera(place, tuple(point), size)
        K = camera.K.copy()
        K[:2, 2] = 15.5
        other = Camera(K, other.c2w, *size)
        seen = _noise(other)
        assert abs(trace(other)[1][15, 15] - other.project(point[None])[1][0]) < 1e-4
        assert (seen[:, 15, 15] - noise[:, 60, 30]).abs().max() < bound


def test_noise_of_the_sky_follows_the_direction_only() -> None:
    camera = room_camera()
    sky = torch.full((96, 128), torch.inf)
    c2w = camera.c2w.copy()
    c2w[:3, 3] += (5.0, -7.0, 1.0)
    moved = Camera(camera.K, c2w, 128, 96)
    here, there = world_noise(View(camera), sky, 1, 4), world_noise(View(moved), sky, 1, 4)
    torch.testing.assert_close(here, there)
    unknown = world_noise(View(camera), torch.zeros(96, 128), 1, 4)
    torch.testing.assert_close(here, unknown)
    assert (here.std() - 1).abs() < 0.05


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_seeds_give_fields_of_their_own_and_the_same_again(seed: int) -> None:
    camera = room_camera(size=(64, 48))
    a, b, c = _noise(camera, seed), _noise(camera, seed), _noise(camera, seed + 1)
    assert torch.equal(a, b)
    assert (a * c).mean().abs() < 0.1


def test_the_field_changes_smoothly_while_the_camera_advances() -> None:
    before = _noise(room_camera((0.0, -3.0, 0.2)))
    after = _noise(room_camera((0.0, -2.9995, 0.2)))
    far = _noise(room_camera((0.0, -1.0, 0.2)))
    assert (before - after).abs().mean() < 0.1
    assert (before - far).abs().mean() > 0.7


def test_rays_computed_on_a_device_are_the_cameras() -> None:
    camera = room_camera((0.4, -2.2, 0.7), size=(37, 21)).cropped(3, -2, 40, 30)
    computed = computed_rays(camera, torch.device("cpu")).numpy()
    assert np.abs(computed - camera.rays()).max() < 3e-7
