# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep This Frame: what was generated stays, and what was known stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import PointCloud, render_points
from backend.conditioning.memory.free_space import contradicts
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.sampling import sample_memory
from backend.conditioning.unseen.depth_completion import smooth_guess
from backend.models.depth import DepthEstimator, DepthGuess
from backend.pipelines.embedded import FramePipeline
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.color import halves_of_bytes
from backend.shared.errors import InputError
from backend.shared.frame import FrameReply, FrameRequest, MemoryFrame
from backend.shared.world import World
from backend.shared.world_folder import world_hash
from backend.world.frame_exchange import read_frame_to_keep, write_growth
from backend.world.grow import completed_depth, grow, keep_picture, known_depth
from tests.scenes.world_room import HALF, psnr, trace

from ..conditioning.test_surfels import floor_and_wall


class RoomDepth:
    """The room's depth (cameras stand 1.5 m higher than in world_room), off by a factor."""

    name, coarse = "room", False

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        depth = picture(camera)[1] * np.float32(self.factor)
        return DepthGuess(depth, np.zeros_like(depth), self.name)


def picture(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    c2w = camera.c2w.copy()
    c2w[2, 3] -= HALF[2]
    return trace(Camera(camera.K, c2w, camera.width, camera.height))


def camera_at(x: float, toward: float, size: tuple[int, int] = (96, 72)) -> Camera:
    place = np.array([x, -2.5, 1.6])
    return Camera(intrinsics(1.1, *size), look_at(place, np.array([toward, 2.0, 1.2])), *size)


@pytest.fixture
def world() -> World:
    camera = camera_at(0.0, -0.8)
    rgb, depth = picture(camera)
    frame = MemoryFrame("first", "first", camera, rgb, depth)
    return World(anchors=lift(frame), memory=[frame], revision=5, provenance={"source": "test"})


def reply_of(world: World, camera: Camera) -> FrameReply:
    """A perfect frame: the room itself, with the depth that the anchors give."""
    rgb, _ = picture(camera)
    known = known_depth(world, camera)
    coverage = (known > 0).astype(np.float32)
    request = FrameRequest(camera, seed=3)
    return FrameReply(
        halves_of_bytes(rgb), known, coverage, rgb, request, world.revision, "test", "0" * 12
    )


def keep_frame(world: World, reply: FrameReply, name: str, depth: str | DepthEstimator) -> World:
    return keep_picture(world, reply.rgb, reply.request.camera, name, depth)


def test_keeping_a_frame_grows_the_world_and_leaves_the_old_one(world):
    before = world_hash(world)
    reply = reply_of(world, camera_at(0.4, 1.2))
    unknown = float((reply.depth == 0).mean())
    assert 0.05 < unknown < 0.8
    grown = keep_frame(world, reply, "kept", RoomDepth(1.4))
    assert world_hash(world) == before
    assert grown.revision == 6 and len(grown.memory) == 2
    assert len(grown.anchors) > len(world.anchors)
    assert np.array_equal(grown.anchors.xyz[: len(world.anchors)], world.anchors.xyz)
    assert grown.provenance == world.provenance
    kept = grown.memory[1]
    assert np.array_equal(kept.rgb, reply.rgb)
    # what was known stands in the frame exactly; the rest meets it without the factor of 1.4
    known = reply.depth != 0
    assert np.array_equal(kept.depth[known], reply.depth[known])
    truth = picture(kept.camera)[1]
    filled = ~known & (kept.depth > 0) & np.isfinite(kept.depth) & np.isfinite(truth)
    assert np.median(np.abs(np.log(kept.depth[filled] / truth[filled]))) < 0.12


def test_walking_back_shows_the_same_place(world):
    """Keep a frame, leave, and look again: from memory, the same picture."""
    camera = camera_at(0.4, 1.2)
    grown = keep_frame(world, reply_of(world, camera), "kept", RoomDepth(1.3))
    depth = render_points(PointCloud(grown.anchors), camera).depth
    images = MemoryImages(grown.memory)
    seen = sample_memory(images, range(2), camera, depth)
    solid = (seen.weight > 0.3).numpy()
    assert solid.mean() > 0.6
    truth = picture(camera)[0]
    error = np.abs(seen.rgb.numpy() * 255 - truth)[solid]
    assert 10 * np.log10(255**2 / (error**2).mean()) > 28


def test_the_embedded_model_shows_a_kept_place_again(world):
    """What was invented and kept is what is seen after a walk, whatever the seed is by then.

    At least 40 dB: three grey levels of 255. Undo, the world as it was, brings the very bytes.
    """
    pipeline = FramePipeline.from_pretrained("embedded", "cpu", "float32")

    def look(at: World, camera: Camera, seed: int) -> FrameReply:
        return pipeline.render(pipeline.prepare(at), FrameRequest(camera, seed=seed))

    here, elsewhere = camera_at(0.4, 2.6), camera_at(-0.6, -2.0)
    first = look(world, here, 1)
    assert (first.depth == 0).mean() > 0.4  # most of it is invented
    grown = keep_frame(world, first, "here", "embedded")
    grown = keep_frame(grown, look(grown, elsewhere, 2), "elsewhere", "embedded")
    assert grown.revision == 7 and len(grown.memory) == 3
    back = look(grown, here, 3)
    everywhere = np.ones(first.rgb.shape[:2], bool)
    assert psnr(back.rgb, first.rgb, everywhere) > 40
    assert back.coverage[first.depth == 0].mean() > 0.8
    assert np.array_equal(look(world, here, 1).rgb, first.rgb)


def test_embedded_depth_continues_the_surfaces_that_are_known():
    """Where a look aside shows nothing known, floor, wall and sky go on."""
    ahead, aside = (
        Camera(intrinsics(1.0, 96, 96), look_at(np.array([x, 0.0, 1.0]), target), 96, 96)
        for x, target in ((0.0, np.array([0.0, 4.0, 0.9])), (0.5, np.array([3.4, 4.0, 0.9])))
    )
    rgb, depth = floor_and_wall(ahead)
    memory = MemoryFrame("first", "first", ahead, rgb, depth)
    world = World(lift(memory), [memory], 1, {})
    reply = reply_of(world, aside)
    unknown = reply.depth == 0
    kept = keep_frame(world, reply, "kept", "embedded").memory[1].depth[unknown]
    truth = floor_and_wall(aside)[1][unknown]
    spread = smooth_guess(torch.from_numpy(reply.depth), 3.0).numpy()[unknown]
    solid = np.isfinite(truth) & np.isfinite(kept) & (kept > 0)
    assert solid.sum() > 0.8 * np.isfinite(truth).sum()
    wrong, worse = (np.abs(np.log(d[solid] / truth[solid])).mean() for d in (kept, spread))
    assert wrong < 0.75 * worse
    assert (np.isinf(kept) == np.isinf(truth)).mean() > 0.9


def test_keeping_twice_changes_nothing(world):
    reply = reply_of(world, camera_at(0.4, 1.2))
    once = keep_frame(world, reply, "kept", RoomDepth())
    assert keep_frame(once, reply, "again", RoomDepth()) is once


def test_a_frame_that_is_all_known_adds_memory_but_no_points(world):
    camera = world.memory[0].camera
    known = world.memory[0].depth
    grown = grow(world.memory, picture(camera)[0], known, camera, "same", RoomDepth())
    assert len(grown.anchors) == 0
    assert np.array_equal(grown.frame.depth, known)


def test_points_in_front_of_what_memory_saw_are_dropped(world):
    """An estimator that builds a wall where memory looked through."""
    camera = world.memory[0].camera
    truth = world.memory[0].depth
    assert not contradicts(truth, camera, world.memory).any()
    solid = np.isfinite(truth)
    near = np.where(solid, truth * 0.6, truth)
    wrong = contradicts(near, camera, world.memory)
    assert wrong[solid].mean() > 0.95
    hidden = np.where(solid, truth * 1.5, truth)
    assert not contradicts(hidden, camera, world.memory).any()


def test_nothing_contradicts_where_memory_saw_nothing(world):
    behind = Camera(
        intrinsics(1.1, 32, 24),
        look_at(np.array([0.0, -2.6, 1.6]), np.array([0.0, -4.0, 1.5])),
        32,
        24,
    )
    assert not contradicts(np.full((24, 32), 1.0, np.float32), behind, world.memory).any()


def test_sizes_that_disagree_are_refused():
    camera = camera_at(0.4, 1.2)
    with pytest.raises(InputError, match="different sizes"):
        grow([], picture(camera)[0], np.zeros((4, 4), np.float32), camera, "x", RoomDepth())


def test_without_ground_the_known_depth_is_spread():
    camera = Camera(intrinsics(1.0, 40, 32), look_at(np.array([0, 0, -3.0]), np.zeros(3)), 40, 32)
    known = np.zeros((32, 40), np.float32)
    known[:, :20] = 3.0
    depth = completed_depth(np.zeros((32, 40, 3), np.uint8), known, camera, RoomDepth(), 1.0)
    assert np.allclose(depth, 3.0, rtol=1e-3)
    with pytest.raises(InputError, match="Nothing of the world is visible"):
        completed_depth(np.zeros((32, 40, 3), np.uint8), known * 0, camera, RoomDepth(), 1.0)


def test_frames_go_to_hosts_and_back(world, tmp_path):
    import json

    camera = camera_at(0.4, 1.2)
    reply = reply_of(world, camera)
    np.savez(
        tmp_path / "in.npz",
        rgb=reply.rgb,
        known=reply.depth,
        camera=np.array(json.dumps(camera.to_json())),
        depth0=world.memory[0].depth,
        camera0=np.array(json.dumps(world.memory[0].camera.to_json())),
    )
    memory, rgb, known, read = read_frame_to_keep(tmp_path / "in.npz")
    assert np.array_equal(rgb, reply.rgb) and np.array_equal(read.c2w, camera.c2w)
    grown = grow(memory, rgb, known, read, "kept", RoomDepth())
    write_growth(tmp_path / "out.npz", grown)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as out:
        assert np.array_equal(out["depth"], grown.frame.depth)
        assert len(out["xyz"]) == len(out["rgb"]) == len(out["radius"]) == len(grown.anchors)
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="does not hold a frame"):
        read_frame_to_keep(tmp_path / "bad.npz")
