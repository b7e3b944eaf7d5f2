# SPDX-License-Identifier: GPL-3.0-or-later
"""The box that a room's distances fit, and pictures that are held to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.depth import level_directions
from backend.models.depth_maps import YAWS, held_to_room
from backend.models.room_box import Box, fit_box
from backend.shared.camera import Camera, intrinsics, look_at

ROOM = np.array([2.5, 1.8, 4.0, np.inf, 0.9])


def rays(size: tuple[int, int] = (48, 36), pitch: float = -0.1) -> np.ndarray:
    target = np.array([0, 1.0, pitch])
    return level_directions(Camera(intrinsics(1.3, *size), look_at(np.zeros(3), target), *size))


def traced(box: Box, directions: np.ndarray) -> np.ndarray:
    """Log distances, plane after plane and pixel after pixel."""
    first = np.array([math.cos(box.yaw), math.sin(box.yaw), 0])
    second = np.array([-first[1], first[0], 0])
    normals = [first, -first, second, -second, np.array([0, 0, 1.0]), np.array([0, 0, -1.0])]
    out = np.zeros(directions.shape[:-1])
    for at in np.ndindex(out.shape):
        met = [400.0]
        for normal, offset in zip(normals, [*box.offsets, 1.0], strict=True):
            toward = float(directions[at] @ normal)
            if toward > 0 and np.isfinite(offset):
                met.append(offset / toward)
        out[at] = math.log(min(met))
    return out


@settings(max_examples=10, deadline=None)
@given(yaw=st.floats(0, 1.5), pitch=st.floats(-0.8, 0.8))
def test_distances_are_those_of_a_slow_tracer(yaw, pitch):
    box, directions = Box(yaw, ROOM, 0.0), rays((12, 9), pitch)
    assert np.allclose(box.log_distance(directions), traced(box, directions), atol=1e-5)


@pytest.mark.parametrize("angle", [0, 30, 70])
def test_a_room_with_furniture_is_found(angle):
    directions = rays()
    room = Box(math.radians(angle), np.array([2.5, 1.8, 4.0, np.inf, 0.9]), 0.0)
    seen = room.log_distance(directions)
    seen[20:30, 10:20] -= 0.7  # a chair
    seen += np.random.default_rng(0).normal(0, 0.1, seen.shape)
    found = fit_box(directions.reshape(-1, 3), seen.ravel(), YAWS)
    assert found.yaw == pytest.approx(room.yaw)
    wrong = np.abs(found.log_distance(directions) - room.log_distance(directions))
    assert wrong.mean() < 0.05 and found.error < 0.2


def test_what_nearly_lies_on_a_wall_lies_on_it_and_the_rest_stays():
    directions = rays()
    room = Box(0.0, np.array([2.5, 1.8, 4.0, np.inf, 0.9]), 0.0)
    seen = room.log_distance(directions)
    bent = seen + 0.08 * np.sin(np.arange(48) / 8)
    bent[14:22, 18:26] -= 0.9
    maps = np.stack([bent, np.zeros_like(bent), np.zeros_like(bent)], axis=-1)
    maps[2:4, 8:14] = [-1.0, 0.0, 1.0]  # a bit of sky in a window, its distance unknown
    off, box = held_to_room(maps, directions, axis=0.0)
    assert box is not None and box.yaw == 0.0
    distance = off[..., 0] + box.log_distance(directions)
    chair = np.zeros(bent.shape, bool)
    chair[14:22, 18:26] = True
    assert (off[2:4, 8:14] == 0).all() and not off[..., 2].any()
    bent[2:4, 8:14] = seen[2:4, 8:14]
    assert (off[~chair][:, 0] == 0).mean() > 0.9
    assert np.allclose(distance[chair], bent[chair], atol=1e-5)
    floor = box.shows_ground(directions) & ~chair
    assert floor.any() and off[floor][:, 1].mean() > 0.9 and off[chair][:, 1].max() == 0


def test_pictures_with_sky_are_taken_as_they_are():
    maps = np.zeros((36, 48, 3), np.float32)
    maps[:4, :, 2] = 1.0
    kept, box = held_to_room(maps, rays(), axis=0.0)
    assert box is None and kept is maps


def test_the_scenes_axes_are_preferred():
    """A backdrop without corners fits any turn about as well."""
    directions = rays()
    seen = Box(0.0, np.full(5, np.inf), 0.0).log_distance(directions)
    seen = np.minimum(seen, 1.2) + np.random.default_rng(1).normal(0, 0.1, seen.shape)
    maps = np.stack([seen, 0 * seen, 0 * seen], axis=-1)
    _, box = held_to_room(maps, directions, axis=0.123)
    assert box is not None and box.yaw == 0.123


def test_what_no_box_fits_is_taken_as_it_is():
    maps = np.zeros((36, 48, 3), np.float32)
    maps[..., 0] = np.random.default_rng(0).normal(1, 0.6, (36, 48))
    kept, box = held_to_room(maps, rays(), axis=0.0)
    assert box is None and kept is maps
