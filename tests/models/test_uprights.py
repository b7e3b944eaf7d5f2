# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls that a guess of depth bends stand upright again where lines say that they do."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from backend.models.uprights import depth_stood_up, upright_lines
from backend.shared.camera import Camera, intrinsics, look_at

HEIGHT, WALL = 1.6, 5.0
WINDOWS = [(x, x + 0.5, 1.2, 2.6) for x in (-2.6, -1.7, -0.8, 0.1, 1.0, 1.9)]
DOOR = (-0.3, 0.3, 0.0, 2.1)


def viewer(pitch: float = 0.0, heading: float = 0.4) -> Camera:
    place = np.array([1.0, -2.0, HEIGHT])
    ahead = np.array([math.sin(heading), math.cos(heading), pitch])
    return Camera(intrinsics(1.3, 640, 480), look_at(place, place + ahead), 640, 480)


def level(camera: Camera) -> np.ndarray:
    ahead = np.array([camera.c2w[0, 2], camera.c2w[1, 2], 0])
    return ahead / np.linalg.norm(ahead)


def painted(camera: Camera, openings: list[tuple[float, ...]]) -> np.ndarray:
    """(H, W, 3) uint8: a light wall straight ahead with dark openings (left, right, foot, top)."""
    ahead = level(camera)
    right = np.array([ahead[1], -ahead[0], 0])
    rgb = np.full((480, 640, 3), 200, np.uint8)
    for a, b, low, high in openings:
        corners = [
            camera.position + WALL * ahead + x * right + [0, 0, z - HEIGHT]
            for x, z in ((a, low), (b, low), (b, high), (a, high))
        ]
        uv = camera.within(np.array(corners))[0]
        cv2.fillPoly(rgb, [np.rint(8 * uv).astype(np.int32)], (60, 40, 30), shift=3)
    return rgb


def depth_of(camera: Camera, lean: float = 0.0, wall: float = WALL) -> np.ndarray:
    """(H, W) of ground and a wall whose piece 1 m higher is `lean` of its distance farther."""
    rays = camera.rays()
    far = wall / np.maximum(rays @ level(camera), 1e-6)
    up = camera.position[2] + far * rays[..., 2]
    far = far * np.exp(lean * (up - 1.8))
    ground = camera.position[2] / np.maximum(-rays[..., 2], 1e-6)
    return np.minimum(far, ground).astype(np.float32)


def leaning(depth: np.ndarray, seen: np.ndarray, camera: Camera) -> float:
    """Mean spread of log distance over the ground in a column of what is `seen`."""
    reach = np.log(depth * np.hypot(*np.moveaxis(camera.rays()[..., :2], 2, 0)))
    return float(np.mean([np.ptp(reach[seen[:, x], x]) for x in range(640) if seen[:, x].any()]))


@pytest.mark.parametrize("pitch", [0.0, 0.1])
def test_a_leaning_wall_with_windows_stands_upright(pitch):
    camera = viewer(pitch)
    bent, seen = depth_of(camera, 0.12), painted(camera, WINDOWS)
    made = depth_stood_up(bent, seen, camera)
    before, after = (leaning(d, seen[..., 0] < 100, camera) for d in (bent, made))
    assert before > 0.1 and after < 0.6 * before
    assert made.dtype == np.float32 and made.shape == bent.shape


def test_the_foot_of_a_door_says_how_far_its_wall_is():
    camera = viewer()
    guess = depth_of(camera, wall=1.25 * WALL)  # the foot of the door lies on the ground
    made = depth_stood_up(guess, painted(camera, [DOOR]), camera)
    truth = depth_of(camera)
    rows, columns = np.nonzero(painted(camera, [DOOR])[..., 0] < 100)
    edge = (columns < columns.min() + 3) | (columns > columns.max() - 3)
    at = rows[edge], columns[edge]
    assert np.abs(np.log(guess[at] / truth[at])).mean() > 0.15
    assert np.abs(np.log(made[at] / truth[at])).mean() < 0.06


def test_nothing_changes_where_no_line_is_upright():
    camera = viewer()
    bent = depth_of(camera, 0.12)
    blank = painted(camera, [])
    assert np.array_equal(depth_stood_up(bent, blank, camera), bent)
    cv2.line(blank, (100, 100), (500, 300), (0, 0, 0), 3)
    assert not len(upright_lines(blank, camera))
    assert np.array_equal(depth_stood_up(bent, blank, camera), bent)


def test_sky_ground_and_what_stands_before_a_wall_stay():
    camera = viewer()
    bent = depth_of(camera, 0.12)
    bent[:40] = np.inf
    bent[200:300, 300:340] = 2.0  # someone before the wall
    made = depth_stood_up(bent, painted(camera, WINDOWS), camera)
    assert np.isinf(made[:40]).all()
    assert np.abs(made[200:300, 300:340] / 2.0 - 1).max() < 0.05
    ground = camera.position[2] + bent * camera.rays()[..., 2] < 0.01
    assert np.abs(made[ground & (bent < 3.5)] / bent[ground & (bent < 3.5)] - 1).max() < 0.02


def test_a_line_on_the_ground_is_no_wall():
    camera = viewer(-0.3)
    rgb = np.full((480, 640, 3), 200, np.uint8)
    cv2.line(rgb, (320, 479), (320, 330), (30, 30, 30), 4)  # a joint that runs straight ahead
    bent = depth_of(camera, 0.12)
    assert len(upright_lines(rgb, camera))
    assert np.array_equal(depth_stood_up(bent, rgb, camera), bent)
