# SPDX-License-Identifier: GPL-3.0-or-later
"""The pop-up: ground cut out by its looks, what stands on it rises from its edge."""

from __future__ import annotations

import numpy as np

from backend.models.depth import level_directions
from backend.models.pop_up import pop_up
from backend.shared.camera import Camera, intrinsics, look_at


def street() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A green ground, a brown wall across it 5 heights ahead: picture, rays, log distance."""
    camera = Camera(intrinsics(1.2, 96, 64), look_at(np.zeros(3), np.array([0, 1.0, -0.1])), 96, 64)
    rays = level_directions(camera)
    with np.errstate(divide="ignore"):
        ground = np.where(rays[..., 2] < 0, -1 / rays[..., 2], np.inf)
    wall = 5 / rays[..., 1]
    rng = np.random.default_rng(0)
    rgb = np.where((ground < wall)[..., None], (60, 150, 60), (150, 90, 60)).astype(float)
    rgb += rng.normal(0, 6, rgb.shape)
    return rgb.clip(0, 255).astype(np.uint8), rays, np.log(np.minimum(ground, wall))


def test_a_wall_stands_where_the_ground_ends():
    rgb, rays, truth = street()
    found = pop_up(rgb, rays)
    error = np.abs(found.log_distance - truth)
    assert np.median(error) < 0.05
    assert np.percentile(error, 90) < 0.25
    assert ((truth == np.log(1 / np.maximum(-rays[..., 2], 1e-9))) == found.ground).mean() > 0.95


def test_the_same_picture_gives_the_same_depth():
    rgb, rays, _ = street()
    first, second = pop_up(rgb, rays), pop_up(rgb, rays)
    assert np.array_equal(first.log_distance, second.log_distance)


def test_views_without_ground_have_no_pop_up():
    up = Camera(intrinsics(0.8, 64, 64), look_at(np.zeros(3), np.array([0, 1.0, 1.5])), 64, 64)
    assert pop_up(np.full((64, 64, 3), 120, np.uint8), level_directions(up)) is None
    down = Camera(intrinsics(0.8, 64, 64), look_at(np.zeros(3), np.array([0, 1.0, -3])), 64, 64)
    assert pop_up(np.full((64, 64, 3), 120, np.uint8), level_directions(down)) is None
