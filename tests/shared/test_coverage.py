# SPDX-License-Identifier: GPL-3.0-or-later
"""Views that fill the gaps of memory."""

from __future__ import annotations

import numpy as np
import pytest

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.coverage import (
    Shown,
    beside,
    choose_views,
    could_see,
    merged,
    per_frame,
    seen_by,
)
from backend.shared.frame import MemoryFrame


def camera(place: tuple[float, float, float], target: tuple[float, float, float]) -> Camera:
    c2w = look_at(np.array(place), np.array(target))
    return Camera(intrinsics(1.0, 64, 48), c2w, 64, 48)


def test_the_choice_is_greedy_and_ends_at_its_aim() -> None:
    visible = np.zeros((4, 100), bool)
    visible[0, :60], visible[1, 50:90], visible[2, 60:70], visible[3, 90:] = True, True, True, True
    weights, nothing = np.ones(100), np.zeros(100, bool)
    choice = choose_views(visible, weights, nothing, 0.98, 9)
    assert choice.views == [0, 1, 3] and choice.before == 0
    assert choice.shares == pytest.approx([0.6, 0.9, 1.0])
    assert choose_views(visible, weights, nothing, 0.85, 9).views == [0, 1]
    assert choose_views(visible, weights, nothing, 0.98, 1).views == [0]
    half = np.arange(100) < 60  # seen before
    assert choose_views(visible, weights, half, 0.98, 9).views == [1, 3]
    heavy = np.where(np.arange(100) >= 90, 50.0, 1.0)  # shown in many frames
    assert choose_views(visible, heavy, nothing, 0.98, 9).views[0] == 3


def test_what_nobody_can_see_does_not_go_on_for_ever() -> None:
    visible = np.zeros((2, 10), bool)
    visible[0, :4] = True
    choice = choose_views(visible, np.ones(10), np.zeros(10, bool), 0.98, 9)
    assert choice.views == [0] and choice.shares == pytest.approx([0.4])
    assert choose_views(visible[:0], np.ones(10), np.zeros(10, bool), 0.98, 9).views == []


def test_points_must_be_inside_faced_and_not_behind_what_was_seen() -> None:
    view = camera((0, -4, 0), (0, 0, 0))
    xyz = np.array([[0, 0, 0], [9, 0, 0], [0, 0, 0], [0, 2, 0], [0, -8.0, 0]])
    normal = np.array([[0, -1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1.0, 0]])
    assert could_see(view, xyz, normal).tolist() == [True, False, False, True, False]
    depth = np.full((48, 64), 4.0, np.float32)
    frame = MemoryFrame("m", "m", view, np.zeros((48, 64, 3), np.uint8), depth)
    assert seen_by(frame, xyz, normal).tolist() == [True, False, False, False, False]
    blind = MemoryFrame("n", "n", view, np.zeros((48, 64, 3), np.uint8), None)
    assert not seen_by(blind, xyz, normal).any()


def test_hits_become_points_and_frames_have_shares() -> None:
    xyz = np.array([[0.01, 0, 0], [0.02, 0, 0], [0.02, 0, 0], [1.0, 0, 0]])
    normal = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 1.0]])
    shown = merged(xyz, normal, np.array([0, 1, 1, 1]), 0.1, 3)
    assert len(shown.xyz) == 3 and len(shown.pairs) == 4
    floor = int(np.flatnonzero((shown.xyz[:, 0] < 0.5) & (shown.normal[:, 2] > 0))[0])
    assert shown.weights[floor] == 2
    seen = np.zeros(3, bool)
    seen[floor] = True
    assert per_frame(shown, seen) == pytest.approx([1.0, 1 / 3, 1.0])


def test_cameras_beside_the_path_look_the_same_way() -> None:
    path = [camera((0, -4, 1), (0, 0, 1)), camera((1, -4, 1), (1, 0, 1))]
    made = beside(path, 0.5)
    assert len(made) == 8 and made[:2] == path
    assert all(np.array_equal(c.c2w[:3, :3], path[0].c2w[:3, :3]) for c in made)
    places = {tuple(np.round(c.position, 6)) for c in made}
    assert {(0.5, -4, 1), (-0.5, -4, 1), (0, -4, 1.5)} <= places


def test_a_hidden_part_needs_a_second_view() -> None:
    """A wall hides half of a floor from the first camera; the second sees it."""
    xyz = np.array([[x, 0.0, 0.0] for x in np.linspace(-1, 1, 40)])
    shown = Shown(xyz, np.tile([0, 0, 1.0], (40, 1)), np.stack([np.zeros(40, int),
                  np.arange(40)], 1), 1)  # fmt: skip
    visible = np.stack([xyz[:, 0] < 0, xyz[:, 0] > -0.2])
    choice = choose_views(visible, shown.weights, np.zeros(40, bool), 0.98, 5)
    assert set(choice.views) == {0, 1} and choice.shares[-1] == pytest.approx(1.0)
