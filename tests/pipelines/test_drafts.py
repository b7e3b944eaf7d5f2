# SPDX-License-Identifier: GPL-3.0-or-later
"""Lit worlds that change: drafts first, whole light after, and what did not change kept."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import FrameRequest, MemoryFrame
from backend.shared.moment import Moment
from backend.shared.scene import Background, Instance, Lamp, Material, Mesh, Scene
from backend.shared.world import World

pytest.importorskip("embreex")

from backend.conditioning.anchors.forest import MOST_TREES, Forest
from backend.conditioning.anchors.geometry import Geometry
from backend.conditioning.anchors.tracing import Rays
from backend.conditioning.light.cache import Quality
from backend.conditioning.threads import Stopped, stoppable
from backend.pipelines.lit import LitWorld
from backend.pipelines.refiner import Refiner

SMALL = Quality(400, 16)
CAMERA = Camera(intrinsics(0.8, 32, 32), look_at(np.array([4.0, -4.0, 3.0]), np.zeros(3)), 32, 32)


def square(size: float) -> Mesh:
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32) * size
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.zeros(2, np.int32))


def principled(red: float) -> Material:
    node = {
        "type": "BSDF_PRINCIPLED",
        "props": {},
        "inputs": {"Base Color": [red, 0.3, 0.2, 1.0], "Roughness": 0.6},
    }
    return Material("m", json.dumps({"nodes": [node], "surface": {"node": 0, "out": "BSDF"}}))


MESHES = square(3.0), square(0.5)
MATERIALS = principled(0.8), principled(0.1)
SKY = Background(np.full((1, 1, 3), 0.4, np.float32))


def at(x: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, 0.0, z
    return matrix


def scene(*places: float, sky: Background = SKY) -> Scene:
    """A floor, and a small square over it at each x."""
    lamp = Lamp("lamp", "POINT", at(1.0, 3.0), (300.0,) * 3, radius=0.05)
    parts = [Instance("floor", "floor", 0, np.eye(4), (0,))]
    parts += [
        Instance(f"part {i}", "part", 1, at(x, 0.7 + 0.1 * i), (1,)) for i, x in enumerate(places)
    ]
    return Scene(MESHES, tuple(parts), MATERIALS, (), (lamp,), sky, viewpoints=(CAMERA,))


def world(made: Scene, revision: int = 0) -> World:
    return World(Anchors.empty(), [], revision, {}, made)


def picture(lit: LitWorld, prepared: object, draft: bool) -> np.ndarray:
    return lit.render(prepared, FrameRequest(CAMERA, draft=draft)).color.astype(np.float32)


def test_a_draft_becomes_the_whole_and_tells_of_it():
    lit, told = LitWorld(SMALL), threading.Event()
    lit.on_refined = told.set
    prepared = lit.prepare(world(scene(0.0)))
    first = lit.render(prepared, FrameRequest(CAMERA, draft=True))
    assert first.draft
    assert told.wait(30)
    last = lit.render(prepared, FrameRequest(CAMERA, draft=True))
    whole = lit.render(prepared, FrameRequest(CAMERA))
    assert not last.draft and not whole.draft
    np.testing.assert_array_equal(last.color, whole.color)


def test_a_picture_in_refined_light_is_not_given_up_when_other_light_is_wanted():
    lit, told = LitWorld(SMALL), threading.Event()
    lit.on_refined = told.set
    first = lit.prepare(world(scene(0.0, 0.4)))
    picture(lit, first, draft=True)
    assert told.wait(30)
    before = picture(lit, first, draft=True)
    picture(lit, lit.prepare(world(scene(1.0), 1)), draft=True)  # asks for better light of its own
    np.testing.assert_array_equal(picture(lit, first, draft=True), before)


@pytest.mark.parametrize("draft", [True, False])
def test_a_frame_that_is_given_up_anywhere_leaves_nothing_behind(
    draft: bool,
) -> None:
    """Told to stop after so many pieces of work; what comes next is as it would have been."""
    made, request = world(scene(0.0)), FrameRequest(CAMERA, draft=draft)
    fresh = LitWorld(SMALL)
    right = fresh.render(fresh.prepare(made), FrameRequest(CAMERA)).color
    lit, told = LitWorld(SMALL), threading.Event()
    lit.on_refined = told.set
    prepared, stops = lit.prepare(made), 0
    for pieces in range(0, 70, 7):
        stop = StopsAfter(pieces)
        with stoppable(stop), suppress(Stopped):
            lit.render(prepared, request)
        stops += stop.left < 0
    assert stops > 3
    if draft:
        lit.render(prepared, request)
        assert told.wait(30)
    np.testing.assert_array_equal(lit.render(prepared, request).color, right)


class StopsAfter(threading.Event):
    """Is set once it was looked at so often."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_what_moves_is_lit_at_once_and_right_in_the_end():
    lit, done = LitWorld(SMALL), threading.Semaphore(0)
    lit.on_refined = done.release
    picture(lit, lit.prepare(world(scene(0.0))), draft=True)
    moved = lit.prepare(world(scene(1.0), 1))
    draft = picture(lit, moved, draft=True)
    fresh = LitWorld(SMALL)
    right = picture(fresh, fresh.prepare(world(scene(1.0))), draft=False)
    # the shadow of the lamp has moved along; bounced light is the earlier scene's
    assert np.abs(draft - right).mean() < 0.1 * right.mean()
    assert done.acquire(timeout=30) and done.acquire(timeout=30)
    np.testing.assert_array_equal(picture(lit, moved, draft=True), right)


def test_what_is_dragged_keeps_its_memory_in_drafts():
    """Memory saw all twice as bright as light alone gives."""
    made = scene(0.0)
    lit, done = LitWorld(SMALL), threading.Semaphore(0)
    lit.on_refined = done.release
    seen = lit.render(lit.prepare(world(made)), FrameRequest(CAMERA))
    bright = np.clip(2 * seen.color.astype(np.float32), 0, 60000).astype(np.float16)
    memory = MemoryFrame(
        "a", "a", CAMERA, depth=seen.depth, radiance=bright, moment=Moment.of(made)
    )
    remembering = replace(world(made, 1), memory=[memory])
    prepared = lit.prepare(remembering)
    assert lit.render(prepared, FrameRequest(CAMERA, draft=True)).passes["Confidence"].max() == 0
    assert done.acquire(timeout=30)
    for step in (0.1, 0.3):
        moved = replace(world(scene(step), 2), memory=[memory])
        reply = lit.render(lit.prepare(moved), FrameRequest(CAMERA, draft=True))
        assert reply.passes["Confidence"].mean() > 0.5
        floor = reply.passes["Confidence"] > 0.9
        share = reply.color.astype(np.float32)[floor] / reply.passes["Lit"][floor]
        assert 1.5 < np.median(share) < 2.5
    night = scene(0.3, sky=Background(np.full((1, 1, 3), 0.1, np.float32)))
    reply = lit.render(
        lit.prepare(replace(world(night, 3), memory=[memory])), FrameRequest(CAMERA, draft=True)
    )
    assert reply.passes["Confidence"].mean() > 0.5, "other light, the same surfaces"
    added = replace(world(scene(0.3, 1.0), 4), memory=[memory])
    assert lit.render(lit.prepare(added), FrameRequest(CAMERA, draft=True)).draft


def test_another_sky_is_gathered_at_once():
    lit = LitWorld(SMALL)
    picture(lit, lit.prepare(world(scene(0.0))), draft=True)
    bright = Background(np.full((1, 1, 3), 4.0, np.float32))
    made = scene(0.0, sky=bright)
    draft = picture(lit, lit.prepare(world(made, 1)), draft=True)
    whole = picture(lit, lit.prepare(world(made, 1)), draft=False)
    assert np.abs(draft - whole).mean() < 0.1 * whole.mean()


def test_a_render_depends_on_nothing_that_was_shown_before():
    shown, fresh = LitWorld(SMALL), LitWorld(SMALL)
    for x in (0.0, 0.5, 1.0):
        picture(shown, shown.prepare(world(scene(x, 2.0))), draft=True)
    made = world(scene(1.2, 2.0))
    one = picture(shown, shown.prepare(made), draft=False)
    np.testing.assert_array_equal(one, picture(fresh, fresh.prepare(made), draft=False))


def rays_of(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    origins = rng.uniform(-3, 3, (count, 3)).astype(np.float32)
    return origins, rng.normal(size=(count, 3)).astype(np.float32)


def test_trees_that_stand_and_trees_that_are_planted_meet_what_one_tree_meets():
    forest, geometry = Forest(), None
    origins, ways = rays_of()
    for places in ([0.0, 1.0, 2.0], [0.5, 1.0, 2.0], [0.5, 1.5, 2.0], [1.5, 2.0], [2.5, 2.0, 0.1]):
        geometry = Geometry.of(scene(*places), geometry)
        plain = Geometry.of(scene(*places))
        np.testing.assert_array_equal(geometry.corners, plain.corners)
        np.testing.assert_array_equal(geometry.names, plain.names)
        forest.see(geometry)
        for kept in (None, np.arange(1, len(geometry), dtype=np.int32)):
            rays, one = forest.rays(kept), Rays(plain, kept)
            assert len(rays._trees) <= MOST_TREES
            mine, theirs = rays.first(origins, ways), one.first(origins, ways)
            np.testing.assert_array_equal(mine.triangle, theirs.triangle)
            np.testing.assert_allclose(mine.distance, theirs.distance, rtol=1e-5)
            np.testing.assert_array_equal(
                rays.blocked(origins, ways, 5.0), one.blocked(origins, ways, 5.0)
            )
        forest.tidy()


def test_only_what_moved_is_planted_anew():
    forest = Forest()
    forest.see(Geometry.of(scene(0.0, 1.0)))
    forest.rays(None)
    forest.see(Geometry.of(scene(0.0, 1.5)))
    still, moved = forest.rays(None)._trees
    assert [len(tree.numbers) for tree in (still, moved)] == [4, 2]
    forest.see(Geometry.of(scene(0.0, 1.8)))
    again, _ = forest.rays(None)._trees
    assert again.scene is still.scene
    forest.see(Geometry.of(replace(scene(0.0, 1.8), materials=MATERIALS[::-1])))
    assert forest.rays(None)._trees[0].scene is still.scene


def test_rays_stop_when_they_are_told_to():
    stop = threading.Event()
    rays = Rays(Geometry.of(scene(0.0))).until(stop)
    rays.first(*rays_of())
    stop.set()
    with pytest.raises(Stopped):
        rays.first(*rays_of())


def test_the_newest_work_is_done_and_none_twice():
    done: list[int] = []
    over = threading.Event()

    def work(number: int, stop: threading.Event) -> None:
        done.append(number)
        over.set()

    refiner = Refiner()
    for number in (1, 2, 3, 3):
        refiner.better(partial(work, number))
    assert over.wait(10)
    refiner.better(partial(work, 3))
    over.clear()
    refiner.better(partial(work, 4))
    assert over.wait(10)
    assert done == [3, 4]


def test_viewports_share_the_light_of_a_scene():
    lit, done = LitWorld(SMALL), threading.Semaphore(0)
    lit.on_refined = done.release
    aside = replace(scene(0.0), viewpoints=())
    views = [lit.prepare(world(one, i)) for i, one in enumerate((scene(0.0), aside))]
    assert lit.render(views[0], FrameRequest(CAMERA, draft=True)).draft
    assert done.acquire(timeout=30)
    assert not lit.render(views[1], FrameRequest(CAMERA, draft=True)).draft
    fresh = LitWorld(SMALL)
    for i, one in enumerate((scene(0.0), aside)):  # renders are each one's own all the same
        right = picture(fresh, fresh.prepare(world(one)), draft=False)
        np.testing.assert_array_equal(picture(lit, views[i], draft=False), right)
        fresh = LitWorld(SMALL)


def test_light_that_cannot_be_refined_leaves_the_draft_at_rest(monkeypatch):
    lit, told = LitWorld(SMALL), threading.Event()
    lit.on_refined = told.set
    prepared = lit.prepare(world(scene(0.0)))

    def fails(*arguments: object) -> None:
        raise ValueError("no light")

    monkeypatch.setattr("backend.conditioning.light.shade.Lighting.refined", fails)
    first = lit.render(prepared, FrameRequest(CAMERA, draft=True))
    assert first.draft and told.wait(30)
    again = lit.render(prepared, FrameRequest(CAMERA, draft=True))
    assert not again.draft, "a better one would be waited for"
    np.testing.assert_array_equal(again.color, first.color)
