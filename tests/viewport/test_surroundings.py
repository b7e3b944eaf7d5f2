# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies around a viewport: when it is asked for, and that what is drawn of it has no holes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from .conftest import Stage, actions, free_view, reply, state, surroundings, world

SIDE = surroundings.SIDE


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """A frame is on screen, and what lies around comes when the test says so."""
    stage.surrounded = False
    stage.show()
    return stage


def asked(stage: Stage) -> list:
    return [one for one in stage.done if isinstance(one, actions.AskAround)]


def test_it_is_asked_for_once_the_frame_has_been_seen(waiting: Stage) -> None:
    assert not waiting.wants_no_tick() and waiting.tick() == ["Redraw"]
    assert waiting.draw() == [], "the frame was just shown"
    assert waiting.tick(0.3) == ["Redraw"] and waiting.draw(0.0) == ["AskAround"]
    requests = asked(waiting)[0].requests
    assert [(one.camera.width, one.camera.height) for one in requests] == [(SIDE, SIDE)] * 6
    assert all(one.glance and one.draft for one in requests)
    waiting.surround()
    assert not waiting.wants_no_tick() or waiting.tick() == ["PrepareAround"]
    waiting.tick()
    assert waiting.view.painting().around is None
    waiting.finish("PrepareAround")
    assert waiting.view.painting().around.asked == requests
    waiting.draw(1.0)
    waiting.tick()
    assert waiting.draw(1.0) == [] and waiting.wants_no_tick() and waiting.tick() == []


def settled(stage: Stage) -> None:
    """Everything has come and the view rests."""
    for _ in range(6):
        stage.draw(1.0)
        if any(isinstance(one, actions.AskFrame) for one in stage.open):
            stage.answer()
    assert stage.wants_no_tick()


def test_a_moved_frame_is_drawn_over_it_and_it_is_not_asked_for_on_the_way(stage: Stage) -> None:
    stage.show()
    settled(stage)
    stage.surrounded = False
    for number in range(30):
        stage.target = free_view(0.2 * number)
        stage.draw(0.1)
        painting = stage.view.painting()
        assert painting.around is not None and (painting.exact is (number == 0))
    assert not asked(stage)


@pytest.mark.parametrize(("metres", "anew"), [(1.0, False), (3.0, True)])
def test_from_a_place_some_way_off_it_is_asked_for_anew(stage: Stage, metres, anew) -> None:
    stage.show()
    settled(stage)
    before = stage.view.around.made
    stage.target = free_view(metres)  # what is nearest is 4 m away
    settled(stage)
    assert (stage.view.around.made is not before) is anew


def test_after_an_edit_the_last_one_serves_until_the_next_has_come(stage: Stage) -> None:
    stage.show()
    settled(stage)
    before = stage.view.around.made
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(2))
    stage.draw(1.0)
    assert stage.view.painting().around is before
    settled(stage)
    assert stage.view.around.made is not before


def test_what_is_edited_again_and_again_never_asks_for_it(waiting: Stage) -> None:
    for number in range(2, 20):
        waiting.view.scene_changed()
        waiting.draw(0.05)
        waiting.finish("BuildWorld", world(number))
        waiting.draw(0.05)
        waiting.answer()
        waiting.draw(0.05)
    assert not asked(waiting)


@pytest.mark.parametrize("kind", ["points", "orthographic"])
def test_it_is_not_asked_for_where_there_is_none(stage: Stage, kind: str) -> None:
    stage.surrounded = False
    if kind == "orthographic":
        picture = replace(stage.target.picture, projection="ORTHO")
        stage.target = replace(stage.target, picture=picture, region=picture)
    stage.show(world(1, lit=kind != "points"))
    stage.draw(1.0)
    assert not asked(stage)


def test_local_view_leaves_its_sky_out(stage: Stage) -> None:
    stage.show()
    stage.draw(1.0)
    stage.surround(depth=np.inf)
    stage.bare = True
    stage.draw()
    assert stage.view.around.made is None or not stage.view.around.made.rgba.any()
    stage.tick()
    assert not stage.view.around.made.rgba.any()


def test_pictures_that_failed_or_came_smaller_are_not_waited_for(waiting: Stage) -> None:
    waiting.draw(1.0)
    small = [replace(one, camera=one.camera.resized(8, 8)) for one in asked(waiting)[0].requests]
    waiting.set(around=[reply(one, 1) for one in small])
    waiting.tick()
    waiting.draw(1.0)
    waiting.set(around=[None] * 6)
    waiting.tick()
    assert waiting.draw(1.0) == [] and waiting.wants_no_tick() and len(asked(waiting)) == 1


@pytest.mark.parametrize("stride", surroundings.STRIDES)
def test_the_mesh_is_closed(stride: int) -> None:
    made = surroundings.Surroundings.of(cube_of(4.0), False)
    corners = np.unique(np.round(made.rays[:, :3], 5), axis=0, return_inverse=True)[1].reshape(-1)
    edges = Counter()
    for three in corners[surroundings.triangles(stride)]:
        edges.update(frozenset(pair) for pair in zip(three, np.roll(three, 1), strict=True))
    assert set(edges.values()) == {2}


def cube_of(half: float) -> list:
    """Six pictures from the middle of a cube."""
    view = free_view()
    request = actions.Settings("embedded", "384", 2, 0, 4, "full", 30.0).request(
        view.picture, False, SIDE
    )
    requests = [replace(request, camera=camera) for camera in surroundings.faces(view.picture)]
    return [reply(one, 1, depth=half) for one in requests]


def test_each_vertex_lies_on_what_was_seen() -> None:
    made = surroundings.Surroundings.of(cube_of(4.0), False)
    places = made.rays[:, :3] * made.rays[:, 3:]
    assert np.allclose(np.abs(places).max(axis=1), 4.0, rtol=1e-5)
    assert np.array_equal(made.origin, free_view().picture.position)
    assert np.allclose(np.linalg.norm(made.rays[:, :3], axis=1), 1.0, rtol=1e-6)


def test_sky_is_very_far() -> None:
    made = surroundings.Surroundings.of(cube_of(np.inf), False)
    assert np.isfinite(made.rays).all() and made.rays[:, 3].min() > 1e20
    assert (made.rgba == [0.5, 0.5, 0.5, 1.0]).all()
    assert state.AROUND_SECONDS < state.QUIET_SECONDS, "before a frame that takes its time"
