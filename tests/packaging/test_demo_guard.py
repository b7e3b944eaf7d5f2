# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo stops at Ctrl-C and keeps the last film until the new one is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.guard import STOPPED, run_guarded

ROOT = Path(__file__).resolve().parents[2]

MAKES = """
import os, pathlib
folder = pathlib.Path(os.environ["WORLDFM_DEMO_FOLDER"])
(folder / "film.mp4").write_text("new")
(folder / "passes").mkdir()
(folder / "passes" / "1.exr").write_text("new")
"""
DEAF = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as Cycles is
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(300)
"""


@pytest.fixture
def last_run(tmp_path: Path) -> Path:
    (tmp_path / "passes").mkdir()
    (tmp_path / "film.mp4").write_text("old")
    (tmp_path / "passes" / "0.exr").write_text("old")
    (tmp_path / "mine.txt").write_text("kept")
    return tmp_path


def test_results_take_the_place_of_the_last_ones(last_run: Path) -> None:
    assert run_guarded([sys.executable, "-c", MAKES], last_run, "the film") == 0
    assert (last_run / "film.mp4").read_text() == "new"
    assert [file.name for file in (last_run / "passes").iterdir()] == ["1.exr"]
    assert {file.name for file in last_run.iterdir()} == {"film.mp4", "passes", "mine.txt"}


def test_a_failed_run_changes_nothing(last_run: Path) -> None:
    assert run_guarded([sys.executable, "-c", MAKES + "raise SystemExit(3)"], last_run, "it") == 3
    assert (last_run / "film.mp4").read_text() == "old"
    assert {file.name for file in last_run.iterdir()} == {"film.mp4", "passes", "mine.txt"}


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_ends_a_program_that_does_not_listen(last_run: Path) -> None:
    started = last_run / "started"
    code = (
        "import signal, sys, pathlib; from demo.guard import run_guarded\n"
        # a run of the tests in the background of a shell ignores Ctrl-C, and so would this
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(run_guarded([sys.executable, '-c', {DEAF!r}, {str(started)!r}], "
        f"pathlib.Path({str(last_run)!r}), 'the film'))"
    )
    guard = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (started.exists() and started.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    guard.send_signal(signal.SIGINT)
    _, said = guard.communicate(timeout=60)
    assert guard.returncode == STOPPED and "Stopped; the film" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert (last_run / "film.mp4").read_text() == "old"
    assert not list(last_run.glob(".unfinished-*"))
