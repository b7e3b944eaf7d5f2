# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in the backend's Python, run by operators without waiting for it."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from .. import runtime
from ..backend.client.process import child_environment
from ..backend.shared.errors import BackendError, WorldFMError, error_from_code
from ..backend.shared.leftovers import temporary_folder
from .child_run import ChildRun
from .steps import Step, StepOperator

_KILLED = (-9, 137)


class CommandRun(ChildRun):
    """`worldfm ARGUMENTS --json`: progress and, at the end, the result as lines of JSON."""

    def __init__(self, arguments: list[str]) -> None:
        """Start it. Raises BackendError when the backend isn't installed."""
        python = runtime.backend_python()
        words = [str(python), "-s", "-X", "utf8", "-m", "backend", *arguments, "--json"]
        environment = child_environment(os.environ, runtime.preferences().threads)
        self.fraction: float | None = None
        self.text = "Starting"
        self._answer: dict[str, Any] | None = None
        self._said: list[str] = []
        super().__init__(words, environment, runtime.ROOT, "worldfm-command")

    def result(self) -> dict[str, Any]:
        """What it printed; waits for its end. Raises the WorldFMError it ended with."""
        self.wait()
        if self.failure is not None:
            raise self.failure
        if self.code == 0:
            if self._answer is None:
                raise BackendError(
                    f"The backend's answer was not understood; send {self._keep_log()} to the "
                    "maintainers."
                )
            return self._answer
        message = next((e for e in reversed(self._said) if e.startswith("Error: ")), "")
        if message:
            code = "input" if self.code == 2 else "failed"
            raise error_from_code(code, message.removeprefix("Error: "))
        if self.code in _KILLED:
            raise BackendError(
                "The work was ended by the system, most often for want of memory; close other "
                "programs, or choose smaller pictures."
            )
        last = self._said[-1] if self._said else f"code {self.code}"
        raise WorldFMError(
            f"The backend failed ({last}); send {self._keep_log()} to the maintainers."
        )

    def _keep_log(self) -> Path:
        log = runtime.data_folder() / "logs" / "command.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\n".join(self._said) + "\n", encoding="utf-8")
        return log

    def hear(self, line: str) -> None:
        """Progress, the result, or what goes into the log."""
        try:
            told = json.loads(line)
            if not isinstance(told, dict):
                raise ValueError
        except ValueError:
            if line.strip():
                self._said.append(line.strip())
            return
        if told.keys() == {"progress", "text"}:
            self.fraction, self.text = float(told["progress"]), str(told["text"])
        else:
            self._answer = told


class CommandOperator(StepOperator):
    """Runs one command; subclasses say which, and what to do with its result.

    Nothing is added to the file before all of it is there, and the user works on meanwhile.
    """

    shares = True
    seconds = 0.1

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Arguments of the command; may write inputs into `folder`. Raises WorldFMError."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """Take the result into the file. Raises WorldFMError."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Without a window to the end; with one, as a job that Esc stops."""
        if bpy.app.background or context.window is None:
            return super().execute(context)
        return self.watch(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """There is nothing to ask, unless a subclass does."""
        return self.execute(context)

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """Waits for the command only where nobody watches."""
        run = None
        with temporary_folder() as folder:
            try:
                run = CommandRun(self.begin(context, folder))
                while self.watched and run.running:
                    yield Step(run.text, run.fraction)
                result = run.result()
                self.finish(context, folder, result)
                for note in result.get("notes", []):
                    self.report({"WARNING"}, note)
            finally:
                if run is not None:
                    run.cancel()
