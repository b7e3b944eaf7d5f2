# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that take a step at every tick: their end, Esc, faults, and their processes."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_long_work_in_steps(blender, tmp_path):
    found = blender("steps.py", tmp_path)
    whole = found["whole"]
    assert whole["answers"] == [*["RUNNING_MODAL"] * 6, "FINISHED"]
    assert whole["told"] == [
        "Count (Esc stops)", "Counted 1 (Esc stops)", "Counted 2: 50 % (Esc stops)",
        "Counted 3: 75 % (Esc stops)", None,
    ]  # fmt: skip
    assert whole["percents"] == [50, 75] and whole["did"] == [1, 2, 3, "closed"]
    stopped = found["stopped"]
    assert stopped["answers"][-1] == "CANCELLED" and stopped["did"] == [1, "closed"]
    assert stopped["said"] == ["Stopped; nothing was added."]
    assert found["kept"]["answers"] == [
        "RUNNING_MODAL", "PASS_THROUGH", "PASS_THROUGH", "FINISHED",
    ]  # fmt: skip
    assert found["refused"]["answers"][-1] == "CANCELLED"
    assert found["refused"]["said"] == ["No; count less."]
    assert found["bug"]["answers"][-1] == "bug" and found["bug"]["did"] == [1, "closed"]
    for name in ("whole", "stopped", "kept", "refused", "bug"):
        assert not found[name]["left"], name
    assert found["cancelled"] == [[1, "closed"], [], None]
    assert found["at once"] == [["FINISHED"], [1, 2, 3, "closed"]]
    command = found["command"]
    assert command["answers"] == ["PASS_THROUGH", "CANCELLED"] and command["in temp"]
    assert command["running"] >= 1 and command["left"] == [] and not command["folder"]
    assert command["said"] == "Starting (Esc stops)"
    assert command["refused"].startswith("InputError: ") and "no.ply" in command["refused"]
