# SPDX-License-Identifier: GPL-3.0-or-later
"""A viewport from event to event: what it asks for, builds and draws, and when it rests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .conftest import (
    BackendState,
    Copy,
    Stage,
    actions,
    camera_view,
    free_view,
    reply,
    shown,
    state,
    targets,
    world,
)


def test_from_nothing_to_a_frame_and_then_it_rests(stage: Stage) -> None:
    assert stage.draw() == ["ReadScene", "BuildWorld"] and not stage.wants_no_tick()
    stage.finish("BuildWorld", world(1))
    assert stage.tick() == ["Redraw"]
    assert stage.draw(1.0) == ["ReadLaunch", "StartBackend", "AskFrame"]
    request = stage.view.asked
    assert (request.camera.width, request.camera.height) == (384, 288) and request.steps == 2
    assert stage.view.painting().frame is None
    stage.answer()
    assert stage.draw() == ["NoteFrame"]
    assert stage.view.painting().exact and stage.view.pace.latency > 0
    for _ in range(20):
        stage.tick()
        assert stage.draw(1.0) == [], "what is on screen is asked for again"
    assert stage.wants_no_tick() and stage.tick() == []


def test_a_scene_is_read_over_several_draws_and_the_old_world_stays_meanwhile(stage: Stage) -> None:
    stage.show()
    stage.copies = [None, None, Copy(2)]
    stage.view.scene_changed()
    assert stage.draw() == ["ReadScene"] and stage.view.world.revision == 1
    assert stage.draw() == ["ReadScene"] and stage.tick() == ["Redraw"]
    assert stage.draw() == ["ReadScene", "BuildWorld"] and not stage.view.dirty
    stage.finish("BuildWorld", world(2))
    assert "AskFrame" in stage.draw()


def test_what_changes_while_a_scene_is_read_is_read_once_more(stage: Stage) -> None:
    stage.copies = [None, Copy(1), Copy(2)]
    stage.draw()
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(1))
    stage.draw()
    assert stage.open[0].copy.number == 2


def test_a_view_that_moves_asks_for_small_frames_and_a_whole_one_at_rest(stage: Stage) -> None:
    stage.show()
    stage.target = free_view(0.1)
    assert "AskFrame" in stage.draw() and stage.view.asked.camera.width == 192
    assert stage.view.asked.steps == 1
    stage.answer()
    assert stage.draw(0.1) == ["NoteFrame"] and not stage.wants_no_tick()
    stage.tick()
    assert stage.tick(0.1) == [] and stage.tick(0.2) == ["Redraw"], "it stands still by now"
    assert "AskFrame" in stage.draw() and stage.view.asked.camera.width == 384


def size(request) -> tuple[int, int]:
    return request.camera.width, request.camera.height


def at_rest(stage: Stage, **view) -> None:
    """A large view, with a frame of the usual size on screen and nothing on its way."""
    stage.target = replace(free_view(width=1280, height=800), **view)
    stage.show()
    assert max(size(stage.view.shown.request)) == 384
    assert not stage.wants_no_tick(), "a sharp one is to come"


def test_the_second_frame_of_a_view_at_rest_has_the_pixels_of_the_screen(stage: Stage) -> None:
    at_rest(stage)
    assert stage.tick() == ["Redraw"] and stage.draw() == []
    assert stage.tick() == [] and stage.tick(0.5) == ["Redraw"], "nothing else is asked for by now"
    assert stage.draw() == ["AskFrame"] and stage.done[-1].idle
    assert size(stage.view.asked) == (1280, 800) and not stage.view.asked.glance
    assert stage.view.asked.steps == 2
    stage.answer(ms=2000.0)
    assert stage.draw() == ["NoteFrame"] and stage.view.painting().exact
    for _ in range(5):
        stage.tick()
        assert "AskFrame" not in stage.draw(1.0), "what is on screen is asked for again"
    assert stage.wants_no_tick()


def wide_view(stage: Stage) -> None:
    """A view larger than the usual frame has asked for its first one."""
    stage.target = free_view(width=1280, height=800)
    stage.draw()
    stage.finish("BuildWorld", world(1))
    stage.draw(1.0)


@pytest.mark.parametrize(
    ("ms", "wanted"),
    [(120, (1280, 800)), (1600, (1176, 735)), (4000, (744, 465)), (60_000, None)],
)
def test_a_sharp_frame_takes_no_more_time_than_there_is(stage: Stage, ms, wanted) -> None:
    wide_view(stage)
    stage.answer(ms=ms)
    stage.draw()
    stage.tick()
    stage.draw(1.0)
    assert size(stage.view.asked) == (wanted or (384, 240))
    stage.draw()
    assert stage.wants_no_tick() is (wanted is None)


@pytest.mark.parametrize("lit", [True, False])
def test_a_huge_view_is_sharp_within_bounds(stage: Stage, lit: bool) -> None:
    stage.target = free_view(width=5120, height=2880)
    stage.show(world(1, lit))
    stage.draw(1.0)
    width, height = size(stage.view.asked)
    most = targets.SHARP_PIXELS if lit else targets.SHARP_MODEL_PIXELS
    assert 0.99 * most < width * height < 1.01 * most


def test_a_view_that_moves_waits_for_no_sharp_frame(stage: Stage) -> None:
    at_rest(stage)
    stage.draw(1.0)
    stage.finish("AskFrame")
    stage.target = free_view(0.1, width=1280, height=800)
    assert "AskFrame" in stage.draw() and not stage.done[-1].idle
    assert stage.view.asked.glance and max(size(stage.view.asked)) == 192
    stage.answer()
    stage.draw(1.0)
    assert max(size(stage.view.asked)) == 384, "the usual size comes first again"


def test_after_an_edit_the_usual_size_comes_first(stage: Stage) -> None:
    at_rest(stage)
    stage.draw(1.0)
    stage.answer()
    stage.draw()
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(2))
    stage.draw(1.0)
    assert max(size(stage.view.asked)) == 384 and not stage.done[-1].idle
    stage.answer()
    stage.draw()
    stage.draw(1.0)
    assert size(stage.view.asked) == (1280, 800) and stage.done[-1].idle


def test_what_is_edited_again_and_again_is_never_made_sharp(stage: Stage) -> None:
    stage.target = free_view(width=1280, height=800)
    stage.show()
    for number in range(2, 8):
        stage.view.scene_changed()
        stage.draw(0.1)
        stage.finish("BuildWorld", world(number))
        stage.draw(0.1)
        stage.answer()
        stage.draw(0.1)
    asked = [one.request for one in stage.done if isinstance(one, actions.AskFrame)]
    assert {max(size(one)) for one in asked} == {384}


def test_a_sharp_draft_is_bettered_at_its_own_size(stage: Stage) -> None:
    at_rest(stage)
    stage.draw(1.0)
    stage.answer(draft=True)
    stage.draw()
    stage.set(refinements=1)
    stage.tick()
    assert "AskFrame" in stage.draw() and stage.done[-1].idle
    assert size(stage.view.asked) == (1280, 800)
    stage.answer()
    stage.draw()
    stage.draw(1.0)
    assert stage.wants_no_tick()


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_while_light_is_gathered_a_sharp_frame_comes_later(stage: Stage, seconds: float) -> None:
    wide_view(stage)
    stage.answer(draft=True)
    stage.draw()
    stage.tick()
    assert ("AskFrame" in stage.draw(seconds)) is (seconds > state.DRAFT_SECONDS)
    if seconds < state.DRAFT_SECONDS:
        stage.set(refinements=1)
        stage.tick()
        stage.draw()
        assert max(size(stage.view.asked)) == 384, "the right light comes first"


@pytest.mark.parametrize(("lit", "wanted"), [(True, (900, 675)), (False, (640, 480))])
def test_a_camera_is_shown_in_the_pixels_of_the_screen(stage: Stage, lit, wanted) -> None:
    picture = free_view(width=640, height=480)
    stage.target = replace(picture, free=False, rectangle=(50.0, 10.0, 900.2, 675.1))
    stage.show(world(1, lit))
    stage.draw(1.0)
    assert size(stage.view.asked) == wanted


def test_a_camera_s_lens_is_in_all_that_is_asked_for(stage: Stage) -> None:
    stage.target = replace(camera_view(), lens=(0.02, 3.0))
    stage.show()
    stage.draw(1.0)
    stage.target = replace(camera_view(0.5), lens=(0.02, 3.0))
    stage.draw()
    asked = [one.request for one in stage.done if isinstance(one, actions.AskFrame)]
    assert [one.glance for one in asked] == [False, True]
    assert all((one.aperture, one.focus) == (0.02, 3.0) for one in asked)


def test_where_memory_ran_out_nothing_larger_is_asked_for(stage: Stage) -> None:
    wide_view(stage)
    stage.finish("AskFrame")
    small = replace(stage.view.asked, camera=stage.view.asked.camera.resized(192, 120))
    stage.set(newest=reply(small, 1), waiting=False)
    stage.tick()
    stage.finish("PrepareFrame")
    stage.draw()
    stage.draw(1.0)
    stage.draw()
    assert max(size(stage.view.asked)) == 384 and stage.wants_no_tick()


def test_frames_of_a_moving_view_are_as_large_as_there_is_time_for(stage: Stage) -> None:
    stage.show()
    sides = []
    for number, ms in enumerate([20, 20, 20, 20, 20, 90, 400, 400, 400, 400, 400, 20]):
        stage.target = free_view(0.1 + 0.01 * number)
        stage.draw(0.05)
        sides.append(stage.view.asked.camera.width)
        stage.answer(ms=ms)
        stage.draw()
    # never larger than at rest (384), and from there down again
    assert sides == [192, 256, 320, 384, 384, 384, 384, 320, 256, 192, 128, 96]


def test_frames_come_no_faster_than_the_cap(stage: Stage) -> None:
    stage.settings = replace(stage.settings, fps_cap=5.0)
    stage.show()
    asked = 0
    for number in range(100):
        stage.target = free_view(0.001 * number)
        asked += "AskFrame" in stage.draw(0.02)
    assert 9 <= asked <= 11


@pytest.mark.parametrize("news", [{"refinements": 1}, {"restarts": 1}])
def test_a_draft_that_can_be_bettered_is_asked_for_once_more(stage: Stage, news: dict) -> None:
    stage.draw()
    stage.finish("BuildWorld", world(1))
    stage.draw(1.0)
    stage.answer(draft=True)
    stage.draw()
    assert stage.draw(1.0) == [] and not stage.wants_no_tick(), "a better frame is to come"
    stage.set(**news)
    assert stage.tick() == ["Redraw"] and "AskFrame" in stage.draw()
    stage.answer()
    assert stage.draw(1.0) == ["NoteFrame"] and stage.draw(1.0) == [] and stage.wants_no_tick()


def test_another_model_is_asked_as_soon_as_it_is_chosen(stage: Stage) -> None:
    stage.show()
    stage.settings, stage.launch = replace(stage.settings, model="official"), "another"
    assert stage.draw(1.0) == ["ReadLaunch", "StartBackend", "AskFrame"]
    assert stage.view.launched == "another"


def test_a_backend_that_failed_is_not_started_the_same_way_again(stage: Stage) -> None:
    stage.show()
    stage.set(state=BackendState.FAILED)
    stage.settings = replace(stage.settings, seed=1)
    assert stage.draw(1.0) == ["BuildWorld", "ReadLaunch", "AskFrame"], "points stand in"
    stage.finish("BuildWorld", world(2))
    stage.settings, stage.launch = replace(stage.settings, seed=2), "mended"
    assert stage.draw(1.0) == ["ReadLaunch", "StartBackend", "AskFrame"]
    stage.view.switched_on()
    stage.settings = replace(stage.settings, seed=3)
    assert "StartBackend" in stage.draw(1.0), "switching the shading off and on tries again"


def test_one_that_failed_elsewhere_is_started_as_this_view_has_it(stage: Stage) -> None:
    stage.show()
    stage.set(state=BackendState.FAILED, launch="with another model")
    stage.settings = replace(stage.settings, seed=1)
    assert "StartBackend" in stage.draw(1.0)


def test_what_one_left_unanswered_is_asked_of_the_next(stage: Stage) -> None:
    stage.show()
    stage.set(state=BackendState.FAILED)
    stage.draw(1.0)
    stage.finish("BuildWorld", world(2))
    stage.draw(1.0)
    stage.finish("AskFrame")
    stage.set(state=BackendState.STARTING)
    assert "AskFrame" in stage.draw(1.0)


def test_a_model_named_right_after_another_is_not_asked_of_the_old_one(stage: Stage) -> None:
    stage.show()
    stage.settings = replace(stage.settings, seed=1)
    stage.draw(1.0)
    stage.settings = replace(stage.settings, model="official")
    assert stage.draw(0.1) == ["ReadLaunch", "StartBackend", "AskFrame"]


def test_points_that_came_in_are_seen_rather_than_the_frame_of_what_they_replace(stage) -> None:
    stage.show(world(1))
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(2, lit=False))
    stage.draw()
    painting = stage.view.painting()
    assert painting.frame is None and len(painting.points.places) == 1
    assert stage.view.frame_is_elsewhere
    stage.answer()
    stage.draw()
    assert stage.view.painting().frame is not None and not stage.view.frame_is_elsewhere


def test_without_a_backend_the_anchors_are_shown_with_a_sentence(stage: Stage) -> None:
    stage.backend, stage.launch = actions.Backend(BackendState.STOPPED), None
    stage.draw()
    stage.finish("BuildWorld", world(1))
    assert stage.open == [], "surfaces, for all that is known"
    assert stage.draw(1.0) == ["ReadLaunch", "BuildWorld"]
    assert not stage.open[0].lit and stage.open[0].shaded
    stage.finish("BuildWorld", world(2, lit=False))
    assert stage.tick() == ["Redraw"], "the points are to be seen"
    assert stage.draw(1.0) == ["ReadLaunch"]
    painting = stage.view.painting()
    assert painting.frame is None and len(painting.points.places) == 1
    assert stage.view.problem == "The backend is not installed."
    stage.tick()
    assert stage.wants_no_tick() and stage.tick() == [], "nothing is to come by itself"
    stage.launch = "as it is set"
    assert stage.draw(1.0) == ["ReadLaunch", "StartBackend", "AskFrame"]
    assert stage.view.problem == ""
    stage.set(state=BackendState.STARTING)
    assert "BuildWorld" in stage.draw() and stage.open[-1].lit


def test_while_a_backend_starts_points_stand_in_until_the_first_frame(stage: Stage) -> None:
    stage.set(state=BackendState.STARTING)
    stage.draw()
    assert stage.open[0].lit and stage.open[0].waits
    made = world(1)
    stage.finish("BuildWorld", made)
    stage.draw(1.0)
    stand_in = shown.PointSample.of(made.anchors)
    stage.view.points_made(made, stand_in)
    assert stage.tick() == ["Redraw"]
    stage.draw()
    assert stage.view.painting()[:2] == (None, stand_in) and stage.tick() == []
    stage.set(state=BackendState.READY)
    stage.answer()
    stage.draw()
    assert stage.view.painting().frame is not None and stage.view.painting().points is None
    stage.view.scene_changed()
    stage.draw()
    assert not stage.open[-1].waits, "the last frame is there"


def test_points_of_a_world_that_is_gone_stay_away(stage: Stage) -> None:
    stage.set(state=BackendState.STARTING)
    stage.draw()
    old = world(1)
    stage.finish("BuildWorld", old)
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(2))
    stage.view.points_made(old, shown.PointSample.of(old.anchors))
    assert not stage.view.undrawn


def test_a_scene_that_cannot_be_shown_says_so_until_it_can(stage: Stage) -> None:
    stage.show()
    stage.copies = ["There is nothing to look at."]
    stage.view.scene_changed()
    assert stage.draw() == ["ReadScene"]
    assert stage.view.build_problem == "There is nothing to look at."
    assert stage.view.painting() == (None, None, stage.view.painting().most, False, None)
    stage.copies = [Copy(3)]
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", world(3))
    assert stage.view.build_problem == ""


def test_a_world_that_fails_leaves_the_last_one(stage: Stage) -> None:
    stage.show()
    stage.view.scene_changed()
    stage.draw()
    stage.finish("BuildWorld", "WorldFM could not read this scene.")
    assert stage.view.world.revision == 1 and "could not read" in stage.view.build_problem
    assert not stage.view.building


def test_points_follow_a_free_view_and_surfaces_do_not_need_to(stage: Stage) -> None:
    for lit, far in ((True, 50.0), (False, 50.0)):
        one = Stage()
        one.show(world(1, lit))
        one.target = free_view(far)
        assert ("BuildWorld" in one.draw(2.0)) is not lit
        if not lit:
            assert one.open[0].guides, "anchors as dense as this view needs"
    stage.show(world(1, lit=False))
    stage.target = free_view(0.01)
    assert "BuildWorld" not in stage.draw(2.0), "a step aside needs no other points"


def test_points_that_were_made_for_a_free_view_are_read_anew_for_a_camera(stage: Stage) -> None:
    stage.show(world(1, lit=False))
    stage.target = camera_view()
    assert stage.draw()[:2] == ["ReadScene", "BuildWorld"] and stage.open[0].guides is None


def test_a_backend_that_lights_no_surfaces_is_given_points(stage: Stage) -> None:
    stage.set(lights=None)
    stage.draw()
    assert stage.open[0].lit, "nobody knows yet: most do"
    stage.finish("BuildWorld", world(1))
    stage.set(lights=False)
    assert "BuildWorld" in stage.draw()
    built = next(one for one in stage.open if isinstance(one, actions.BuildWorld))
    assert not built.lit and not built.shaded
    stage.finish("BuildWorld", world(2, lit=False))
    stage.set(state=BackendState.FAILED)
    assert "BuildWorld" in stage.draw(1.0)
    assert next(one for one in stage.open if isinstance(one, actions.BuildWorld)).shaded


def test_a_background_that_cycles_still_renders_is_taken_when_it_has_come(stage: Stage) -> None:
    copy = Copy(1, waits=True)
    stage.copies = [copy]
    stage.show()
    assert stage.draw(1.0) == [] and not stage.wants_no_tick()
    copy.waits = False
    assert stage.tick() == ["Redraw"] and stage.draw() == ["BuildWorld"]
    stage.finish("BuildWorld", world(2))
    stage.draw()
    stage.answer()
    stage.draw(1.0)
    stage.draw(1.0)
    assert stage.wants_no_tick()


def test_local_view_shows_the_same_frame_without_its_sky(stage: Stage) -> None:
    stage.show()
    stage.bare = True
    assert "PrepareFrame" in stage.draw()
    stage.bare = False
    stage.draw()
    stage.finish("PrepareFrame")
    assert stage.view.frame is None, "made ready for a view that it is no more"
    stage.tick()
    stage.finish("PrepareFrame")
    assert stage.draw() == ["NoteFrame"] and stage.view.painting().exact


def test_undo_reads_everything_anew(stage: Stage) -> None:
    stage.show()
    stage.view.meshes_made_anew()
    assert stage.tick() == ["Redraw"] and stage.draw()[0] == "ReadScene"


def test_what_cannot_be_drawn_at_all_does_not_keep_the_timer_going(stage: Stage) -> None:
    stage.show()
    stage.view.scene_changed()
    stage.view.drawn(False)
    assert stage.tick() == [] and stage.wants_no_tick()


def test_fewer_points_are_drawn_where_a_frame_shows_most_of_the_view(stage: Stage) -> None:
    stage.show()
    counts = []
    for target in (free_view(0.1), free_view(20.0)):
        stage.target = target
        stage.draw()
        assert not stage.view.painting().exact
        counts.append(stage.view.painting().most)
    assert counts == [state.GAP_POINTS, state.SOME_POINTS]


def test_after_a_backend_failed_points_stand_in(stage: Stage) -> None:
    stage.show()
    stage.set(state=BackendState.FAILED)
    stage.draw()
    assert not next(one for one in stage.open if isinstance(one, actions.BuildWorld)).lit
    assert stage.view.painting().frame is not None, "the last frame stays"
