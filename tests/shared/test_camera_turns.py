# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras from angles: what `facing` and `about_vertical` promise, for any angles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.shared.camera import about_vertical, facing

angles = st.floats(-3, 3)
slopes = st.floats(-1.4, 1.4)


@given(angles, slopes, angles)
def test_a_facing_camera_looks_where_the_angles_say(yaw, pitch, roll):
    turn = facing(yaw, pitch, roll)
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    right, down, forward = turn.T
    assert np.arcsin(forward[2]) == pytest.approx(pitch)
    np.testing.assert_allclose(
        forward[:2], np.cos(pitch) * np.array([np.sin(yaw), np.cos(yaw)]), atol=1e-12
    )
    # a level camera's right is horizontal and its down points down; roll turns both clockwise
    assert right[2] == pytest.approx(-np.sin(roll) * np.cos(pitch))
    assert down[2] == pytest.approx(-np.cos(roll) * np.cos(pitch))


@given(angles, angles, slopes)
def test_turning_about_the_vertical_changes_the_yaw_alone(angle, yaw, pitch):
    np.testing.assert_allclose(
        about_vertical(angle) @ facing(yaw, pitch), facing(yaw - angle, pitch), atol=1e-12
    )
