# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strand of hair leaves of light."""

from __future__ import annotations

import numpy as np
import pytest

from backend.conditioning.anchors.materials.strand import absorption, pigments, scattered

IOR = np.float32(1.55)


def strand_albedo(absorbed: np.ndarray) -> np.ndarray:
    """All that leaves a strand."""
    return np.sum(scattered(absorbed, IOR), axis=0)


def test_a_strand_that_absorbs_nothing_leaves_all_light() -> None:
    np.testing.assert_allclose(strand_albedo(np.zeros(3, np.float32)), 1, atol=1e-5)


def test_a_black_strand_leaves_what_its_surface_reflects() -> None:
    left = strand_albedo(np.full(3, 1e3, np.float32))
    assert (left > 0.05).all() and (left < 0.15).all()


def test_strands_leave_more_than_the_hair_that_they_make() -> None:
    color = np.array([[0.3, 0.13, 0.04], [0.9, 0.5, 0.1]], np.float32)
    left = strand_albedo(absorption(color, np.float32(0.3)))
    assert left.shape == (2, 3)
    assert (left > color).all() and (left < 1).all()
    assert (np.diff(left, axis=1) < 0).all()


def test_pigments_are_brown_or_red() -> None:
    brown, red = (pigments(np.float32(0.5), np.float32(k)) for k in (0, 1))
    assert brown == pytest.approx(-np.log(0.5) * np.array([0.506, 0.841, 1.653]), rel=1e-5)
    assert red[0] < brown[0] and red[2] > brown[2]


def test_light_goes_on_through_fair_hair_and_comes_back_white_from_black() -> None:
    back, through = scattered(np.array([[0.1, 0.2, 0.4], [9.0, 9.0, 9.0]], np.float32), IOR)
    assert (through[0] > 3 * back[0]).all() and (np.diff(through[0]) < 0).all()
    assert (through[1] < 0.01).all() and np.ptp(back[1]) < 1e-3
