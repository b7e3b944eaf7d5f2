# SPDX-License-Identifier: GPL-3.0-or-later
"""Dense depth of pictures that have none, against rooms whose geometry is known exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.data.capture_views import PosedFrame
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import MemoryFrame
from backend.world.stereo.agree import agree
from backend.world.stereo.dense import dense_depth
from backend.world.stereo.smooth import (
    _DIRECTIONS,
    EDGE,
    LARGE,
    LEAST_LARGE,
    SCALE,
    SMALL,
    smooth_surface,
)
from backend.world.stereo.sweep import Sweep
from backend.world.stereo.trust import agreement, left_out_error
from backend.world.stereo.views import plan, view_of
from backend.world.stereo.votes import SAME, THROUGH, views_of, votes, without_denied
from tests.scenes.world_room import photograph, trace

SIZE = (128, 96)


def arc(count: int = 6) -> list[Camera]:
    """Cameras on an arc that look at the room's ball and block."""
    cameras = []
    for i in range(count):
        angle = math.radians(8 * (i - (count - 1) / 2))
        place = np.array([3.0 * math.sin(angle), 0.3 - 3.0 * math.cos(angle), 0.1])
        target = np.array([0.0, 0.8, -0.4])
        cameras.append(Camera(intrinsics(1.0, *SIZE), look_at(place, target), *SIZE))
    return cameras


def frames(depth: bool = False) -> list[PosedFrame]:
    shots = [photograph(camera) for camera in arc()]
    return [PosedFrame(s.camera, s.rgb, s.depth if depth else None, str(i))
            for i, s in enumerate(shots)]  # fmt: skip


def test_an_arc_of_pictures_comes_out_as_what_it_shows():
    seen = frames()
    found = dense_depth(seen)
    assert np.mean([d.agreed for d in found]) > 0.4
    for dense, frame in zip(found, seen, strict=True):
        truth = trace(frame.camera)[1]
        solid = np.isfinite(truth) & np.isfinite(dense.depth) & (dense.depth > 0)
        assert solid.mean() > 0.75
        error = np.log(dense.depth[solid] / truth[solid])
        assert np.median(np.abs(error)) < 0.03
        assert (error < -0.2).mean() < 0.1  # nothing stands where the others saw through


def test_depth_that_comes_along_is_kept_and_helps_the_others():
    mixed = frames(depth=True)
    for frame in mixed[::2]:
        frame.depth = None
    found = dense_depth(mixed)
    for dense, frame in zip(found, mixed, strict=True):
        truth = trace(frame.camera)[1]
        if frame.depth is not None:
            assert np.array_equal(dense.depth, truth)
        else:
            solid = np.isfinite(truth) & np.isfinite(dense.depth) & (dense.depth > 0)
            assert np.median(np.abs(np.log(dense.depth[solid] / truth[solid]))) < 0.03


def test_masked_pixels_stay_unknown():
    seen = frames()
    known = np.ones((SIZE[1], SIZE[0]), bool)
    known[:, :40] = False
    seen[2].known = known
    found = dense_depth(seen)
    assert (found[2].depth[:, :40] == 0).all() and (found[2].depth[:, 44:] > 0).mean() > 0.7


def test_pictures_that_see_nothing_together_do_not_fail():
    a, b = arc(2)
    away = b.c2w.copy()
    away[:3, 3] += [0, 0, 500.0]
    cameras = [a, Camera(b.K, away, *SIZE)]
    rgb = photograph(a).rgb
    found = dense_depth([PosedFrame(c, rgb, None, "x") for c in cameras])
    assert all(d.depth.shape == (SIZE[1], SIZE[0]) for d in found)


def test_neighbours_are_near_and_look_the_same_way():
    cameras = arc(8)
    turned = cameras[3].c2w.copy()
    turned[:3, :3] = turned[:3, :3] @ np.diag([-1.0, 1.0, -1.0])
    cameras.append(Camera(cameras[3].K, turned, *SIZE))  # looks away
    plans = plan(cameras, None)
    assert 8 not in plans[3].sources
    assert set(plans[3].sources[:2]) <= {1, 2, 4, 5}
    assert plans[8].sources == [] or 3 not in plans[8].sources


def test_the_sweep_likes_the_true_depth_best():
    cameras = arc(4)
    views = [view_of(c, photograph(c).rgb, None, 640) for c in cameras]
    sweep = Sweep(views[1], [views[0], views[2]], 7, "cpu")
    truth = trace(cameras[1])[1]
    truth = np.where(np.isfinite(truth), truth, 50)
    factors = (0.8, 1.0, 1.25)
    q = torch.from_numpy(np.stack([1 / (truth * f) for f in factors]).astype(np.float32))
    costs = sweep.costs(q, 1).numpy()
    textured = np.isfinite(trace(cameras[1])[1])
    assert (costs.argmin(axis=0) == 1)[textured].mean() > 0.85


def slow_surface(costs: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Semi-global matching as it is written in the paper, pixel by pixel."""
    whole = np.clip(costs * SCALE, 0, 255).astype(np.uint8).astype(np.int64)
    height, width, planes = whole.shape
    total = np.zeros(whole.shape, np.int64)
    for dy, dx in _DIRECTIONS:
        path = np.zeros(whole.shape, np.int64)
        rows = range(height) if dy >= 0 else range(height - 1, -1, -1)
        columns = range(width) if dx >= 0 else range(width - 1, -1, -1)
        for y in rows:
            for x in columns:
                py, px = y - dy, x - dx
                path[y, x] = whole[y, x]
                if 0 <= py < height and 0 <= px < width:
                    before = path[py, px]
                    change = abs(grey[y, x] - grey[py, px])
                    jump = int(max(LARGE / (1.0 + change / EDGE), LEAST_LARGE))
                    for p in range(planes):
                        steps = [before[p], before.min() + jump]
                        steps += [before[p - 1] + SMALL] if p else []
                        steps += [before[p + 1] + SMALL] if p + 1 < planes else []
                        path[y, x, p] += min(steps) - before.min()
        total += path
    return total.argmin(axis=2)


def test_smoothing_is_that_of_its_slow_twin():
    rng = np.random.default_rng(3)
    costs = rng.uniform(0, 1.5, (9, 11, 7)).astype(np.float32)
    grey = rng.uniform(0, 1, (9, 11)).astype(np.float32)
    number, sure = smooth_surface(costs, grey)
    assert np.array_equal(np.round(number), slow_surface(costs, grey))
    assert ((sure >= 0) & (sure <= 1)).all()


def test_views_that_agree_and_views_that_saw_through():
    cameras = arc(3)
    depths = [trace(c)[1] for c in cameras]
    others = [(c, d, np.isfinite(d)) for c, d in zip(cameras[1:], depths[1:], strict=True)]
    solid = np.isfinite(depths[0])
    right = agree(cameras[0], depths[0], others)
    assert (right.count[solid] >= 1).mean() > 0.8
    assert (right.hides[solid] == 2).mean() < 0.02
    wall = np.where(solid, 0.5 * depths[0], depths[0]).astype(np.float32)
    wrong = agree(cameras[0], wall, others)
    assert (wrong.count[solid] >= 1).mean() < 0.05
    assert (wrong.hides[solid] >= 1).mean() > 0.7


def test_left_out_pictures_are_as_good_as_depth_is():
    shots = [photograph(camera, str(i)) for i, camera in enumerate(arc())]
    right = left_out_error(shots)
    assert len(right) == 3 and min(right) > 25
    assert agreement(shots) > 0.8
    wrong = [
        replace(s, depth=(s.depth * (1.4 if i % 2 else 0.7)).astype(np.float32), radiance=None)
        for i, s in enumerate(shots)
    ]
    assert not (bad := left_out_error(wrong)) or np.mean(bad) < np.mean(right) - 5
    assert agreement(wrong) < 0.1
    assert agreement(shots[:1]) is None
    assert not left_out_error(shots[:1])


def slow_votes(point: np.ndarray, memory: list[MemoryFrame], own: int) -> tuple[int, int]:
    """The twin: one point at a time, by the camera's own projection."""
    seen = through = 0
    for number, frame in enumerate(memory):
        (u, v), depth = (part[0] for part in frame.camera.project(point[None]))
        width, height = frame.camera.width, frame.camera.height
        if number == own or depth <= 0 or not (1 <= u < width - 1 and 1 <= v < height - 1):
            continue
        around = frame.depth[int(v) - 1 : int(v) + 2, int(u) - 1 : int(u) + 2]
        if frame.depth[int(v), int(u)] <= 0:
            continue
        around = around[around > 0]
        if (np.abs(around - depth) < SAME * depth).any():
            seen += 1
        elif depth < around.min() * (1 - THROUGH):
            through += 1
    return seen, through


def test_votes_are_their_slow_twin():
    shots = [photograph(camera, str(i)) for i, camera in enumerate(arc())]
    shots[1] = replace(shots[1], depth=np.where(shots[1].depth < 4, 0, shots[1].depth))
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 3, (400, 3))
    wanted = np.array([slow_votes(point, shots, 2) for point in points])
    assert wanted[:, 0].max() > 0 and wanted[:, 1].max() > 2
    assert np.array_equal(votes(points, views_of(shots), 2), wanted)


def test_what_hangs_in_the_air_goes_and_the_rest_stays():
    shots = [photograph(camera, str(i)) for i, camera in enumerate(arc())]
    wrong = shots[2].depth.copy()
    wrong[30:50, 40:80] *= 0.6
    given = [replace(s, depth=wrong) if i == 2 else s for i, s in enumerate(shots)]
    kept = without_denied(given, [True] * len(given))
    there = np.isfinite(wrong[31:49, 41:79])
    assert there.mean() > 0.3 and (kept[2].depth[31:49, 41:79][there] == 0).mean() > 0.9
    for number, (before, after) in enumerate(zip(shots, kept, strict=True)):
        outside = np.ones(before.depth.shape, bool)
        outside[30:50, 40:80] = number != 2
        solid = outside & np.isfinite(before.depth)
        assert (after.depth[solid] == before.depth[solid]).mean() > 0.97
    untouched = without_denied(given, [i != 2 for i in range(len(given))])
    assert np.array_equal(untouched[2].depth, wrong)


@pytest.mark.parametrize(("alike", "stays"), [(2, False), (3, True)])
def test_two_that_are_wrong_alike_do_not_outvote_one_that_looks_through(alike, stays):
    true = photograph(arc()[2], "true")
    wrong = true.depth.copy()
    wrong[30:50, 40:80] *= 0.6
    given = [replace(true, depth=wrong)] * alike + [true]
    kept = without_denied(given, [True] * len(given))[0].depth[31:49, 41:79]
    there = np.isfinite(wrong[31:49, 41:79])
    assert (kept[there] > 0).mean() == pytest.approx(float(stays), abs=0.1)
