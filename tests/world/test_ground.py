# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground of captures, of which comparing pictures finds little."""

from __future__ import annotations

import numpy as np
import pytest

from backend.data.capture_views import PosedFrame
from backend.shared.camera import Camera, intrinsics, look_at
from backend.world.stereo.dense import dense_depth
from backend.world.stereo.ground import Plane, ground_plane

SIZE = (128, 96)
WALL = 6.0


def before_a_wall(count: int = 5, slant: float = 0.0) -> tuple[list[Camera], Plane]:
    """Cameras on a walk along a wall at y = WALL, over a ground that rises to the right."""
    normal = np.array([-np.sin(slant), 0, np.cos(slant)])
    cameras = []
    for i in range(count):
        place = np.array([0.5 * (i - count / 2), 0.0, 1.6])
        target = place + np.array([0, WALL, -0.5])
        cameras.append(Camera(intrinsics(1.1, *SIZE), look_at(place, target), *SIZE))
    return cameras, Plane(normal, 0.0)


def seen(camera: Camera, ground: Plane) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours, z-depth and which pixels are ground: the wall has marks, the ground has none."""
    rays = camera.rays()
    wall = ((WALL - camera.position[1]) / rays[..., 1]).astype(np.float32)
    floor = ground.depth(camera)
    is_ground = (floor > 0) & (floor < wall)
    depth = np.where(is_ground, floor, wall).astype(np.float32)
    at = camera.position + rays * depth[..., None]
    marks = np.random.default_rng(0).uniform(40, 220, (64, 64, 3))
    x, z = (np.floor(at[..., axis] * 5).astype(int) % 64 for axis in (0, 2))
    rgb = np.where(is_ground[..., None], 180.0, marks[z, x])
    return rgb.astype(np.uint8), depth, is_ground


@pytest.mark.parametrize("slant", [0.0, 0.15])
def test_the_plane_of_what_is_known_of_the_ground(slant):
    cameras, truth = before_a_wall(slant=slant)
    rng = np.random.default_rng(1)
    depths, good = [], []
    for camera in cameras:
        _, depth, is_ground = seen(camera, truth)
        noise = is_ground & (rng.random(depth.shape) < 0.02)
        depths.append(np.where(noise, depth * 0.6, depth).astype(np.float32))
        columns = np.arange(SIZE[0]) % 40 < 14  # a third of the ground was found
        good.append(~is_ground | columns[None])
    plane = ground_plane(cameras, depths, good)
    assert plane is not None
    assert plane.normal @ truth.normal > np.cos(np.radians(1.5)) and abs(plane.offset) < 0.05
    assert np.allclose(truth.depth(cameras[0])[-1], plane.depth(cameras[0])[-1], rtol=0.05)


def test_no_ground_where_nothing_level_lies_below_everything():
    cameras, truth = before_a_wall()
    shown = [seen(camera, truth) for camera in cameras]
    depths = [depth for _, depth, _ in shown]
    assert ground_plane(cameras, depths, [~is_ground for *_, is_ground in shown]) is None
    table = [np.where(is_ground, depth * 0.5, depth) for _, depth, is_ground in shown]
    below = [np.where(np.arange(SIZE[0]) < 40, depth, d).astype(np.float32)
             for d, (_, depth, _) in zip(table, shown, strict=True)]  # fmt: skip
    assert ground_plane(cameras, below, [np.ones_like(d, bool) for d in below]) is None


def test_ground_that_looks_alike_everywhere_is_laid_on_its_plane():
    cameras, truth = before_a_wall(6)
    shown = [seen(camera, truth) for camera in cameras]
    frames = []
    for number, (camera, (rgb, depth, _)) in enumerate(zip(cameras, shown, strict=True)):
        given = depth if number in (0, 5) else None  # a sensor knew it from two places
        frames.append(PosedFrame(camera, rgb, given, str(number)))

    def guess(rgb: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        _, depth, is_ground = seen(camera, truth)
        return depth * np.float32(0.5), is_ground.astype(np.float32)

    found = dense_depth(frames, guess=guess)
    for dense, (_, depth, is_ground) in list(zip(found, shown, strict=True))[1:5]:
        there = is_ground & (dense.depth > 0)
        assert there.sum() > 0.9 * is_ground.sum()
        off = np.abs(np.log(dense.depth[there] / depth[there]))
        assert np.mean(off < 0.03) > 0.9
