# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things that move by themselves are at a shutter's ends, beside their points placed anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.pipelines.lit import LitWorld
from backend.pipelines.movers import shifts
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.frame import FrameRequest
from backend.shared.motion import Move, Pose
from backend.shared.world import World
from tests.conditioning.light.lit_room import QUICK, box_mesh, camera_at, lamp_at, matt, scene_of

HERE = camera_at((0.2, -2.8, 1.6), (0, 0, 0.6), size=32, fov=1.1)
BOX = box_mesh((-0.5, -0.5, 0), (0.5, 0.5, 1))
UP, ASIDE = np.eye(4), np.eye(4)
UP[2, 3], ASIDE[0, 3] = 0.2, 0.3
TURNED = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def pipeline() -> LitWorld:
    return LitWorld(QUICK)


@pytest.fixture(scope="module")
def world() -> World:
    parts = [
        (box_mesh((-3, -3, 0), (3, 3, 3)), matt((0.7, 0.6, 0.5))),
        (BOX, matt((0.2, 0.4, 0.7))),
    ]
    lamp = lamp_at("POINT", (1, -1, 2.7), 80.0, radius=0.1)
    return World(Anchors.empty(), [], 1, {}, scene_of(parts, [lamp]))


@pytest.fixture(scope="module")
def seen(pipeline, world):
    """The geometry, and a picture of it as `shifts` asks for one."""
    prepared = pipeline.prepare(world)
    pipeline.render(prepared, FrameRequest(HERE))
    assert prepared.whole is not None
    return prepared.matter.geometry, frame.render(prepared.whole, HERE)


def test_shifts_are_those_of_the_points_that_are_seen(seen) -> None:
    geometry, lit = seen
    key = geometry.scene.instances[1].key
    taller = BOX.vertices * np.float32([1, 1, 2])
    begin, end = shifts(geometry, lit, [Move(key, Pose(TURNED), Pose(UP, taller))])
    box = (lit.triangle >= 0) & (geometry.owner[np.maximum(lit.triangle, 0)] == 1)
    assert 50 < box.sum() < box.size
    assert not begin[~box].any() and not end[~box].any()
    points = (HERE.origins() + lit.depth[..., None] * HERE.rays())[box]
    x, y, z = points.T
    np.testing.assert_allclose(begin[box], np.stack([-y - x, x - y, 0 * z], 1), atol=2e-3)
    np.testing.assert_allclose(end[box], np.stack([0 * x, 0 * y, z + 0.2], 1), atol=2e-3)


def test_moves_of_what_is_not_there_and_bends_of_other_vertices_are_left_out(seen) -> None:
    geometry, lit = seen
    key = geometry.scene.instances[1].key
    other = Pose(UP, np.zeros((3, 3), np.float32))
    gone, moved = Move("gone", Pose(UP), Pose(UP)), Move(key, other, Pose(np.eye(4)))
    begin, end = shifts(geometry, lit, [gone, moved])
    assert set(np.unique(begin.round(5))) == {0.0, np.float32(0.2)}
    np.testing.assert_allclose(end, 0, atol=1e-5)


def test_what_moves_is_blurred_and_what_stands_still_is_not(pipeline, world) -> None:
    prepared = pipeline.prepare(world)
    still = pipeline.render(prepared, FrameRequest(HERE))
    key = world.scene.instances[1].key
    move = Move(key, Pose(np.eye(4)), Pose(ASIDE))
    made = pipeline.render(prepared, FrameRequest(HERE, moves=(move,)))
    changed = np.abs(made.color.astype(float) - still.color).max(axis=2) > 0.01
    rows, columns = np.nonzero(changed)
    assert len(rows) > 20
    assert columns.max() < 31 and rows.min() > 4  # only about the box
    np.testing.assert_array_equal(made.depth, still.depth)


@pytest.mark.parametrize(
    "pose", [(np.eye(3), None), (np.full((4, 4), np.nan), None), (np.eye(4), np.zeros((4, 2)))]
)
def test_malformed_poses_are_refused(pose) -> None:
    with pytest.raises(InputError, match="malformed"):
        Pose(*pose)


def test_moves_are_no_part_of_what_is_written_beside_a_frame() -> None:
    request = FrameRequest(HERE)
    moving = replace(request, moves=(Move("a", Pose(UP), Pose(UP)),))
    assert moving.metadata("m", "h", 1) == request.metadata("m", "h", 1)
