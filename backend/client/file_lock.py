# SPDX-License-Identifier: GPL-3.0-or-later
"""One process at a time; the system lets go of the lock when its holder ends, however."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..shared.errors import BackendError


@contextmanager
def only_one(path: Path, busy: str) -> Iterator[None]:
    """Hold `path` locked. Raises BackendError with the sentence `busy` when another does."""
    with open(path, "a+b") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise BackendError(busy) from error
        yield


def _lock(fd: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
