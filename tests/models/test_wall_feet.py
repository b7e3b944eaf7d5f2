# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls come as near as the feet of what stands against them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.models.depth import level_directions
from backend.models.depth_maps import held_to_room
from backend.models.room_box import Box
from backend.models.wall_feet import stood_on_ground
from backend.shared.camera import Camera, intrinsics, look_at

HEIGHT, WALL = 1.6, 4.0
SEEN = Box(0.0, np.array([np.inf, np.inf, 1.3 * WALL / HEIGHT, np.inf, np.inf]), 0.1)
"""The room whose wall ahead is taken to be 30 % too far away."""


def camera(heading: float = 0.0) -> Camera:
    place = np.array([2.0, 1.0, HEIGHT])
    ahead = np.array([np.sin(heading), np.cos(heading), -0.15])
    return Camera(intrinsics(1.2, 640, 480), look_at(place, place + ahead), 640, 480)


def picture(view: Camera, doors: list[tuple[float, float]], foot: float = 0.0) -> np.ndarray:
    """Dark doors on a light wall: left and right border in metres, from `foot` to 2.1 m up."""
    ahead = np.array([view.c2w[0, 2], view.c2w[1, 2], 0])
    ahead /= np.linalg.norm(ahead)
    right = np.array([ahead[1], -ahead[0], 0])
    rgb = np.full((480, 640, 3), 200, np.uint8)
    for a, b in doors:
        corners = [
            view.position + WALL * ahead + x * right + [0, 0, z - HEIGHT]
            for x, z in ((a, foot), (b, foot), (b, 2.1), (a, 2.1))
        ]
        uv = view.within(np.array(corners))[0]
        cv2.fillPoly(rgb, [np.rint(8 * uv).astype(np.int32)], (60, 30, 30), shift=3)
    return rgb


@pytest.mark.parametrize("heading", [0.0, 0.7])
def test_a_wall_stands_where_its_doors_end(heading):
    view = camera(heading)
    found = stood_on_ground(SEEN, picture(view, [(-1.0, -0.2), (0.4, 1.2)]), view)
    assert found.offsets[2] * HEIGHT == pytest.approx(WALL, rel=0.03)
    assert np.isinf(np.delete(found.offsets, 2)).all()


@pytest.mark.parametrize(
    ("doors", "foot"),
    [
        ([(-1.0, -0.2), (0.4, 1.2)], 0.9),  # windows
        ([(0.2, 0.24)], 0.0),  # one post: both lines are its edges
        ([], 0.0),
    ],
)
def test_a_wall_without_feet_stays(doors, foot):
    view = camera()
    assert np.array_equal(
        stood_on_ground(SEEN, picture(view, doors, foot), view).offsets, SEEN.offsets
    )


def test_what_lay_on_a_wall_comes_nearer_with_it():
    view = camera()
    directions = level_directions(view.resized(64, 48))
    maps = np.zeros((48, 64, 3), np.float32)
    maps[..., 0] = SEEN.log_distance(directions)
    rgb = picture(view, [(-1.0, -0.2), (0.4, 1.2)])
    kept, box = held_to_room(maps, directions, 0.0, lambda box: stood_on_ground(box, rgb, view))
    assert box is not None and not kept[..., 0].any()
    assert box.offsets[2] * HEIGHT == pytest.approx(WALL, rel=0.1)
