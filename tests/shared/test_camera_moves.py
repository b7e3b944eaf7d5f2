# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths by rule."""

from __future__ import annotations

import numpy as np
import pytest

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.camera_moves import key_poses, orbit, through
from backend.shared.errors import CameraError


def camera(place: tuple[float, float, float], target: tuple[float, float, float]) -> Camera:
    c2w = look_at(np.array(place), np.array(target))
    return Camera(intrinsics(1.0, 64, 48), c2w, 64, 48)


def test_an_orbit_keeps_its_distance_and_looks_at_its_middle() -> None:
    made = orbit(camera((0, 0, 0), (1, 0, 0)), np.array([1.0, 2, 0.5]), 3.0, 1.0, 8)
    for one in made:
        offset = one.position - (1, 2, 0.5)
        assert np.hypot(*offset[:2]) == pytest.approx(3.0) and offset[2] == pytest.approx(1.0)
        uv, z = one.project(np.array([[1.0, 2, 0.5]]))
        np.testing.assert_allclose(uv[0], (32, 24), atol=1e-6)
        assert z[0] > 0
    np.testing.assert_allclose(made[0].position, (4, 2, 1.5))  # from +x ...
    assert made[1].position[1] > 2  # ... counterclockwise
    places = np.array([one.position for one in made])
    assert np.linalg.norm(places[0] - places[-1]) > 1  # the first place is not there twice


def test_a_path_passes_its_cameras_and_is_smooth() -> None:
    keys = [camera(p, (0, 0, 1)) for p in ((3, 0, 1), (0, 3, 2), (-3, 0, 1), (-3, -3, 1))]
    made = through(keys, 301)
    np.testing.assert_allclose(made[0].c2w, keys[0].c2w, atol=1e-6)
    np.testing.assert_allclose(made[-1].c2w, keys[-1].c2w, atol=1e-6)
    places = np.array([one.position for one in made])
    for key in keys:
        nearest = int(np.linalg.norm(places - key.position, axis=1).argmin())
        np.testing.assert_allclose(places[nearest], key.position, atol=0.05)
        np.testing.assert_allclose(made[nearest].c2w[:3, :3], key.c2w[:3, :3], atol=0.05)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert steps.max() < 6 * np.median(steps)
    bends = np.linalg.norm(np.diff(places, 2, axis=0), axis=1)
    assert np.median(bends) < 0.05 * np.median(steps)


def test_a_turn_on_the_spot_takes_the_short_way() -> None:
    keys = [camera((0, 0, 0), (1, 0.1, 0)), camera((0, 0, 0), (-1, 0.1, 0))]
    for one in through(keys, 9):
        assert one.c2w[1, 2] > 0  # by way of +y, never behind the back


def test_lenses_change_evenly() -> None:
    near = camera((0, 0, 0), (1, 0, 0))
    long = Camera(intrinsics(0.5, 64, 48), near.c2w, 64, 48)
    middle = through([near, long], 3)[1]
    assert middle.K[0, 0] == pytest.approx((near.K[0, 0] + long.K[0, 0]) / 2)


def test_what_cannot_be_joined_is_refused() -> None:
    one = camera((0, 0, 0), (1, 0, 0))
    with pytest.raises(CameraError, match="two of them"):
        through([one], 5)
    with pytest.raises(CameraError, match="differ in size"):
        through([one, one.resized(32, 24)], 5)
    with pytest.raises(CameraError, match="radius"):
        orbit(one, np.zeros(3), 0.0, 1.0, 4)


def test_keys_stand_where_a_walk_bends() -> None:
    straight = [camera((x, 0, 0), (x, 9, 0)) for x in np.linspace(0, 2, 40)]
    corner = [camera((2, y, 0), (2, 9, 0)) for y in np.linspace(0, 2, 40)[1:]]
    turn = [camera((2, 2, 0), (2 + np.sin(a), 2 + np.cos(a), 0)) for a in np.linspace(0, 1, 30)[1:]]
    poses = np.array([one.c2w for one in straight + corner + turn])
    kept = key_poses(poses, 0.02, 0.01)
    assert kept == [0, 39, 78, 107]
    wavy = poses.copy()
    wavy[:40, 2, 3] = 0.1 * np.sin(np.linspace(0, 6, 40))
    assert len(key_poses(wavy, 0.02, 0.01)) > 6
    assert key_poses(poses[:1], 0.02, 0.01) == [0]
