# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing memory frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.sampling import sample_memory
from backend.conditioning.memory.views import select_views
from backend.shared.camera import Camera
from backend.shared.frame import MemoryFrame
from tests.scenes.world_room import photograph, room_camera, trace


def _views() -> list[MemoryFrame]:
    back = room_camera((0.0, 0.0, 0.5), (0.0, -4.0, 0.0))
    left = room_camera((1.5, -2.5, 0.3), (-2.5, 0.5, -0.2))
    right = room_camera((-1.5, -2.5, 0.3), (2.5, 0.5, -0.2))
    return [photograph(c, str(i)) for i, c in enumerate((back, left, right, room_camera()))]


def _choose(views: list[MemoryFrame], camera: Camera, count: int) -> list[int]:
    _, depth = trace(camera)
    return select_views(MemoryImages(views), camera, torch.from_numpy(depth), count)


def test_the_closest_view_comes_first_and_the_one_looking_away_never() -> None:
    chosen = _choose(_views(), room_camera((0.1, -2.9, 0.2)), 4)
    assert chosen[0] == 3
    assert 0 not in chosen and len(set(chosen)) == len(chosen)


def test_each_further_view_adds_what_the_others_miss() -> None:
    views, camera = _views(), room_camera((0.0, -3.6, 0.2), fov=1.5)
    _, depth = trace(camera)
    images, depth = MemoryImages(views), torch.from_numpy(depth)
    chosen = select_views(images, camera, depth, 3)
    covered = [
        (sample_memory(images, chosen[:n], camera, depth).weight > 0).float().mean()
        for n in (1, 2, 3)
    ]
    assert covered[0] < covered[1] < covered[2]
    best = max(
        (sample_memory(images, [i], camera, depth).weight > 0).float().mean()
        for i in range(len(views))
    )
    assert covered[0] > 0.9 * best


def test_a_view_behind_a_wall_counts_for_nothing() -> None:
    camera = room_camera()
    views = _views()
    # stands at the target, but what it sees ends right in front of it
    wall = MemoryFrame(
        "wall", "wall", camera, np.zeros((96, 128, 3), np.uint8), np.full((96, 128), 0.1)
    )
    assert _choose([wall, *views], camera, 4)[0] == 4
    assert 0 not in _choose([wall, *views], camera, 4)


def test_without_depth_the_nearest_cameras_come_first() -> None:
    views, camera = _views(), room_camera((0.1, -2.9, 0.2))
    depth = torch.zeros(camera.height, camera.width)
    chosen = select_views(MemoryImages(views), camera, depth, 2)
    assert chosen[0] == 3 and len(chosen) == 2 and 0 not in chosen


def test_sky_that_no_anchor_shows_counts_by_its_direction() -> None:
    target = room_camera((0.0, -2.9, 0.2))
    _, depth = trace(target)
    anchors = np.where(np.isinf(depth), 0, depth).astype(np.float32)  # anchors know no sky
    whole = photograph(room_camera())
    window = np.isinf(whole.depth)
    # two half blind frames: one sees the room but not its window, the other the window alone
    room = MemoryFrame("r", "r", whole.camera, whole.rgb, np.where(window, 0, whole.depth))
    sky = MemoryFrame("s", "s", whole.camera, whole.rgb, np.where(window, np.inf, 0))
    images = MemoryImages([sky, room])
    assert select_views(images, target, torch.from_numpy(anchors), 2) == [1, 0]


def test_disabled_frames_are_passed_over() -> None:
    views = _views()
    views[3] = dataclasses.replace(views[3], enabled=False)
    assert 3 not in _choose(views, room_camera(), 4)
    off = [dataclasses.replace(v, enabled=False) for v in views]
    assert _choose(off, room_camera(), 4) == []
    assert _choose([], room_camera(), 4) == []


def test_the_choice_is_the_same_every_time() -> None:
    views = _views()
    assert _choose(views, room_camera(), 3) == _choose(views, room_camera(), 3)
