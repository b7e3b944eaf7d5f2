# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that work in steps: `steps.py FOLDER` plays their events without a window."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import extension

FOLDER = Path(sys.argv[1])


class Desk:
    """Stands for the window manager and the workspace: writes down what they are told."""

    def __init__(self) -> None:
        self.timers: list[object] = []
        self.told: list[str | None] = []
        self.percents: list[int] = []
        self.busy = False

    def event_timer_add(self, seconds: float, window: object) -> object:
        self.timers.append(object())
        return self.timers[-1]

    def event_timer_remove(self, timer: object) -> None:
        self.timers.remove(timer)

    def progress_begin(self, low: int, high: int) -> None:
        self.busy = True

    def progress_update(self, percent: int) -> None:
        self.percents.append(percent)

    def progress_end(self) -> None:
        self.busy = False

    def modal_handler_add(self, operator: object) -> None:
        pass

    def status_text_set(self, text: str | None) -> None:
        self.told.append(text)


def event(kind: str, value: str = "PRESS") -> SimpleNamespace:
    return SimpleNamespace(type=kind, value=value)


def play(counter: type, events: list[SimpleNamespace]) -> dict[str, Any]:
    """What an operator answers to these events, and what is left on the desk afterwards."""
    desk, operator = Desk(), counter()
    context = SimpleNamespace(window_manager=desk, workspace=desk, window=None)
    answers = [*operator.invoke(context, event("NONE"))]
    try:
        for happened in events:
            answers += operator.modal(context, happened)
    except ZeroDivisionError:
        answers.append("bug")
    left = bool(desk.timers) or desk.busy or desk.told[-1] is not None
    return {"answers": answers, "told": desk.told, "percents": desk.percents, "left": left,
            "did": operator.did, "said": operator.said}  # fmt: skip


def main() -> dict[str, Any]:
    steps, errors = extension.part("operators.steps"), extension.part("backend.shared.errors")

    class Counter(steps.StepOperator):
        """Counts to three."""

        bl_label = "Count"
        fails: Exception | None = None

        def __init__(self) -> None:
            self.did: list[object] = []
            self.said: list[str] = []

        def report(self, kind: set[str], text: str) -> None:
            self.said.append(text)

        def steps(self, context: object) -> Iterator[Any]:
            try:
                for number in (1, 2, 3):
                    self.did.append(number)
                    yield steps.Step(f"Counted {number}", number / 4 if number > 1 else None)
                    if self.fails is not None:
                        raise self.fails
            finally:
                self.did.append("closed")

    tick, escape = event("TIMER"), event("ESC")
    sharing = type("Sharing", (Counter,), {"shares": True, "keeps": True})
    refusing = type("Refusing", (Counter,), {"fails": errors.InputError("No; count less.")})
    buggy = type("Buggy", (Counter,), {"fails": ZeroDivisionError()})
    found = {
        "whole": play(Counter, [tick, event("MOUSEMOVE"), event("ESC", "RELEASE"), *[tick] * 3]),
        "stopped": play(Counter, [tick, escape]),
        "kept": play(sharing, [tick, event("A"), escape]),
        "refused": play(refusing, [tick, tick]),
        "bug": play(buggy, [tick, tick]),
    }
    cancelled, desk = Counter(), Desk()
    context = SimpleNamespace(window_manager=desk, workspace=desk, window=None)
    cancelled.invoke(context, tick)
    cancelled.modal(context, tick)
    cancelled.cancel(context)
    cancelled.cancel(context)
    found["cancelled"] = [cancelled.did, desk.timers, desk.told[-1]]
    at_once = Counter()
    found["at once"] = [list(at_once.execute(context)), at_once.did]
    found["command"] = command()
    return found


def command() -> dict[str, Any]:
    """A command that would run for ever is stopped: its process and its folder are gone."""
    build = extension.part("operators.build_process")
    folders: list[Path] = []

    class Endless(build.CommandOperator):
        bl_label = "Endless"

        def begin(self, context: object, folder: Path) -> list[str]:
            folders.append(folder)
            return ["serve", "--token-file", str(FOLDER / "token")]

        def report(self, kind: set[str], text: str) -> None:
            pass

    desk, operator = Desk(), Endless()
    context = SimpleNamespace(window_manager=desk, workspace=desk, window=None)
    operator.watch(context)
    running = 0
    end = time.monotonic() + 60
    while not (FOLDER / "token").exists() and time.monotonic() < end:
        answer = operator.modal(context, event("TIMER"))
        running = max(running, len(processes()))
        time.sleep(0.1)
    stopped = operator.modal(context, event("ESC"))
    missing = build.CommandRun(["world", "build", "--ply", str(FOLDER / "no.ply"), "-o", "x"])
    try:
        missing.result()
        refused = ""
    except Exception as error:
        refused = f"{type(error).__name__}: {error}"
    while processes() and time.monotonic() < end:
        time.sleep(0.1)  # killed, and not yet gone
    return {"folder": folders[0].exists(), "answers": [*answer, *stopped], "running": running,
            "left": processes(), "said": desk.told[1], "refused": refused,
            "in temp": str(folders[0]).startswith(tempfile.gettempdir())}  # fmt: skip


def processes() -> list[str]:
    """Commands of the backend that this process started and that run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(FOLDER) in line and "backend" in line and state != "Z":
            found.append(line)
    own = Path(f"/proc/{os.getpid()}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return [line for line in found if line != own]


assert bpy.app.background
extension.run(main)
