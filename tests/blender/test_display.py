# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels on their way to the screen, which need no Blender to be tried."""

from __future__ import annotations

from types import ModuleType

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extension import extension_part


@pytest.fixture(scope="module")
def display() -> ModuleType:
    return extension_part("display")


def slow_without_specks(depth: np.ndarray) -> np.ndarray:
    """Twin of `without_specks`: a loop over pixels."""
    height, width = depth.shape
    far = np.where(depth > 0, depth, np.inf)
    made = np.zeros_like(depth)
    for y in range(height):
        for x in range(width):
            rows = [y, max(y - 1, 0), min(y + 1, height - 1), y, y]
            columns = [x, x, x, max(x - 1, 0), min(x + 1, width - 1)]
            middle = np.median(far[rows, columns])
            made[y, x] = middle if np.isfinite(middle) else 0
    return made


depths = st.one_of(st.just(0.0), st.floats(0.125, 1000, width=32))
shapes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float32, shapes, elements=depths))
def test_specks_go_as_in_the_slow_twin(display, depth):
    found = display.without_specks(depth)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, slow_without_specks(depth))


def test_a_speck_goes_and_edges_and_lines_stay(display):
    depth = np.full((12, 12), 4.0, np.float32)
    depth[:, 6:] = 2.0
    depth[:, 3] = 1.0
    depth[4, 9], depth[8, 8] = 7.0, 0.0
    wanted = depth.copy()
    wanted[4, 9] = wanted[8, 8] = 2.0
    np.testing.assert_array_equal(display.without_specks(depth), wanted)


@pytest.mark.parametrize(("size", "made"), [((128, 192), (129, 192)), ((64, 2, 4), (65, 3, 4))])
def test_sides_of_textures_are_no_powers_of_two(display, size, made):
    values = np.random.default_rng(0).random(size, np.float32)
    found = display.without_twos(values)
    assert found.shape == made and found.dtype == np.float32
    np.testing.assert_array_equal(found[: size[0], : size[1]], values)
    np.testing.assert_array_equal(found[-1, -1], values[-1, -1])


def test_other_sides_stay(display):
    values = np.zeros((192, 344, 4), np.float32)
    assert display.without_twos(values).shape == values.shape
