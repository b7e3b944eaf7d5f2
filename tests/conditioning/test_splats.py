# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats are blended front to back as ellipsoids, before and behind points."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from backend.conditioning.anchors import splat_renderer as splats
from backend.conditioning.anchors.point_renderer import PointCloud, render_points
from backend.conditioning.anchors.splat_renderer import SplatCloud, render_splats
from backend.shared.anchors import Anchors, quaternion_of, turned
from backend.shared.camera import Camera, facing, intrinsics
from backend.shared.errors import WorldError
from backend.shared.harmonics import turned_harmonics
from backend.shared.world import World
from backend.shared.world_content import ContentReader, write_content
from backend.shared.world_folder import load_world, save_world

SIZE = (40, 32)


def camera(yaw: float = 0.2) -> Camera:
    c2w = np.eye(4)
    c2w[:3, :3], c2w[:3, 3] = facing(yaw, -0.1, 0.1), (0.1, -3.0, 0.3)
    return Camera(intrinsics(0.9, *SIZE), c2w, *SIZE)


def some(count: int, seed: int = 0) -> Anchors:
    rng = np.random.default_rng(seed)
    shape = np.concatenate(
        [
            np.exp(rng.uniform(-4, -1, (count, 3))),
            rng.normal(size=(count, 4)),
            rng.uniform(0.05, 1, (count, 1)),
        ],
        axis=1,
    )
    xyz = rng.uniform(-1.2, 1.2, (count, 3)).astype(np.float32)
    rgb = rng.integers(1, 256, (count, 3)).astype(np.uint8)
    return Anchors(xyz, rgb, np.full(count, 0.05, np.float32), splats=shape.astype(np.float32))


def matrix_of(quaternion: np.ndarray) -> np.ndarray:
    """By turning the three axes with Hamilton's product, which the kernel's formula comes from."""
    w, *v = quaternion / np.linalg.norm(quaternion)
    v = np.array(v)
    turn = [e + 2 * w * np.cross(v, e) + 2 * np.cross(v, np.cross(v, e)) for e in np.eye(3)]
    return np.stack(turn, axis=1)


def slow(anchors: Anchors, view: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The twin: pixel by pixel, with the projection's derivative taken by differences."""
    height, width = view.height, view.width
    rgb, through = np.zeros((height, width, 3)), np.ones((height, width))
    depth = np.zeros((height, width))
    _, z = view.project(anchors.xyz.astype(np.float64))
    v, u = np.mgrid[:height, :width] + 0.5
    for n in np.argsort(z, kind="stable"):
        if z[n] <= splats.NEAR:
            continue
        point = anchors.xyz[n].astype(np.float64)
        axes = matrix_of(anchors.splats[n, 3:7]) * anchors.splats[n, :3]
        steps = np.stack([view.project(np.stack([point + 1e-5 * e, point - 1e-5 * e]))[0]
                          for e in np.eye(3)])  # fmt: skip
        jacobian = (steps[:, 0] - steps[:, 1]).T / 2e-5
        flat = jacobian @ axes @ axes.T @ jacobian.T + splats.WIDER * np.eye(2)
        (centre,) = view.project(point[None])[0]
        off = np.stack([u - centre[0], v - centre[1]], axis=-1)
        power = np.einsum("hwi,ij,hwj->hw", off, np.linalg.inv(flat), off)
        alpha = np.minimum(splats.DENSEST, anchors.splats[n, 7] * np.exp(-0.5 * power))
        reach = splats.REACH * np.sqrt(np.diag(flat))
        alpha = np.where((np.abs(off) <= reach).all(axis=-1), alpha, 0)
        alpha = np.where((alpha < splats.FAINTEST) | (through < splats.FULL), 0, alpha)
        rgb += (through * alpha)[..., None] * anchors.rgb[n] / 255
        after = through * (1 - alpha)
        depth = np.where((through > 0.5) & (after <= 0.5), z[n], depth)
        through = after
    return rgb, 1 - through, depth


def with_harmonics(anchors: Anchors, degree: int, seed: int = 0) -> Anchors:
    rng = np.random.default_rng(seed)
    shape = (len(anchors), (degree + 1) ** 2, 3)
    return replace(anchors, harmonics=rng.integers(-60, 61, shape).astype(np.int8))


def seen_from(anchors: Anchors, place: np.ndarray) -> np.ndarray:
    """The twin of view-dependent colour: scipy's complex harmonics, splat by splat."""
    colours = []
    for xyz, rgb, own in zip(anchors.xyz, anchors.rgb, anchors.harmonics, strict=True):
        x, y, z = (xyz - place) / np.linalg.norm(xyz - place)
        polar, azimuth = math.acos(z), math.atan2(y, x)
        total = rgb / 255
        for k, coefficient in enumerate(own / 127):
            degree = math.isqrt(k)
            order = k - degree * (degree + 1)
            value = complex(sph_harm_y(degree, abs(order), polar, azimuth)) * math.sqrt(2)
            real = {0: value.real / math.sqrt(2), 1: value.real, -1: value.imag}[np.sign(order)]
            total = total + coefficient * real
        colours.append(np.maximum(total, 0))
    return np.array(colours)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_colour_by_direction_is_its_slow_twin(degree):
    anchors = with_harmonics(some(80), degree)
    place = camera().position
    cloud = SplatCloud(anchors)
    numbers = np.arange(80)[::-1]
    made = cloud.colours(numbers, place)
    assert np.abs(made - seen_from(anchors, place)[numbers]).max() < 1e-5
    assert np.abs(made - cloud.rgb[numbers]).mean() > 0.05
    assert (made >= 0).all() and (made == 0).any()


def test_what_is_drawn_has_the_colour_of_its_direction():
    view = camera()
    anchors = with_harmonics(inner(some(60), view), 2)
    seen = SplatCloud(anchors).ellipses(view)
    wanted = seen_from(anchors, view.position)
    nearest = np.argsort(view.project(anchors.xyz.astype(np.float64))[1], kind="stable")
    drawn = nearest[anchors.splats[nearest, 7] >= splats.FAINTEST]
    assert np.abs(seen.rgb - wanted[drawn]).max() < 1e-5
    plain = render_splats(SplatCloud(replace(anchors, harmonics=None)), view)
    assert np.abs(render_splats(SplatCloud(anchors), view).rgb - plain.rgb).max() > 0.05


@pytest.mark.parametrize("mirror", [False, True])
def test_turned_harmonics_show_the_same_from_the_turned_place(mirror):
    rng = np.random.default_rng(2)
    turn = matrix_of(rng.normal(size=4)) * (-1 if mirror else 1)
    anchors, place = with_harmonics(some(40), 3), np.array([0.2, -3.0, 0.4])
    moved = replace(anchors, xyz=(anchors.xyz @ turn.T).astype(np.float32),
                    harmonics=turned_harmonics(anchors.harmonics, turn))  # fmt: skip
    numbers = np.arange(40)
    before = SplatCloud(anchors).colours(numbers, place)
    after = SplatCloud(moved).colours(numbers, turn @ place)
    assert np.abs(before - after).max() < 0.02  # steps of 1/127 are rounded once more


def test_harmonics_join_go_with_their_world_and_are_checked(tmp_path):
    both = Anchors.concatenate([with_harmonics(some(5), 1), some(3), with_harmonics(some(4), 2)])
    assert both.harmonics.shape == (12, 9, 3)
    assert not both.harmonics[5:8].any() and not both.harmonics[:5, 4:].any()
    assert both.harmonics[:5, 1:4].any() and both.only(np.arange(12) > 7).harmonics[:, 8].any()
    world = World(both, [], 1, {})
    save_world(world, tmp_path / "world")
    content, arrays = write_content(world)
    for again in (load_world(tmp_path / "world"), ContentReader().read(content, arrays)):
        assert np.array_equal(again.anchors.harmonics, both.harmonics)
    with pytest.raises(WorldError, match="harmonics"):
        replace(both, harmonics=both.harmonics[:, :5])


def inner(anchors: Anchors, view: Camera) -> Anchors:
    """Those whose centre the picture shows: only there is the derivative not held."""
    uv, z = view.project(anchors.xyz.astype(np.float64))
    inside = (z > 0.1) & (uv > 0).all(axis=1) & (uv < SIZE).all(axis=1)
    return anchors.only(inside)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_kernel_is_its_slow_twin(seed):
    view = camera()
    anchors = inner(some(60, seed), view)
    made = render_splats(SplatCloud(anchors), view)
    rgb, alpha, depth = slow(anchors, view)
    assert alpha.max() > 0.9 and (alpha < 0.1).any()
    assert np.abs(made.alpha - alpha).max() < 2e-3
    assert np.abs(made.rgb - rgb).max() < 2e-3
    assert (np.abs(made.depth - depth) < 1e-4).mean() > 0.98


def test_order_and_threads_do_not_matter(monkeypatch):
    view, anchors = camera(), some(200)
    first = render_splats(SplatCloud(anchors), view)
    other = np.random.default_rng(3).permutation(len(anchors))
    shuffled = Anchors(anchors.xyz[other], anchors.rgb[other], anchors.radius[other],
                       splats=anchors.splats[other])  # fmt: skip
    monkeypatch.setattr(splats, "BAND", 5)
    second = render_splats(SplatCloud(shuffled), view)
    assert np.array_equal(first.rgb, second.rgb) and np.array_equal(first.depth, second.depth)


def flat(distance: float, opacity: float, color: tuple[int, int, int]) -> Anchors:
    """One large splat across the view, `distance` metres before the camera, as thin as paper."""
    shape = np.array([[2.0, 0.001, 2.0, 1, 0, 0, 0, opacity]], np.float32)
    xyz = np.array([[0, distance, 0]], np.float32)
    return Anchors(xyz, np.array([color], np.uint8), np.ones(1, np.float32), splats=shape)


def wall(distance: float, color: tuple[int, int, int]) -> Anchors:
    x, z = np.meshgrid(np.linspace(-4, 4, 200), np.linspace(-4, 4, 200))
    xyz = np.stack([x, np.full_like(x, distance), z], axis=-1).reshape(-1, 3).astype(np.float32)
    count = len(xyz)
    return Anchors(xyz, np.tile(np.uint8(color), (count, 1)), np.full(count, 0.02, np.float32))


def ahead() -> Camera:
    c2w = np.eye(4)
    c2w[:3, :3] = facing(0.0, 0.0)
    return Camera(intrinsics(0.9, *SIZE), c2w, *SIZE)


@pytest.mark.parametrize(("distance", "wanted"), [(1.5, (160, 100, 30)), (3.0, (100, 100, 30))])
def test_splats_and_points_hide_one_another(distance, wanted):
    both = Anchors.concatenate([wall(2.0, (100, 100, 30)), flat(distance, 0.6, (200, 100, 30))])
    assert both.are_splats.sum() == 1
    seen = render_points(PointCloud(both), ahead())
    middle = seen.rgb[SIZE[1] // 2, SIZE[0] // 2].tolist()
    assert np.abs(np.array(middle) - wanted).max() <= 2
    assert float(seen.depth[SIZE[1] // 2, SIZE[0] // 2]) == pytest.approx(min(distance, 2.0), 1e-3)


def test_what_covers_less_than_half_is_no_surface():
    faint = render_points(PointCloud(flat(2.0, 0.3, (200, 100, 30))), ahead())
    assert not faint.depth.any() and not faint.rgb.any() and not faint.coverage.any()
    dense = render_points(PointCloud(flat(2.0, 0.9, (200, 100, 30))), ahead())
    middle = SIZE[1] // 2, SIZE[0] // 2
    assert dense.rgb[middle].tolist() == [200, 100, 30]
    assert float(dense.coverage[middle]) == pytest.approx(0.9, abs=0.01)


def test_lying_splats_are_drawn_nowhere_and_break_nothing():
    anchors = some(20)
    shape = anchors.splats.copy()
    shape[0, :3], shape[1, 3:7], shape[2, 7], shape[3, :3] = 1e30, 0, 7, -1
    anchors = Anchors(anchors.xyz, anchors.rgb, anchors.radius, splats=shape)
    made = render_splats(SplatCloud(anchors), camera())
    assert np.isfinite(made.rgb).all() and (made.alpha <= 1).all()
    with pytest.raises(WorldError, match=r"\(N, 8\)"):
        Anchors(anchors.xyz, anchors.rgb, anchors.radius, splats=shape[:, :7])


def test_turned_quaternions_turn_what_they_turned():
    rng = np.random.default_rng(5)
    for _ in range(20):
        q = rng.normal(size=(3, 4))
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        rotation = matrix_of(rng.normal(size=4))
        assert np.allclose(matrix_of(quaternion_of(rotation)), rotation, atol=1e-9)
        for before, after in zip(q, turned(q, rotation), strict=True):
            assert np.allclose(matrix_of(after), rotation @ matrix_of(before), atol=1e-5)
    half = np.diag([-1.0, -1.0, 1.0])
    assert np.allclose(matrix_of(quaternion_of(half)), half, atol=1e-9)
    assert math.isclose(float(np.linalg.norm(quaternion_of(half))), 1.0)


def test_splats_go_with_their_world(tmp_path):
    world = World(Anchors.concatenate([some(7), wall(2.0, (9, 9, 9))]), [], 1, {})
    save_world(world, tmp_path / "world")
    content, arrays = write_content(world)
    for again in (load_world(tmp_path / "world"), ContentReader().read(content, arrays)):
        assert np.array_equal(again.anchors.splats, world.anchors.splats)
        assert again.anchors.are_splats.sum() == 7
    bad = world.anchors.splats.copy()
    bad[0, 0] = np.nan
    lying = Anchors(world.anchors.xyz, world.anchors.rgb, world.anchors.radius, splats=bad)
    content, arrays = write_content(World(lying, [], 1, {}))
    with pytest.raises(WorldError, match="splats"):
        ContentReader().read(content, arrays)


def test_they_are_on_whatever_device_the_points_are():
    seen = render_points(PointCloud(some(30), torch.device("cpu")), camera())
    assert seen.rgb.dtype == torch.uint8 and seen.depth.shape == (SIZE[1], SIZE[0])
    assert bool((seen.depth > 0).any())
