# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things that a guess of depth lays on the ground stand on it where their feet are."""

from __future__ import annotations

import numpy as np
import pytest

from backend.models.standing import Standing, depth_standing, standing_things
from backend.shared.camera import Camera, intrinsics, look_at

HEIGHT = 1.6


def viewer(pitch: float = 0.0, size: tuple[int, int] = (320, 240)) -> Camera:
    place = np.array([1.0, -2.0, HEIGHT])
    ahead = place + np.array([0.4, 1.0, pitch])
    return Camera(intrinsics(1.2, *size), look_at(place, ahead), *size)


def scene(
    camera: Camera, things: list[tuple[float, ...]]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """z-depth (H, W) of ground before a far wall with upright cards (azimuth off straight ahead,
    half width in radians, distance over the ground, height in metres), ground, where each is."""
    rays = camera.rays()
    across = np.hypot(rays[..., 0], rays[..., 1])
    ahead = np.arctan2(camera.c2w[0, 2], camera.c2w[1, 2])
    azimuth = np.arctan2(rays[..., 0], rays[..., 1]) - ahead
    flat = HEIGHT / np.maximum(-rays[..., 2], 1e-6)
    depth = np.minimum(flat, 40 / across)
    ground, found = depth == flat, []
    for middle, half, distance, high in things:
        up = HEIGHT + distance / across * rays[..., 2]
        seen = (np.abs(azimuth - middle) < half) & (up > 0) & (up < high)
        depth = np.where(seen, distance / across, depth)
        ground &= ~seen
        found.append(seen)
    return depth.astype(np.float32), ground.astype(np.float32), found


def reach(depth: np.ndarray, camera: Camera) -> np.ndarray:
    return np.asarray(np.log(depth * np.hypot(*np.moveaxis(camera.rays()[..., :2], 2, 0))))


@pytest.mark.parametrize("pitch", [0.0, -0.4])
def test_a_person_who_was_laid_on_the_ground_stands(pitch):
    camera = viewer(pitch)
    depth, ground, (person,) = scene(camera, [(0.1, 0.05, 5.0, 1.5)])
    closer = np.where(person, depth * np.exp(0.1), depth)  # told apart, but a little too far
    laid = scene(camera, [])[0]
    found = standing_things(closer.astype(np.float32), ground, camera)
    stands = depth_standing(laid, found, camera)
    inner = person & found.things
    assert inner.sum() > 0.8 * person.sum()
    off = reach(stands, camera)[inner] - np.log(5.0)
    assert np.abs(off).mean() < 0.03 and np.ptp(reach(laid, camera)[inner]) > 0.5
    assert np.array_equal(stands[~found.things], laid[~found.things])


def test_what_is_low_and_wide_is_seen_from_above_and_stays():
    camera = viewer(-0.3)
    depth, ground, _ = scene(camera, [(0.0, 0.25, 3.0, 0.5)])
    assert not standing_things(depth, ground, camera).things.any()


def test_a_house_is_told_as_upright_lines_with_their_feet():
    camera = viewer()
    depth, ground, _ = scene(camera, [(0.0, 0.3, 8.0, 5.0)])
    found = standing_things(depth, ground, camera)
    house = found.lines[found.lines[:, 2] < -0.1]  # the others are those of the wall behind it
    assert not found.things.any() and len(house) > 20
    assert np.tan(-house[:, 2]) == pytest.approx(HEIGHT / 8.0, rel=0.1)
    assert np.tan(house[:, 1]) == pytest.approx((5.0 - HEIGHT) / 8.0, rel=0.1)


def test_bare_ground_has_nothing_on_it():
    camera = viewer()
    depth, ground, _ = scene(camera, [])
    found = standing_things(depth, ground, camera)
    assert isinstance(found, Standing) and not found.things.any()
