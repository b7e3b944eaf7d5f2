# SPDX-License-Identifier: GPL-3.0-or-later
"""Imagined surroundings: which views, how they meet what is real, and that they stay in place."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import AnchorRender, render_points
from backend.conditioning.memory.free_space import contradicts
from backend.conditioning.memory.sampling import Sampled
from backend.conditioning.unseen import imagined as views
from backend.conditioning.unseen.imagined import Imagined, views_aside
from backend.evaluation.metrics import reproject
from backend.pipelines.embedded import FramePipeline
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import FrameRequest, MemoryFrame
from backend.shared.world import World
from tests.conditioning.test_surfels import floor_and_wall
from tests.scenes.world_room import photograph, room_camera

SIDE = 96


def camera_at(x: float, toward: float) -> Camera:
    c2w = look_at(np.array([x, 0.0, 1.0]), np.array([toward, 4.0, 0.9]))
    return Camera(intrinsics(1.0, SIDE, SIDE), c2w, SIDE, SIDE)


@pytest.fixture(scope="module")
def pipeline() -> FramePipeline:
    return FramePipeline.from_pretrained("embedded", "cpu")


def memory_of(camera: Camera) -> MemoryFrame:
    rgb, depth = floor_and_wall(camera)
    return MemoryFrame("0", "memory", camera, rgb, depth)


@pytest.fixture(scope="module")
def world() -> World:
    """One photograph of a floor before a wall."""
    memory = memory_of(camera_at(0.0, 0.0))
    return World(lift(memory), [memory], 1, {})


@pytest.fixture(scope="module")
def photo(world) -> World:
    """The same, its depth told from the photograph alone."""
    return replace(world, memory=[replace(world.memory[0], estimated=True)])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(16, 4000),
    st.integers(16, 4000),
    st.floats(0.3, 2.6),
    st.floats(-math.pi, math.pi),
    st.floats(-1.2, 1.2),
)
def test_views_aside_are_turned_wider_and_of_a_bounded_size(width, height, fov, yaw, pitch):
    forward = (
        math.cos(yaw) * math.cos(pitch),
        math.sin(yaw) * math.cos(pitch),
        math.sin(pitch),
    )
    camera = Camera(intrinsics(fov, width, height), look_at(np.zeros(3), forward), width, height)
    rgb = np.broadcast_to(np.uint8(0), (height, width, 3))
    depth = np.broadcast_to(np.float32(0), (height, width))
    frame = MemoryFrame("0", "0", camera, rgb, depth)
    asides = views_aside([frame])
    assert len(asides) == len(views.TURNS)
    for aside, turn in zip(asides, views.TURNS, strict=True):
        assert np.allclose(aside.position, camera.position)
        about = aside.c2w[:3, :3] @ camera.c2w[:3, :3].T
        assert about[2, 2] == pytest.approx(1)  # the vertical stays
        assert math.degrees(math.atan2(about[1, 0], about[0, 0])) == pytest.approx(turn)
        sides = np.array([aside.width, aside.height])
        assert (sides <= views.MOST_SIDE).all() and (sides >= 1).all()
        tangent = 0.5 * sides / aside.K[[0, 1], [0, 1]]
        own = 0.5 * np.array([width, height]) / camera.K[[0, 1], [0, 1]]
        assert np.allclose(tangent, np.minimum(views.WIDER * own, views.WIDEST))


def test_only_few_frames_with_depth_are_sources():
    frame = photograph(room_camera(size=(48, 32)))
    assert len(views_aside([frame])) == len(views.TURNS)
    assert views_aside([replace(frame, depth=None), replace(frame, enabled=False)]) == []
    few = [replace(frame, id=str(i)) for i in range(views.MOST_FRAMES)]
    assert len(views_aside(few)) == views.MOST_FRAMES * len(views.TURNS)
    assert len(views_aside([*few, replace(frame, depth=None)])) == len(views_aside(few))
    assert views_aside([*few, frame]) == []


def test_an_imagined_surface_shows_where_nothing_is_real_or_as_near(world):
    camera = world.memory[0].camera
    near = np.full((SIDE, SIDE), 1.0, np.float32)
    near[: SIDE // 2] = 0
    imagined = Imagined.nothing(torch.device("cpu")).joined(
        camera, np.full((SIDE, SIDE, 3), 77, np.uint8), near
    )
    real = AnchorRender(
        torch.full((SIDE, SIDE, 3), 200, dtype=torch.uint8),
        torch.full((SIDE, SIDE), 5.0),
        torch.ones(SIDE, SIDE),
    )
    real.depth[:, : SIDE // 2] = 0.5
    real.depth[SIDE - 10 :] = 0
    ours = render_points(imagined.cloud, camera)
    shown = imagined.behind(real, camera)
    for y in range(0, SIDE, 5):  # the slow twin
        for x in range(0, SIDE, 5):
            mine, other = float(ours.depth[y, x]), float(real.depth[y, x])
            takes = mine > 0 and (other == 0 or mine < other * (1 - views.SAME_SURFACE))
            assert float(shown.depth[y, x]) == (mine if takes else other)
            assert int(shown.rgb[y, x, 0]) == (77 if takes else 200)


def test_memory_comes_before_imagination(world):
    camera = world.memory[0].camera
    depth = torch.full((SIDE, SIDE), 2.0)
    imagined = Imagined.nothing(torch.device("cpu")).joined(
        camera, np.full((SIDE, SIDE, 3), 51, np.uint8), depth.numpy()
    )
    weight = torch.zeros(SIDE, SIDE)
    weight[:, : SIDE // 2] = 0.9
    rgb = torch.where(weight[..., None] > 0, 0.8, 0.0).expand(SIDE, SIDE, 3)
    merged = imagined.beside(
        Sampled(rgb, weight, torch.zeros(SIDE, SIDE, dtype=torch.bool)), camera, depth
    )
    inner = slice(10, SIDE - 10)
    assert torch.equal(merged.rgb[:, : SIDE // 2], rgb[:, : SIDE // 2])
    assert torch.equal(merged.weight[:, : SIDE // 2], weight[:, : SIDE // 2])
    assert torch.allclose(merged.rgb[inner, SIDE // 2 : SIDE - 10], torch.tensor(0.2), atol=1e-3)
    assert (merged.weight[inner, SIDE // 2 : SIDE - 10] > 0.5).all()


def test_what_a_picture_is_continued_by_has_no_holes_and_hides_nothing_real(world):
    """Silhouettes in what is softened leave no holes; what memory knows stays as it is."""
    camera = world.memory[0].camera
    torn = np.full((SIDE, SIDE), 2.0, np.float32)
    torn[:, ::7], torn[20:24] = 9.0, 0.0
    imagined = Imagined.nothing(torch.device("cpu")).joined(
        camera, np.full((SIDE, SIDE, 3), 51, np.uint8), torn
    )
    depth = torch.full((SIDE, SIDE), 2.0)
    weight = torch.zeros(SIDE, SIDE)
    weight[:, : SIDE // 2] = 0.9
    real = Sampled(
        torch.where(weight[..., None] > 0, 0.8, 0.0).expand(SIDE, SIDE, 3),
        weight,
        torch.zeros(SIDE, SIDE, dtype=torch.bool),
    )
    soft = weight == 0
    open_, closed = (imagined.beside(real, camera, depth, s) for s in (None, soft))
    assert (open_.weight[soft] == 0).any(), "there are holes to close"
    assert (closed.weight[soft] >= views.SOFT_SURE).all()
    assert torch.allclose(closed.rgb[soft], torch.tensor(0.2), atol=2e-3)
    assert torch.equal(closed.rgb[~soft], real.rgb[~soft])
    assert torch.equal(closed.weight[~soft], real.weight[~soft])


def _step(pipeline: FramePipeline, world: World, shots: list[MemoryFrame]) -> float:
    """Mean change of what memory never saw between the cameras of two true shots, warped."""
    prepared = pipeline.prepare(world)
    first, second = (pipeline.render(prepared, FrameRequest(shot.camera)) for shot in shots)
    camera, depth = shots[0].camera, shots[0].depth
    u, v, z = reproject(camera, depth, shots[1].camera)
    warped = cv2.remap(second.rgb, u - 0.5, v - 0.5, cv2.INTER_LINEAR)
    remembered = _inside(*reproject(camera, depth, world.memory[0].camera))
    unseen = _inside(u, v, z) & ~remembered
    assert unseen.mean() > 0.3
    return float(np.abs(warped.astype(float) - first.rgb)[unseen].mean())


def _inside(u: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Which points a camera sees, where nothing hides them."""
    return (z > 0) & (u > 1) & (v > 1) & (u < SIDE - 1) & (v < SIDE - 1)


@pytest.mark.parametrize("kind", ["world", "photo"])
def test_what_is_imagined_stays_in_place(pipeline, kind, monkeypatch, request):
    world = request.getfixturevalue(kind)
    shots = [memory_of(camera_at(0.5, 3.4)), memory_of(camera_at(0.62, 3.3))]
    with_imagination = _step(pipeline, world, shots)
    monkeypatch.setattr(pipeline, "imagined", lambda prepared, seed: None)
    assert with_imagination < 0.7 * _step(pipeline, world, shots)


def test_imagination_claims_no_coverage_and_no_depth(pipeline, photo, monkeypatch):
    world, request = photo, FrameRequest(camera_at(0.5, 3.4))
    reply = pipeline.render(pipeline.prepare(world), request)
    monkeypatch.setattr(pipeline, "imagined", lambda prepared, seed: None)
    bare = pipeline.render(pipeline.prepare(world), request)
    # less, where an imagined surface hides sky that memory saw from elsewhere
    assert (reply.coverage <= bare.coverage).all()
    assert ((reply.depth > 0) <= (bare.depth > 0)).all()
    assert (reply.coverage == bare.coverage).mean() > 0.9
    assert np.array_equal(reply.anchor_rgb, bare.anchor_rgb)
    assert not np.array_equal(reply.rgb, bare.rgb)


def test_a_continued_photo_is_the_same_for_every_seed(pipeline, photo):
    prepared = pipeline.prepare(photo)
    first = pipeline.imagined(prepared, 0)
    assert len(first.images) == 6
    assert pipeline.imagined(prepared, 0) is first
    other = pipeline.imagined(prepared, 1)
    for one, two in zip(first.images.frames, other.images.frames, strict=True):
        assert np.array_equal(one.rgb, two.rgb) and np.array_equal(one.depth, two.depth)


@pytest.mark.parametrize("kind", ["world", "whole"])
def test_what_is_painted_is_made_once_a_seed(pipeline, kind, request):
    prepared = pipeline.prepare(request.getfixturevalue(kind))
    first = pipeline.imagined(prepared, 0)
    assert len(first.images) == len(views.TURNS)
    assert pipeline.imagined(prepared, 0) is first
    other = pipeline.imagined(prepared, 1)
    assert not np.array_equal(first.images.frames[0].rgb, other.images.frames[0].rgb)
    again = pipeline.imagined(prepared, 0)
    assert np.array_equal(first.images.frames[0].rgb, again.images.frames[0].rgb)


@pytest.fixture(scope="module")
def whole() -> World:
    """A room with all of its geometry, and one photograph of a part of it."""
    memory = photograph(room_camera((0, -3, 0.2), (0, 1, -0.2), (SIDE, SIDE), 0.8))
    bare = [lift(shot).uncoloured() for shot in photographs_around()]
    return World(Anchors.concatenate([lift(memory), *bare]), [memory], 1, {})


def memory_sees(memory: MemoryFrame, frame: MemoryFrame) -> np.ndarray:
    """Which pixels of `frame` stand in the picture of `memory`, taken from the same place."""
    return _inside(*reproject(frame.camera, photograph(frame.camera).depth, memory.camera))


def test_whole_geometry_is_coloured_and_stays_as_it_is(pipeline, whole, monkeypatch):
    prepared = pipeline.prepare(whole)
    imagined = pipeline.imagined(prepared, 0)
    assert prepared.cloud.whole and imagined
    for frame in imagined.images.frames:
        seen = memory_sees(whole.memory[0], frame)
        assert (frame.depth > 0)[~seen].mean() > 0.95
        assert (frame.depth > 0)[seen].mean() < 0.2
    request = FrameRequest(room_camera((0, -3, 0.2), (2, 1, -0.2), (SIDE, SIDE)))
    reply = pipeline.render(prepared, request)
    monkeypatch.setattr(pipeline, "imagined", lambda prepared, seed: None)
    bare = pipeline.render(pipeline.prepare(whole), request)
    for part in ("depth", "coverage", "anchor_rgb"):
        assert np.array_equal(getattr(reply, part), getattr(bare, part))
    assert not np.array_equal(reply.rgb, bare.rgb)


def test_what_is_imagined_on_whole_geometry_stays_in_place(pipeline, whole, monkeypatch):
    shots = [
        photograph(room_camera((x, -3, 0.2), (x + 2.5, 1, -0.2), (SIDE, SIDE), 1.0))
        for x in (0.0, 0.12)
    ]
    with_imagination = _step(pipeline, whole, shots)
    monkeypatch.setattr(pipeline, "imagined", lambda prepared, seed: None)
    assert with_imagination < 0.7 * _step(pipeline, whole, shots)


def photographs_around() -> list[MemoryFrame]:
    """All of the room, from its middle."""
    return [
        photograph(
            room_camera(
                target=(math.sin(angle), -3 + math.cos(angle), 0.2 + rise),
                size=(SIDE, SIDE),
                fov=1.9,
            )
        )
        for angle, rise in itertools.product(np.arange(0, 2 * np.pi, np.pi / 3), (-1.5, 0, 1.5))
    ]


def test_nothing_is_imagined_beside_what_is_known(pipeline):
    """Points all around, of which one photograph shows a part: there is next to nothing left."""
    frames = photographs_around()
    anchors = Anchors.concatenate([lift(frame) for frame in frames])
    photo = World(anchors, [replace(frames[0], estimated=True)], 1, {})
    surroundings = pipeline.imagined(pipeline.prepare(photo), 0)
    left = [frame.depth > 0 for frame in surroundings.images.frames]
    assert sum(mask.mean() for mask in left) / 6 < 0.02


def test_nothing_imagined_stands_where_memory_looked_through(pipeline):
    memory = [
        photograph(room_camera(position, target, (96, 96), fov=0.8))
        for position, target in (((0, -3, 0.2), (0, 1, -0.2)), ((2.2, 1, 0.6), (-1, -1, -0.3)))
    ]
    memory = [replace(frame, estimated=True) for frame in memory]
    world = World(Anchors.concatenate([lift(frame) for frame in memory]), memory, 1, {})
    surroundings = pipeline.imagined(pipeline.prepare(world), 0)
    assert len(surroundings.images) >= 2
    for frame in surroundings.images.frames:
        assert (frame.depth > 0).any()
        assert not contradicts(frame.depth, frame.camera, memory).any()
