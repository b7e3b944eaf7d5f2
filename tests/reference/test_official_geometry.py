# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference's geometry against loops written from its description."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.reference.panorama import (
    clean_depth,
    condition_angles,
    condition_image,
    lift_panorama,
    view_basis,
    view_c2w,
)
from backend.reference.points import ReferencePoints, inverse, render_reference
from backend.reference.views import (
    ReferenceViews,
    SelectionSettings,
    sample_pixels,
    select_reference_view,
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def slow_render(xyz, rgb, K, w2c, size):
    """The nearest point of every pixel, the first of those equally near: the renderer's oracle."""
    width, height = size
    depth = np.zeros((height, width), np.float32)
    picture = np.zeros((height, width, 3), np.uint8)
    for point, colour in zip(xyz, rgb, strict=True):
        x, y, z = (w2c[:3, :3] @ point + w2c[:3, 3]).astype(np.float64)
        if not (1e-3 < z < 1e6):
            continue
        column, row = round(K[0, 0] * x / z + K[0, 2]), round(K[1, 1] * y / z + K[1, 2])
        if not (0 <= column < width and 0 <= row < height):
            continue
        if depth[row, column] == 0 or z < depth[row, column] - 1e-4:
            depth[row, column] = z
            picture[row, column] = colour
    return picture, depth


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_points_land_where_a_loop_puts_them(seed):
    rng = np.random.default_rng(seed)
    # a lattice of pixels and depths: no point lies near a border or near another's depth
    pixels = rng.integers(-2, 9, (60, 2)) + rng.uniform(-0.3, 0.3, (60, 2))
    z = rng.permutation(60) * 0.1 + 0.5
    K = np.array([[10.0, 0, 4], [0, 12.0, 3], [0, 0, 1]])
    local = np.stack([(pixels[:, 0] - 4) / 10 * z, (pixels[:, 1] - 3) / 12 * z, z], axis=1)
    c2w = view_c2w(0.7, 0.3)
    c2w[:3, 3] = [1.0, -2.0, 0.5]
    xyz = (local @ c2w[:3, :3].T + c2w[:3, 3]).astype(np.float32)
    rgb = rng.integers(0, 256, (60, 3)).astype(np.uint8)
    points = ReferencePoints.of(xyz, rgb, half=False)
    picture, depth = render_reference(points, K, inverse(c2w), (8, 6))
    expected, expected_depth = slow_render(xyz, rgb, K, inverse(c2w), (8, 6))
    np.testing.assert_allclose(depth, expected_depth, rtol=1e-4)
    assert np.abs(picture.astype(int) - expected).max() <= 1  # a colour is a share of 255, cut off


def test_softmin_mixes_what_lies_close_behind():
    xyz = np.array([[0, 0, 1.0], [0, 0, 1.001], [0, 0, 1.5]], np.float32)
    rgb = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    K = np.array([[4.0, 0, 1], [0, 4.0, 1], [0, 0, 1]])
    picture, depth = render_reference(
        ReferencePoints.of(xyz, rgb, half=False), K, np.eye(4), (3, 3), softmin=True
    )
    behind = math.exp(-500 * 0.001)
    assert depth[1, 1] == 1.0
    assert picture[1, 1, 0] == pytest.approx(200 / (1 + behind), abs=1)
    assert picture[1, 1, 1] == pytest.approx(200 * behind / (1 + behind), abs=1)
    assert picture[1, 1, 2] == 0


def test_half_precision_moves_far_points():
    xyz = np.array([[20.007, 0, 40.0]], np.float32)  # half precision has steps of 1/64 there
    rgb = np.full((1, 3), 255, np.uint8)
    K = np.array([[4000.0, 0, 0], [0, 4.0, 1], [0, 0, 1]])
    for half, column in ((False, 2001), (True, 2000)):
        points = ReferencePoints.of(xyz, rgb, half)
        depth = render_reference(points, K, np.eye(4), (2100, 3))[1]
        assert np.argwhere(depth).tolist() == [[1, column]]


@given(st.floats(-math.pi, math.pi), st.floats(-1.5, 1.5))
def test_view_cameras_are_rotations_that_look_along_forward(yaw, pitch):
    right, up, forward = view_basis(yaw, pitch).astype(np.float64)
    basis = np.stack([right, up, forward])
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-5)
    c2w = view_c2w(yaw, pitch)
    assert np.linalg.det(c2w[:3, :3]) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(c2w[:3, 2], forward * [1, -1, -1], atol=1e-6)


def test_the_forty_two_views_go_round_at_five_heights_and_up_and_down():
    angles = condition_angles()
    assert angles.shape == (42, 2) and len({tuple(a) for a in angles.round(6)}) == 42
    assert sorted(set(np.degrees(angles[:, 1]).round(3))) == [-90, -45, -30, 0, 30, 45, 90]


def test_a_view_sees_the_points_that_the_panorama_lifts_to():
    """Colours of a view agree with those of the points projected into its camera."""
    rng = np.random.default_rng(3)
    rgb = np.kron(rng.integers(0, 256, (8, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    xyz, colours = lift_panorama(rgb, np.full((128, 256), 2.0, np.float32))
    K = np.array([[30.0, 0, 16], [0, 30.0, 16], [0, 0, 1]])
    picture = condition_image(rgb, K, (32, 32), 0.4, -0.3)
    points = ReferencePoints.of(xyz, colours, half=False)
    drawn, depth = render_reference(points, K, inverse(view_c2w(0.4, -0.3)), (32, 32))
    same = (np.abs(drawn.astype(int) - picture).max(axis=-1) < 12) & (depth > 0)
    assert same.sum() > 0.8 * (depth > 0).sum() > 100  # borders of the colour blocks aside


def test_depth_is_interpolated_among_known_pixels_only():
    raw = np.array([[0.01, np.nan], [0.01, 0.03]], np.float32)
    cleaned = clean_depth(raw, 4, 4)
    assert cleaned[0, 0] == pytest.approx(1.0)
    assert cleaned[-1, -1] == pytest.approx(3.0)
    assert cleaned.min() >= 1.0 - 1e-5 and cleaned.max() <= 3.0 + 1e-5
    alone = clean_depth(np.array([[0.02, 0], [0, 0]], np.float32), 2, 2)
    np.testing.assert_allclose(alone, 2.0)  # what is unknown is as far as the farthest


def test_samples_are_a_fine_grid_inside_a_coarse_one():
    pixels = sample_pixels(64, 48, SelectionSettings())
    assert len(pixels) == len(set(pixels.tolist())) and 0 <= pixels.min() <= pixels.max() < 64 * 48
    columns, rows = pixels % 64, pixels // 64
    middle = (columns > 16) & (columns < 47) & (rows > 12) & (rows < 35)
    assert middle.float().mean() > 0.5  # of a quarter of the picture
    assert len(sample_pixels(64, 48, SelectionSettings(uniform_sampling=True))) == 100


def test_the_view_of_the_same_camera_is_chosen():
    K = np.array([[32.0, 0, 16], [0, 32.0, 16], [0, 0, 1]])
    cameras = [view_c2w(yaw, 0.0) for yaw in (0.0, 1.5, 3.0)]
    w2cs = [np.linalg.inv(c2w) for c2w in cameras]
    views = ReferenceViews(
        torch.from_numpy(np.stack([(K @ w2c[:3]).astype(np.float32) for w2c in w2cs])),
        torch.full((3, 32, 32), 2.0),
        torch.zeros(3, 3),
    )
    depth = torch.full((32, 32), 2.0)
    for expected, c2w in enumerate(cameras):
        best, hits, samples = select_reference_view(depth, K, c2w, views, SelectionSettings())
        assert best == expected and hits[best] == samples > 100
    nothing = torch.zeros(32, 32)
    best, hits, samples = select_reference_view(nothing, K, cameras[1], views, SelectionSettings())
    assert (best, samples) == (0, 0) and not hits.any()
