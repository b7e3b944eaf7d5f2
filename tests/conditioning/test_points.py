# SPDX-License-Identifier: GPL-3.0-or-later
"""The point renderer against a slow twin, and what closing may and may not do."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.conditioning.anchors import point_cloud
from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_cloud import PointCloud
from backend.conditioning.anchors.point_renderer import render_points
from backend.pipelines.embedded import FramePipeline
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError
from backend.shared.frame import MemoryFrame
from backend.shared.world import World
from tests.models.test_frame_model import tiny_model
from tests.scenes.world_room import photograph, room_camera, trace


def _camera(size: tuple[int, int] = (48, 40)) -> Camera:
    return Camera(intrinsics(1.0, *size), look_at(np.zeros(3), np.array([0.0, 1, 0])), *size)


def _plane(
    spacing: float, y: float = 2.0, x: tuple[float, float] = (-0.6, 0.6), slope: float = 0.0
) -> Anchors:
    """A wall across the view of `_camera`, `slope` metres of depth per metre of height."""
    xs, zs = np.meshgrid(np.arange(*x, spacing), np.arange(-0.6, 0.6, spacing))
    xs = xs + 0.2 * spacing * np.sin(37 * zs)  # not in step with the pixels
    xyz = np.stack([xs, y + slope * zs, zs], axis=-1).reshape(-1, 3)
    rgb = np.full((len(xyz), 3), 200, np.uint8)
    return Anchors(xyz, rgb, np.full(len(xyz), spacing / 2 * np.hypot(1, slope)))


def _slow(anchors: Anchors, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Points one by one: colour and depth of the nearest of each pixel, the first of equals."""
    rgb = np.zeros((camera.height, camera.width, 3), np.uint8)
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    for point, color in zip(anchors.xyz.astype(np.float64), anchors.rgb, strict=True):
        (x, y, z) = camera.w2c[:3, :3] @ point + camera.w2c[:3, 3]
        if z <= 1e-3:
            continue
        u = int(np.floor(camera.K[0, 0] * x / z + camera.K[0, 2]))
        v = int(np.floor(camera.K[1, 1] * y / z + camera.K[1, 2]))
        if 0 <= u < camera.width and 0 <= v < camera.height and np.float32(z) < depth[v, u]:
            depth[v, u], rgb[v, u] = z, color
    return rgb, depth


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_single_points_land_where_the_slow_twin_puts_them(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform((-1, -1, -1), (1, 3, 1), (count, 3)).astype(np.float32)
    # half-way between pixel borders, so that rounding cannot decide
    camera = _camera()
    uv, z = camera.project(xyz.astype(np.float64))
    clear = (z > 0.05) & (np.abs(uv - np.round(uv)) > 1e-3).all(axis=1)
    xyz = np.concatenate([xyz[clear], -np.abs(xyz[:3])])  # and some behind the camera
    xyz = np.repeat(xyz, 2, axis=0)  # ties
    rgb = rng.integers(1, 255, (len(xyz), 3)).astype(np.uint8)
    anchors = Anchors(xyz, rgb, np.zeros(len(xyz), np.float32))
    result = render_points(PointCloud(anchors), camera)
    slow_rgb, slow_depth = _slow(anchors, camera)
    hit = np.isfinite(slow_depth)
    assert (result.coverage.numpy() == hit).all()
    assert (result.rgb.numpy() == slow_rgb).all()
    # depth is carried to the pixel's centre: along a plane through points within 5 %
    np.testing.assert_allclose(result.depth.numpy()[hit], slow_depth[hit], rtol=0.051)
    assert (result.depth.numpy()[~hit] == 0).all()


@pytest.mark.parametrize("spacing", [0.02, 0.045, 0.1, 0.2])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_sparse_wall_is_closed_flat_and_does_not_grow(spacing: float, slope: float) -> None:
    camera = _camera((96, 80))
    anchors = _plane(spacing, slope=slope)
    result = render_points(PointCloud(anchors), camera)
    # where the plane y = 2 + slope * z is met by the pixels' rays
    rays = camera.rays().astype(np.float64)
    truth = 2.0 / (rays[..., 1] - slope * rays[..., 2])
    beside = np.maximum(np.abs(rays[..., 0]), np.abs(rays[..., 2])) * truth
    inner, outer = beside < 0.6 - 2 * spacing, beside > 0.6 + spacing
    coverage = result.coverage.numpy()
    assert inner.sum() > 100 and outer.sum() > 100
    assert (coverage[inner] > 0).mean() > 0.998
    assert not coverage[outer].any()
    error = np.abs(result.depth.numpy() - truth) / truth
    assert error[inner & (coverage > 0) & (coverage < 1)].max(initial=0) < 2e-3
    # a point far from all others keeps its own depth, up to half a pixel off the centre
    assert error[inner & (coverage == 1)].max() < 0.75 * slope / camera.K[1, 1] * 2 + 1e-3
    assert (result.rgb.numpy()[inner & (coverage > 0)] == 200).all()


def test_what_shines_through_a_sparse_surface_is_replaced_by_it() -> None:
    near = _plane(0.1, y=1.0)
    far = _plane(0.01, y=2.0)
    far = Anchors(far.xyz, np.full_like(far.rgb, 20), far.radius)
    result = render_points(PointCloud(Anchors.concatenate([near, far])), _camera((96, 80)))
    middle = (slice(25, 55), slice(33, 63))
    replaced = np.abs(result.depth.numpy()[middle] - 1.0) < 4e-3
    assert replaced.mean() > 0.96  # of the far wall's points that land between the near one's
    assert (result.rgb.numpy()[middle][replaced] == 200).all()


def test_a_gap_between_two_surfaces_stays_open() -> None:
    camera = _camera((96, 80))
    left, right = _plane(0.02, x=(-0.6, -0.1)), _plane(0.02, x=(0.1, 0.6))
    far = _plane(0.02, y=4.0, x=(-2.0, 2.0))
    alone = render_points(PointCloud(Anchors.concatenate([left, right])), camera)
    behind = render_points(PointCloud(Anchors.concatenate([left, right, far])), camera)
    gap = (slice(35, 45), slice(46, 50))
    assert not alone.coverage.numpy()[gap].any()
    np.testing.assert_allclose(behind.depth.numpy()[gap], 4.0, rtol=4e-3)


def test_the_same_picture_far_from_the_origin() -> None:
    camera = _camera()
    anchors = _plane(0.05)
    near = render_points(PointCloud(anchors), camera)
    shift = np.array([4096.0, -8192.0, 2048.0])
    c2w = camera.c2w.copy()
    c2w[:3, 3] += shift
    moved = Anchors(anchors.xyz + shift.astype(np.float32), anchors.rgb, anchors.radius)
    far = render_points(PointCloud(moved), Camera(camera.K, c2w, 48, 40))
    # float32 keeps half a millimetre at 8 km: under a tenth of a pixel here
    assert (near.coverage.numpy() > 0).sum() > 300
    same = (near.coverage.numpy() > 0) == (far.coverage.numpy() > 0)
    assert same.mean() > 0.97


def test_nothing_and_what_cannot_be_drawn() -> None:
    camera = _camera()
    empty = render_points(PointCloud(Anchors.empty()), camera)
    assert not empty.coverage.any() and empty.rgb.shape == (40, 48, 3)
    xyz = np.array([[np.nan, 1, 0], [np.inf, 2, 0], [0, -1, 0], [0, 1e-4, 0], [0, 1, 0]])
    one = render_points(PointCloud(Anchors(xyz, np.full((5, 3), 9, np.uint8), np.zeros(5))), camera)
    assert one.coverage.sum() == 1 and one.depth.max() == 1


def test_two_runs_give_the_same_bytes() -> None:
    anchors = lift(photograph(room_camera()))
    camera = room_camera((0.5, -2.0, 0.3))
    a, b = (render_points(PointCloud(anchors), camera) for _ in range(2))
    assert torch.equal(a.rgb, b.rgb) and torch.equal(a.depth, b.depth)
    assert torch.equal(a.coverage, b.coverage)


def test_a_lifted_room_seen_from_elsewhere_has_the_right_depth() -> None:
    views = [photograph(room_camera(p)) for p in ((0, -3, 0.2), (1.2, -2.8, 0.5), (-1.2, -2.6, 0))]
    camera = room_camera((0.4, -2.2, 0.2))
    result = render_points(PointCloud(Anchors.concatenate([lift(v) for v in views])), camera)
    _, truth = trace(camera)
    covered = (result.coverage.numpy() > 0) & np.isfinite(truth)
    error = np.abs(result.depth.numpy() - truth)[covered] / truth[covered]
    assert covered.mean() > 0.8
    assert np.median(error) < 1e-3 and np.mean(error > 0.02) < 0.025


def test_lifting_leaves_out_sky_and_unknown_and_measures_spacing() -> None:
    frame = photograph(room_camera())
    depth = frame.depth.copy()
    depth[:10] = 0
    frame = MemoryFrame("a", "a", frame.camera, frame.rgb, depth)
    anchors = lift(frame)
    assert len(anchors) == (np.isfinite(depth) & (depth > 0)).sum()
    uv, z = frame.camera.project(anchors.xyz.astype(np.float64))
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    np.testing.assert_allclose(uv, np.stack([columns, rows], 1) + 0.5, atol=2e-3)
    np.testing.assert_allclose(z, depth[rows, columns], rtol=1e-5)
    footprint = 0.5 * z / frame.camera.K[0, 0]
    assert (anchors.radius >= footprint * 0.999).all()
    assert (anchors.radius <= footprint * 6.001).all()
    coarse = lift(frame, stride=4)
    assert abs(len(coarse) * 16 / len(anchors) - 1) < 0.1
    assert np.median(coarse.radius) > 3 * np.median(anchors.radius)


def test_black_is_a_colour_when_lifted_and_none_in_anchors() -> None:
    frame = photograph(room_camera())
    black = MemoryFrame("a", "a", frame.camera, np.zeros_like(frame.rgb), frame.depth)
    assert (lift(black).rgb == 1).all()
    wall = _plane(0.1)
    rgb = np.where(np.arange(len(wall))[:, None] % 3 == 0, 0, 200).repeat(3, 1)
    result = render_points(PointCloud(Anchors(wall.xyz, rgb, wall.radius)), _camera((96, 80)))
    closed = (result.coverage > 0) & (result.coverage < 1)
    colors = result.rgb[closed].numpy()
    assert len(colors) > 500 and (colors == 200).all(axis=1).mean() > 0.99


def test_lifting_without_depth_says_what_to_do() -> None:
    frame = photograph(room_camera())
    with pytest.raises(InputError, match="has no depth"):
        lift(MemoryFrame("a", "wall.png", frame.camera, frame.rgb))


def _in_chunks(anchors: Anchors, monkeypatch: pytest.MonkeyPatch) -> PointCloud:
    monkeypatch.setattr(point_cloud, "WHOLE", 0)
    return PointCloud(anchors)


def test_chunks_change_nothing_where_no_point_can_be_spared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    xyz = np.repeat(rng.uniform(-3, 3, (15_000, 3)), 2, axis=0).astype(np.float32)  # with ties
    rgb = rng.integers(1, 255, (len(xyz), 3)).astype(np.uint8)
    anchors = Anchors(xyz, rgb, np.zeros(len(xyz)))
    camera = room_camera((0.5, -1.0, 0.2), (0.2, 1, 0))
    whole = render_points(PointCloud(anchors), camera)
    chunked = render_points(_in_chunks(anchors, monkeypatch), camera)
    assert (whole.coverage > 0).float().mean() > 0.1
    assert torch.equal(whole.rgb, chunked.rgb)
    torch.testing.assert_close(whole.depth, chunked.depth, rtol=1e-4, atol=0)


def test_dense_chunks_are_thinned_and_unseen_ones_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera = _camera((96, 80))
    wall = _plane(0.0025, slope=0.5)
    behind = Anchors(wall.xyz * np.array([1, -1, 1], np.float32), wall.rgb, wall.radius)
    anchors = Anchors.concatenate([wall, behind])
    cloud = _in_chunks(anchors, monkeypatch)
    drawn, _ = cloud.visible(camera, 16)
    assert drawn.shape[1] < 0.3 * len(wall)
    whole = render_points(PointCloud(wall), camera)
    thinned = render_points(cloud, camera)
    seen = whole.coverage.numpy() > 0
    assert (thinned.coverage.numpy() > 0)[seen].mean() > 0.99
    both = seen & (thinned.coverage.numpy() > 0)
    np.testing.assert_allclose(thinned.depth.numpy()[both], whole.depth.numpy()[both], rtol=5e-3)
    away = Camera(camera.K, look_at(np.zeros(3), np.array([1.0, 0.0, 0])), 96, 80)
    nothing, _ = cloud.visible(away, 16)
    # one chunk may reach from wall to wall, around the camera
    assert nothing.shape[1] <= point_cloud.CHUNK
    assert not render_points(cloud, away).coverage.any()


def test_worlds_of_the_same_points_share_a_cloud_as_long_as_one_is_there() -> None:
    pipeline = FramePipeline(tiny_model(), "tiny", "", torch.device("cpu"), torch.float32)
    frame = photograph(room_camera())
    points = lift(frame)
    first = pipeline.prepare(World(points, [], 1, {}))
    # as the store makes them: other objects around the same arrays
    same = Anchors(points.xyz, points.rgb, points.radius)
    second = pipeline.prepare(World(same, [frame], 2, {}))
    assert second.cloud is first.cloud
    moved = Anchors(points.xyz + 1, points.rgb, points.radius)
    third = pipeline.prepare(World(moved, [frame], 3, {}))
    assert third.cloud is not first.cloud
    kept = weakref.ref(first.cloud)
    del first, second
    gc.collect()
    assert kept() is None
