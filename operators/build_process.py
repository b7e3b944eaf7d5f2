# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the command line in the backend's Python, watched without waiting for it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import Any

from .. import runtime
from ..backend.client.process import child_environment
from ..backend.shared.errors import BackendError, Cancelled, WorldFMError, error_from_code


class CommandRun:
    """`worldfm ARGUMENTS --json`: progress as JSON lines on stderr, its result on stdout."""

    def __init__(self, arguments: list[str]) -> None:
        """Start it. Raises BackendError when the backend isn't installed or won't start."""
        python = runtime.backend_python()
        command = [str(python), "-s", "-X", "utf8", "-m", "backend", *arguments, "--json"]
        self.fraction, self.text = 0.0, "Starting"
        self._errors: list[str] = []
        try:
            self._process = subprocess.Popen(
                command,
                cwd=runtime.ROOT,
                env=child_environment(os.environ, runtime.preferences().threads),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise BackendError(
                f"The backend's Python could not be started ({error.strerror}); install the "
                "backend again in Preferences > Add-ons > WorldFM."
            ) from error
        self._output: list[str] = []
        self._readers = [
            threading.Thread(target=self._follow, daemon=True),
            threading.Thread(target=self._collect, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    def cancel(self) -> None:
        """End it; the command writes beside and renames, so nothing half-written is left."""
        if self.running:
            self._process.kill()
        self._process.wait(timeout=10)

    def result(self) -> dict[str, Any]:
        """What it printed; waits for its end. Raises the WorldFMError it ended with."""
        code = self._process.wait()
        for reader in self._readers:
            reader.join(timeout=10)
        if code == 0:
            try:
                return json.loads("".join(self._output).strip().splitlines()[-1])
            except (IndexError, ValueError) as error:
                raise BackendError(
                    "The backend's answer was not understood; see its log."
                ) from error
        message = next((e for e in reversed(self._errors) if e.startswith("Error: ")), "")
        if message:
            raise error_from_code("input" if code == 2 else "failed", message[len("Error: ") :])
        if code < 0:
            raise Cancelled("The work was stopped.")
        last = self._errors[-1] if self._errors else f"code {code}"
        raise WorldFMError(f"The backend failed ({last}); show its log for the details.")

    def _follow(self) -> None:
        for line in self._process.stderr:
            try:
                told = json.loads(line)
                self.fraction, self.text = float(told["progress"]), str(told["text"])
            except (ValueError, KeyError, TypeError):
                if line.strip():
                    self._errors.append(line.strip())

    def _collect(self) -> None:
        self._output.extend(self._process.stdout)
