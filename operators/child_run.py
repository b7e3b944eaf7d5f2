# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that operators run beside Blender, never waited for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from pathlib import Path

from ..backend.shared.child_process import run_child
from ..backend.shared.errors import WorldFMError

_runs: weakref.WeakSet[ChildRun] = weakref.WeakSet()


def stop_all() -> None:
    """End every program, as on unregister: their operators are gone and cannot."""
    for run in list(_runs):
        run.cancel()


class ChildRun:
    """One program, in a thread that hears its lines; it ends with its host, however that ends
    (backend/shared/child_process.py).

    code: what it ended with. failure: why it could not be run to its end, None = it was.
    """

    def __init__(
        self, words: list[str], environment: Mapping[str, str], folder: Path, name: str
    ) -> None:
        """Start it in `folder`. name: of the thread."""
        self.code = 0
        self.failure: WorldFMError | None = None
        self._cancel = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(words, dict(environment), folder), name=name
        )
        self._thread.start()
        _runs.add(self)

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """End it; such programs write beside and rename, so nothing half-written is left."""
        self._cancel.set()
        self._thread.join(timeout=10)

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()

    def hear(self, line: str) -> None:
        """It wrote a line. In the thread: no bpy here."""
        raise NotImplementedError

    def _run(self, words: list[str], environment: dict[str, str], folder: Path) -> None:
        try:
            self.code = run_child(
                words, env=environment, cwd=folder, on_line=self.hear, cancel=self._cancel
            )
        except WorldFMError as error:
            self.failure = error
