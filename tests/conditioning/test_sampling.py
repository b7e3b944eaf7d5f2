# SPDX-License-Identifier: GPL-3.0-or-later
"""Backward sampling of memory images."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

from backend.conditioning.memory import images as memory_images
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.prepared import PreparedFrames
from backend.conditioning.memory.sampling import Sampled, sample_memory
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import MemoryFrame
from tests.scenes.world_room import photograph, psnr, room_camera, trace


def _sample(views: list[MemoryFrame], camera: Camera, depth: np.ndarray) -> Sampled:
    images = MemoryImages(views)
    return sample_memory(images, range(len(views)), camera, torch.from_numpy(depth))


def _seen_by(memory: MemoryFrame, camera: Camera, depth: np.ndarray) -> np.ndarray:
    """(H, W) 1 = certainly seen, 0 = certainly not, -1 = too close to call; one pixel at a time."""
    seen = np.full(depth.shape, -1)
    rays = camera.rays().astype(np.float64)
    for row in range(camera.height):
        for column in range(camera.width):
            if not np.isfinite(depth[row, column]):
                continue
            point = camera.position + depth[row, column] * rays[row, column]
            uv, z = memory.camera.project(point[None])
            u, v = uv[0]
            inside = 2 < u < memory.camera.width - 2 and 2 < v < memory.camera.height - 2
            if z[0] <= 0 or not inside:
                outside = z[0] <= 0 or not (
                    0 < u < memory.camera.width and 0 < v < memory.camera.height
                )
                seen[row, column] = 0 if outside else -1
                continue
            x, y = int(u), int(v)
            around = memory.depth[y - 1 : y + 2, x - 1 : x + 2]
            if (around > 1.05 * z[0]).all() or (around < 0.9 * z[0]).all():
                seen[row, column] = 0
            elif (np.abs(around - z[0]) < 0.005 * z[0]).all():
                seen[row, column] = 1
    return seen


def test_a_neighbouring_view_gives_sharp_colours_through_the_true_depth() -> None:
    camera = room_camera((0.4, -2.4, 0.25))
    views = [photograph(room_camera()), photograph(room_camera((1.2, -2.6, 0.4)))]
    truth = photograph(camera)
    result = _sample(views, camera, truth.depth)
    weight, rgb = result.weight.numpy(), result.rgb.numpy() * 255
    assert (weight > 0.2).mean() > 0.85
    assert psnr(rgb, truth.rgb, weight > 0.2) > 40
    assert psnr(rgb, truth.rgb, weight > 0) > 35
    assert not rgb[weight == 0].any()


def test_seen_and_unseen_agree_with_the_slow_twin() -> None:
    camera = room_camera((1.5, -2.2, 0.5), size=(64, 48))
    memory = photograph(room_camera(size=(96, 72)))
    _, depth = trace(camera)
    weight = _sample([memory], camera, depth).weight.numpy()
    seen = _seen_by(memory, camera, depth)
    assert (seen == 0).sum() > 100 and (seen == 1).sum() > 400
    assert not weight[seen == 0].any()
    assert (weight[seen == 1] > 0).mean() > 0.995


def test_the_same_camera_gives_the_picture_back() -> None:
    memory = photograph(room_camera())
    result = _sample([memory], memory.camera, memory.depth)
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(
        result.rgb.numpy()[inner] * 255, memory.rgb[inner].astype(float), atol=0.05
    )
    assert (result.weight.numpy()[inner] > 0).all()


def test_sky_is_a_direction() -> None:
    memory = photograph(room_camera())
    camera = room_camera((0.0, -2.0, 0.2))
    _, depth = trace(camera)
    found = _sample([memory], camera, depth)
    window = np.isinf(depth)
    # memory is farther away, so its window is smaller in angle than the target's
    assert 0.2 < found.sky.numpy()[window].mean() < 1
    assert not found.sky.numpy()[~window].any()
    blue = found.rgb.numpy()[found.sky.numpy()]
    assert (blue[:, 2] > blue[:, 0]).all()
    unknown = _sample([memory], memory.camera, np.zeros_like(memory.depth))
    np.testing.assert_array_equal(unknown.sky.numpy(), np.isinf(memory.depth))


def test_fine_patterns_do_not_alias_when_memory_is_sharper() -> None:
    size, factor = (64, 48), 8
    c2w = look_at(np.zeros(3), np.array([0.0, 1, 0]))
    fine = Camera(intrinsics(1.0, size[0] * factor, size[1] * factor), c2w, 512, 384)
    rows, columns = np.mgrid[:384, :512]
    board = (((rows + columns) % 2) * 255).astype(np.uint8)
    frame = MemoryFrame("a", "a", fine, np.repeat(board[..., None], 3, 2), np.full((384, 512), 2.0))
    camera = Camera(intrinsics(1.0, *size), c2w, *size)
    result = _sample([frame], camera, np.full((48, 64), 2.0, np.float32))
    assert np.abs(result.rgb.numpy()[2:-2, 2:-2] - 0.5).max() < 0.02


def test_the_sharper_of_two_looks_prevails_and_says_so() -> None:
    camera = room_camera((0.2, -2.2, 0.2))
    sharp = photograph(room_camera((0.2, -2.4, 0.2)))
    coarse = photograph(room_camera(size=(32, 24)))
    truth = photograph(camera)
    both = _sample([coarse, sharp], camera, truth.depth)
    only = _sample([sharp], camera, truth.depth)
    seen = only.weight.numpy() > 0.5
    assert psnr(both.rgb.numpy(), only.rgb.numpy(), seen) > 80  # of 255: nearly the same
    poor = _sample([coarse], camera, truth.depth).weight.numpy()
    assert np.median(poor[poor > 0]) < 0.5 < np.median(only.weight.numpy())


def test_frames_without_depth_give_nothing() -> None:
    frame = photograph(room_camera())
    blind = MemoryFrame("b", "b", frame.camera, frame.rgb)
    result = _sample([blind], frame.camera, frame.depth)
    assert not result.weight.any() and not result.rgb.any() and not result.sky.any()
    assert not _sample([], frame.camera, frame.depth).weight.any()


def test_only_so_many_images_are_kept_ready_and_all_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = [photograph(room_camera((x, -3, 0.2))) for x in (-0.2, 0.0, 0.2)]
    images = MemoryImages(views)
    camera, depth = room_camera(), torch.from_numpy(views[1].depth)
    before = sample_memory(images, [0, 1, 2], camera, depth)
    monkeypatch.setattr(memory_images, "KEPT_PIXELS", 2 * 128 * 96)
    few = MemoryImages(views)
    for _ in range(2):
        after = sample_memory(few, [0, 1, 2], camera, depth)
        assert torch.equal(before.rgb, after.rgb)
    assert len(few._cache) == 2


def test_worlds_share_what_a_frame_is_prepared_to_and_let_go_of_it_together() -> None:
    frames = [photograph(room_camera((x, -3.0, 0.2), size=(48, 36))) for x in (0.0, 1.0)]
    known = PreparedFrames(torch.device("cpu"))
    first = MemoryImages(frames, known=known)
    second = MemoryImages(frames[:1], known=known)
    assert second.prepared[0] is first.prepared[0]
    assert second.cells.color.shape[0] == first.cells.color.shape[0] // 2
    kept = weakref.ref(first.prepared[1])
    del first
    gc.collect()
    assert kept() is None and second.prepared[0] is known.of(frames[0])
