# SPDX-License-Identifier: GPL-3.0-or-later
"""Each figure against a slow twin written with plain loops, and against cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.evaluation import metrics
from backend.shared.camera import Camera, intrinsics, look_at


def picture(seed: int, height: int = 20, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def wall(camera: Camera, distance: float = 4.0) -> np.ndarray:
    """Depth of the plane x = distance, seen by `camera`; sky where the ray misses it."""
    along = camera.rays()[..., 0].astype(np.float64)
    with np.errstate(divide="ignore"):
        depth = (distance - camera.position[0]) / along
    return np.where(along > 1e-6, depth, np.inf).astype(np.float32)


def camera_at(position: tuple[float, float, float], aim: tuple[float, float, float]) -> Camera:
    return Camera(intrinsics(1.2, 40, 32), look_at(np.array(position), np.array(aim)), 40, 32)


def ssim_twin(a: np.ndarray, b: np.ndarray) -> float:
    offsets = np.arange(-5, 6)
    bell = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / np.outer(bell, bell).sum()
    c1, c2 = 6.5025, 58.5225
    values = []
    for y in range(5, a.shape[0] - 5):
        for x in range(5, a.shape[1] - 5):
            for c in range(3):
                p = a[y - 5 : y + 6, x - 5 : x + 6, c].astype(float)
                q = b[y - 5 : y + 6, x - 5 : x + 6, c].astype(float)
                mp, mq = (weights * p).sum(), (weights * q).sum()
                vp = (weights * (p - mp) ** 2).sum()
                vq = (weights * (q - mq) ** 2).sum()
                cov = (weights * (p - mp) * (q - mq)).sum()
                values.append(
                    (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
                )
    return float(np.mean(values))


def test_psnr_of_a_known_error() -> None:
    truth = np.full((16, 16, 3), 100, np.uint8)
    assert metrics.psnr(truth + np.uint8(10), truth) == pytest.approx(20 * math.log10(25.5))
    assert metrics.psnr(truth, truth) == metrics.PSNR_LIMIT


def test_psnr_counts_only_the_mask() -> None:
    truth = np.zeros((16, 16, 3), np.uint8)
    frame = truth.copy()
    frame[8:] = 255
    mask = np.zeros((16, 16), bool)
    mask[:8] = True
    assert metrics.psnr(frame, truth, mask) == metrics.PSNR_LIMIT
    assert metrics.psnr(frame, truth, ~mask) == pytest.approx(0.0)
    assert metrics.psnr(frame, truth, np.zeros((16, 16), bool)) is None


@given(seed=st.integers(0, 1000), noise=st.integers(0, 80))
@settings(max_examples=5, deadline=None)
def test_ssim_is_its_twin(seed: int, noise: int) -> None:
    truth = picture(seed)
    shift = np.random.default_rng(seed + 1).integers(-noise, noise + 1, truth.shape)
    frame = np.clip(truth.astype(int) + shift, 0, 255).astype(np.uint8)
    assert metrics.ssim(frame, truth) == pytest.approx(ssim_twin(frame, truth), abs=1e-6)


def test_ssim_of_equals_and_of_tiny_pictures() -> None:
    assert metrics.ssim(picture(3), picture(3)) == pytest.approx(1.0)
    assert metrics.ssim(picture(3, 8, 8), picture(3, 8, 8)) is None


def test_mean_gradient_is_its_twin() -> None:
    frame = picture(5)
    mask = np.random.default_rng(6).random(frame.shape[:2]) < 0.8
    luma = frame.astype(float) @ [0.299, 0.587, 0.114]
    values = []
    for y in range(frame.shape[0] - 1):
        for x in range(frame.shape[1] - 1):
            if mask[y, x] and mask[y, x + 1] and mask[y + 1, x]:
                values.append(math.hypot(luma[y, x + 1] - luma[y, x], luma[y + 1, x] - luma[y, x]))
    assert len(values) > metrics.FEWEST_PIXELS
    assert metrics.mean_gradient(frame, mask) == pytest.approx(np.mean(values), rel=1e-4)


def test_mean_gradient_ignores_the_border_of_the_mask() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[:, 16:] = 255
    mask = np.zeros((32, 32), bool)
    mask[:, :16] = True
    assert metrics.mean_gradient(frame, mask) == 0.0
    assert metrics.mean_gradient(frame, np.ones((32, 32), bool)) > 1.0


@given(x=st.floats(-1, 1), y=st.floats(-2, 2), z=st.floats(0.5, 2), aim=st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_reproject_finds_the_surface_point(x: float, y: float, z: float, aim: float) -> None:
    camera, other = camera_at((0, 0, 1), (4, 0, 1)), camera_at((x, y, z), (4, aim, 1))
    depth = wall(camera)
    u, v, there = metrics.reproject(camera, depth, other)
    row, column = 7, 11
    point = camera.position + depth[row, column] * camera.rays()[row, column].astype(float)
    uv, expected = other.project(point[None])
    if expected[0] > 0.1:
        assert there[row, column] == pytest.approx(expected[0], rel=1e-4)
        assert (u[row, column], v[row, column]) == pytest.approx(tuple(uv[0]), abs=1e-2)


def test_reproject_turns_sky_without_moving_it() -> None:
    camera, moved = camera_at((0, 0, 0), (1, 0, 0)), camera_at((0, 5, 0), (1, 5, 0))
    u, v, z = metrics.reproject(camera, np.full((32, 40), np.inf, np.float32), moved)
    assert np.isposinf(z).all()
    np.testing.assert_allclose(u[3], np.arange(40) + 0.5, atol=1e-3)
    np.testing.assert_allclose(v[:, 3], np.arange(32) + 0.5, atol=1e-3)


def test_reproject_of_nothing_known() -> None:
    camera = camera_at((0, 0, 0), (1, 0, 0))
    behind = camera_at((0, 0, 0), (-1, 0, 0))
    assert np.isnan(metrics.reproject(camera, np.zeros((32, 40), np.float32), camera)[2]).all()
    assert np.isnan(metrics.reproject(camera, np.ones((32, 40), np.float32), behind)[2]).all()


def test_everything_is_seen_by_the_same_camera() -> None:
    camera = camera_at((0, 0, 1), (4, 1, 1.2))
    depth = wall(camera)
    depth[:5] = np.inf
    assert metrics.seen(camera, depth, camera, depth).all()


def test_what_stands_behind_a_nearer_surface_is_not_seen() -> None:
    camera, other = camera_at((0, 0, 1), (4, 0, 1)), camera_at((0, 0.6, 1), (4, 0.6, 1))
    depth, blocked = wall(camera), wall(other)
    blocked[:, :20] = 1.0  # a screen in front of the other camera's left half
    visible = metrics.seen(camera, depth, other, blocked)
    u, _, z = metrics.reproject(camera, depth, other)
    expected = (u > 21) & (u < 40) & ~np.isnan(z)
    assert visible[expected].all()
    assert not visible[u < 19].any()


def test_a_grazed_plane_is_seen_although_depth_changes_fast() -> None:
    camera, other = camera_at((0, 0, 1), (4, -5, 1)), camera_at((3.2, 0, 1), (4, -9, 1))
    visible = metrics.seen(camera, wall(camera), other, wall(other))
    u, v, z = metrics.reproject(camera, wall(camera), other)
    inside = (u > 1) & (u < 39) & (v > 1) & (v < 31) & np.isfinite(z)
    assert inside.sum() > 50
    assert visible[inside].mean() > 0.99


def test_warp_error_of_a_steady_and_of_a_flickering_wall() -> None:
    cameras = (camera_at((0, 0, 1), (4, 0, 1)), camera_at((0, 0.1, 1), (4, 0.1, 1)))
    depths = (wall(cameras[0]), wall(cameras[1]))

    def painted(camera: Camera, depth: np.ndarray) -> np.ndarray:
        points = camera.position + depth[..., None] * camera.rays()
        shade = 128 + 60 * np.sin(points[..., 1]) * np.cos(points[..., 2])
        return np.repeat(shade[..., None], 3, axis=2).astype(np.uint8)

    first, second = (painted(c, d) for c, d in zip(cameras, depths, strict=True))
    steady = metrics.warp_error(first, second, cameras, depths)
    assert steady < 0.01
    assert metrics.warp_error(first, second + np.uint8(20), cameras, depths) == pytest.approx(
        20 / 255, abs=0.01
    )


def test_warp_error_needs_a_common_surface() -> None:
    cameras = (camera_at((0, 0, 1), (4, 0, 1)), camera_at((0, 0, 1), (-4, 0, 1)))
    depths = (wall(cameras[0]), wall(cameras[1]))
    frame = picture(1, 32, 40)
    assert metrics.warp_error(frame, frame, cameras, depths) is None


def test_grain_is_its_twin() -> None:
    frame = picture(9)
    mask = np.random.default_rng(1).random(frame.shape[:2]) < 0.7
    luma = frame.astype(float) @ [0.299, 0.587, 0.114]
    padded = np.pad(luma, 2, mode="edge")
    left = [abs(luma[y, x] - padded[y : y + 5, x : x + 5].mean()) for y, x in np.argwhere(mask)]
    assert metrics.grain(frame, mask) == pytest.approx(np.mean(left), rel=1e-4)


def test_grain_of_a_slope_is_nothing_and_a_weave_is_seen() -> None:
    slope = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None] * 2, 40, 0).repeat(3, 2)
    inside = np.zeros((40, 40), bool)
    inside[4:-4, 4:-4] = True
    assert metrics.grain(slope, inside) == pytest.approx(0, abs=1e-4)
    weave = slope + (np.indices((40, 40)).sum(0) % 2 * 6).astype(np.uint8)[..., None]
    assert metrics.grain(weave, inside) == pytest.approx(3, abs=0.2)
    assert metrics.grain(weave, np.zeros((40, 40), bool)) is None


def test_flat_patches_are_where_nothing_but_noise_is() -> None:
    truth = np.full((40, 60, 3), 90, np.uint8)
    truth[:, 30:] = picture(2, 40, 30)
    truth[:, :30] += np.random.default_rng(0).integers(0, 2, (40, 30, 1), dtype=np.uint8)
    flat = metrics.flat_patches(truth)
    assert flat[5:-5, 5:20].all() and not flat[:, 32:].any()
