# SPDX-License-Identifier: GPL-3.0-or-later
"""The line in a viewport's corner says what is missing, and else what is shown."""

from __future__ import annotations

from tests.extension import extension_part

from .conftest import BackendState, Stage, world

status_line = extension_part("viewport.status_line").status_line
not_installed = extension_part("viewport.status_line").not_installed


def said(
    stage: Stage, error: str = "", statistics: bool = True, status: str = "The backend is starting."
) -> str:
    words = status, error
    return status_line(stage.view, stage.backend, *words, statistics)


def test_it_says_what_is_waited_for_in_order(stage: Stage) -> None:
    stage.set(state=BackendState.STARTING)
    stage.draw()
    assert said(stage) == "WorldFM | Reading the scene"
    stage.finish("BuildWorld", world(1))
    stage.draw(1.0)
    assert said(stage) == "WorldFM | The backend is starting."
    stage.set(state=BackendState.READY)
    assert said(stage) == "WorldFM | Waiting for the first frame"
    stage.answer()
    stage.draw()
    assert said(stage).startswith("WorldFM | 384 x 288 | 0.5 frames/s | latency ")
    assert said(stage, statistics=False) == ""
    problem = "Out of memory; choose smaller previews."
    assert said(stage, problem, statistics=False) == problem


def test_of_a_backend_that_failed_it_says_what_the_sidebar_says(stage: Stage) -> None:
    stage.show(world(1))
    stage.set(state=BackendState.FAILED)
    assert said(stage, "There is no model 'a'.", status="There is no model 'b'.").endswith("'b'.")


def test_it_says_whether_a_python_is_named_that_is_not_there() -> None:
    assert "is not installed" in not_installed("")
    assert "there is no Python at /usr/bin/pyton;" in not_installed("/usr/bin/pyton")


def test_without_memory_it_says_how_to_have_some(stage: Stage) -> None:
    stage.show(world(1, memory=False))
    assert "Capture Memory" in said(stage)


def test_it_is_said_in_the_users_language(stage: Stage) -> None:
    stage.show(world(1, memory=False))
    words = stage.view, stage.backend, "Ready.", "", True
    assert status_line(*words, str.upper).startswith("WorldFM | NO MEMORY YET")
    stage.view.problem = "The disk is full; make room."
    assert status_line(*words, str.upper) == "The disk is full; make room."
