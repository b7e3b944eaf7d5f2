# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads beside Blender's: work that must not hold it up. No bpy in the jobs."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue

_SWITCH_SECONDS = 0.0005
"""How long one of Python's threads may keep another waiting, at most; usually ten times that."""

_usual: float | None = None


def take_turns_sooner() -> None:
    """While threads work, Blender's waits for them less: a draw lets go of Python several times."""
    global _usual
    if _usual is None:
        _usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)


def take_turns_as_usual() -> None:
    """Take `take_turns_sooner` back."""
    global _usual
    if _usual is not None:
        sys.setswitchinterval(_usual)
        _usual = None


class Worker:
    """Does jobs one after the other. Handing one over never waits, as starting a thread would."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Have `job` done soon. What it raises is printed: it has nobody to tell."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def stop(self) -> None:
        """End the thread after the jobs it was given; another `do` begins a new one."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread, self._jobs = None, SimpleQueue()

    def _run(self) -> None:
        jobs = self._jobs
        while (job := jobs.get()) is not None:
            try:
                job()
            except Exception:
                traceback.print_exc()
            del job  # while this waits for the next, nothing is kept alive
