# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work of an installation in a thread of its own, to be polled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..shared.errors import BackendError, WorldFMError
from ..shared.messages import Progress
from .installer import Installation


class InstallTask:
    """`work` on an installation, begun at once. Read `text`, `fraction` and `done` in a timer.

    Not a daemon thread: it ends by itself when the host's main thread has (see
    shared/child_process.py).
    """

    def __init__(self, installation: Installation, work: Callable[[Installation], Any]) -> None:
        self.text = ""
        self.fraction: float | None = None
        self.result: Any = None
        self.error: WorldFMError | None = None
        self._installation = installation
        self._work = work
        installation.cancel.clear()
        installation.report = self._report
        self._thread = threading.Thread(target=self._run, name="worldfm-install")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether `result` or `error` is there."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to end; `error` will be Cancelled."""
        self._installation.cancel.set()

    def join(self, timeout: float) -> bool:
        """Wait for its end; whether it has."""
        self._thread.join(timeout)
        return self.done

    def _report(self, progress: Progress) -> None:
        self.text, self.fraction = progress.text, progress.fraction

    def _run(self) -> None:
        try:
            self.result = self._work(self._installation)
        except WorldFMError as error:
            self.error = error
        except OSError as error:
            self.error = BackendError(
                f"{error.filename or 'A file'} cannot be used ({error.strerror}); free some space "
                "or choose another data folder, then try again."
            )
        except BaseException as error:
            self.error = WorldFMError(
                f"The installation met an error it does not know ({error}); send the text in the "
                "system console to the maintainers."
            )
            if threading.main_thread().is_alive():  # a host that is ending starts no thread
                raise
