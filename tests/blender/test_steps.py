# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that take a step at every tick: their end, Esc, faults, and their processes."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


@pytest.fixture(scope="module")
def found(shared_blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return shared_blender("steps.py", folder)


def test_steps_say_how_far_they_are(found):
    whole = found["whole"]
    assert whole["answers"] == [*["RUNNING_MODAL"] * 6, "FINISHED"]
    assert whole["told"] == [
        "Count (Esc stops)", "Counted 1 (Esc stops)", "Counted 2: 50 % (Esc stops)",
        "Counted 3: 75 % (Esc stops)", None,
    ]  # fmt: skip
    assert whole["percents"] == [50, 75] and whole["did"] == [1, 2, 3, "closed"]


def test_esc_stops_and_says_what_stays(found):
    stopped = found["stopped"]
    assert stopped["answers"][-1] == "CANCELLED" and stopped["did"] == [1, "closed"]
    assert stopped["said"] == ["Stopped; nothing was added."]
    assert found["kept"]["answers"] == [
        "RUNNING_MODAL", "PASS_THROUGH", "PASS_THROUGH", "FINISHED",
    ]  # fmt: skip


def test_errors_in_steps_end_them(found):
    assert found["refused"]["answers"][-1] == "CANCELLED"
    assert found["refused"]["said"] == ["No; count less."]
    assert found["bug"]["answers"][-1] == "bug" and found["bug"]["did"] == [1, "closed"]


def test_steps_leave_nothing_running(found):
    for name in ("whole", "stopped", "kept", "refused", "bug"):
        assert not found[name]["left"], name
    assert found["cancelled"] == [[1, "closed"], [], None]
    assert found["at once"] == [["FINISHED"], [1, 2, 3, "closed"]]


def test_a_command_of_the_backend_is_a_step_that_can_be_stopped(found):
    command = found["command"]
    assert command["answers"] == ["PASS_THROUGH", "CANCELLED"] and command["in temp"]
    assert command["running"] >= 1 and command["left"] == [] and not command["folder"]
    assert command["said"] == "Starting (Esc stops)"
    assert command["refused"].startswith("InputError: ") and "no.ply" in command["refused"]
