# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion blur of frames, beside pictures of many moments."""

from __future__ import annotations

import numpy as np
import pytest

from backend.pipelines.shutter import exposed, ways
from backend.shared.camera import Camera, intrinsics
from backend.shared.frame import FrameReply, FrameRequest

SIZE = 64
K = intrinsics(0.9, SIZE, SIZE)
NEAR, FAR = 2.0, 8.0


def camera(aside: float = 0.0, turned: float = 0.0) -> Camera:
    c2w = np.eye(4)
    c2w[0, 3] = aside
    cos, sin = np.cos(turned), np.sin(turned)
    c2w[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    return Camera(K, c2w, SIZE, SIZE)


def board(one: Camera) -> tuple[np.ndarray, np.ndarray]:
    """A white board, half a metre to each side, before a wall with soft stripes: colour, depth."""

    rays = one.rays()

    def at(z: float) -> np.ndarray:
        return one.position[0] + z / rays[..., 2] * rays[..., 0]

    met = np.abs(at(NEAR)) < 0.5
    wall = 0.3 + 0.2 * np.sin(2.0 * at(FAR))
    color = np.where(met, 1.0, wall)
    return np.repeat(color[..., None], 3, axis=2), np.where(met, NEAR, FAR)


def reply(color, depth, opened=None, closed=None) -> FrameReply:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    return FrameReply(
        color=color.astype(np.float16),
        depth=depth.astype(np.float32),
        coverage=nothing,
        anchor_rgb=np.zeros((SIZE, SIZE, 3), np.uint8),
        request=FrameRequest(camera(), opened=opened, closed=closed),
        world_revision=1,
        model_name="lit",
        model_hash="1",
    )


def test_ways_are_what_a_moved_camera_makes_of_points() -> None:
    depth = np.full((SIZE, SIZE), NEAR)
    aside = ways(depth, camera(), camera(0.1))
    np.testing.assert_allclose(aside[..., 0], -0.1 / NEAR * K[0, 0], atol=1e-3)
    np.testing.assert_allclose(aside[..., 1], 0, atol=1e-3)
    sky = ways(np.full((SIZE, SIZE), np.inf), camera(), camera(0.1))
    np.testing.assert_allclose(sky, 0, atol=1e-3)
    wider = camera(0.1).resized(2 * SIZE, 2 * SIZE)
    np.testing.assert_allclose(ways(depth, camera(), wider), aside, atol=1e-3)


def test_nothing_changes_where_the_camera_stands_still() -> None:
    still = reply(*board(camera()))
    assert exposed(still) is still
    shut = reply(*board(camera()), camera(), camera())
    assert exposed(shut) is shut


@pytest.mark.parametrize(("begin", "end"), [(-0.1, 0.1), (0.0, 0.2), (-0.2, 0.0)])
def test_a_move_aside_is_the_mean_of_its_moments(begin: float, end: float) -> None:
    moments = [board(camera(x))[0] for x in np.linspace(begin, end, 41)]
    truth = np.mean(moments, axis=0)
    sharp, depth = board(camera())
    made = exposed(reply(sharp, depth, camera(begin), camera(end))).color.astype(np.float32)
    inner = np.s_[:, 8:-8]  # beyond its border a frame knows nothing
    before = np.abs(sharp - truth)[inner]
    after = np.abs(made - truth)[inner]
    assert after.mean() < 0.25 * before.mean()
    assert after.max() < 0.35 * before.max()


def test_a_turn_blurs_near_and_far_alike_and_keeps_the_light() -> None:
    sharp, depth = board(camera())
    depth[:8], depth[8:16] = np.inf, 0.0
    moments = [board(camera(turned=a))[0] for a in np.linspace(-0.06, 0.06, 41)]
    truth = np.mean(moments, axis=0)
    made = exposed(reply(sharp, depth, camera(turned=-0.06), camera(turned=0.06)))
    inner = np.s_[16:, 8:-8]
    assert np.isfinite(made.color).all()
    after = np.abs(made.color.astype(np.float32) - truth)[inner]
    assert after.mean() < 0.25 * np.abs(sharp - truth)[inner].mean()
    assert made.color[inner].mean() == pytest.approx(truth[inner].mean(), abs=0.015)
