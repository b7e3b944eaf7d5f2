# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and the walls' directions of a reconstruction whose axes are anyone's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.shared.camera import Camera
from backend.world.importers.capture_axes import Vote, agreed_turn, lines_vote
from backend.world.importers.gauge import upright_turn
from tests.world.test_photo_match import SIZE, facing, noisy_segments

GAUGE = Rotation.from_euler("xyz", (0.7, -0.4, 1.9)).as_matrix()
"""From the world's axes to those of the reconstruction."""


def rays(camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """(N, 4) segments of the scene along its axes, among clutter, on the plane z = 1."""
    focal, centre = camera.K[0, 0], np.tile(np.array(SIZE) / 2, 2)
    return (noisy_segments(camera, rng) - centre) / focal


def reconstructed(camera: Camera) -> np.ndarray:
    c2w = np.eye(4)
    c2w[:3, :3] = GAUGE @ camera.c2w[:3, :3]
    return c2w


def degrees(turn: np.ndarray) -> float:
    """Between the found up and the true one."""
    return math.degrees(math.acos(min(1.0, float(turn[2] @ GAUGE[:, 2]))))


def test_photos_that_look_down_are_levelled_by_their_lines():
    rng = np.random.default_rng(1)
    cameras = [facing(yaw, -0.3, 0.02, 1.1) for yaw in (0.5, 0.7, 0.9)]
    c2w = np.array([reconstructed(camera) for camera in cameras])
    up = np.tile([0.0, -1.0], (3, 1))
    guess = upright_turn(c2w, up)
    assert degrees(guess) > 3
    votes = [lines_vote(rays(camera, rng), camera.K[0, 0], SIZE, pose, (0, -1))
             for camera, pose in zip(cameras, c2w, strict=True)]  # fmt: skip
    turn = agreed_turn([vote for vote in votes if vote is not None], guess)
    assert turn is not None and degrees(turn) < 0.5
    assert np.linalg.det(turn) == pytest.approx(1)
    along = np.abs(turn @ GAUGE)  # the walls' directions are axes again, in any order
    assert np.abs(np.sort(along[:2, :2].ravel()) - [0, 0, 1, 1]).max() < 0.02


def test_a_photo_that_was_taken_upright_is_stored_on_its_side():
    """EXIF's orientation 6: the top of what was seen is the left of what is stored."""
    rng = np.random.default_rng(2)
    seen = facing(0.6, -0.2, 0.0, 1.1)
    stored = rays(seen, rng).reshape(-1, 2) @ np.array([[0.0, -1.0], [1.0, 0.0]])
    turned = np.eye(4)
    turned[:3, :3] = reconstructed(seen)[:3, :3] @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    up = (-1, 0)
    guess = upright_turn(turned[None], np.array([up]))
    assert degrees(guess) < 20, "not lying on its side"
    vote = lines_vote(stored.reshape(-1, 4), seen.K[0, 0], SIZE[::-1], turned, up)
    assert vote is not None
    turn = agreed_turn([vote], guess)
    assert turn is not None and degrees(turn) < 0.5


def test_votes_that_say_different_things_change_nothing():
    guess = np.eye(3)
    apart = [Vote(Rotation.from_rotvec((0, 0, a)).as_matrix(), 0.4) for a in (0.0, 0.3, 0.6)]
    assert agreed_turn(apart, guess) is None
    assert agreed_turn([], guess) is None
    assert agreed_turn([Vote(np.eye(3), 0.3)], guess) is None, "one photo that is not sure"
    slanted = Rotation.from_rotvec((0.7, 0, 0)).as_matrix()
    assert agreed_turn([Vote(slanted, 0.9)] * 2, guess) is None, "a roof is not the ground"


def test_the_right_angles_of_votes_may_be_named_in_any_order():
    true = Rotation.from_rotvec((0.05, -0.1, 0.2)).as_matrix()
    orders = ([0, 1, 2], [1, 2, 0], [2, 0, 1])
    found = agreed_turn([Vote(true[order], 0.5) for order in orders], np.eye(3))
    assert found == pytest.approx(true, abs=1e-9)
