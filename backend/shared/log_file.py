# SPDX-License-Identifier: GPL-3.0-or-later
"""A log that stays short: `NAME.log`, and the ones before it as `NAME.1.log` and so on."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

LOG_BYTES = 1 << 20
LOG_FILES = 3
_LOOK_SECONDS = 1.0


def rotate_closed(path: Path) -> None:
    """A log that is too long becomes `NAME.1.log`, before anybody opens it. Raises OSError."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        _make_room(path)
        with contextlib.suppress(PermissionError):  # Windows: another process has it open
            os.replace(path, _older(path, 1))


def keep_short(path: Path, descriptor: int) -> None:
    """From now on, look every second whether the log `path`, open as `descriptor`, is too long.

    What it holds is copied to `NAME.1.log` then, and the open file is emptied: other processes
    that have it open, and Windows, allow no renaming.
    """
    threading.Thread(target=_keep_short, args=(path, descriptor), daemon=True).start()


def rotate_open(path: Path, descriptor: int) -> None:
    """Empty the open log `path` if it is too long, once it is copied."""
    state = os.fstat(descriptor)
    if state.st_size <= LOG_BYTES or not os.path.samestat(state, path.stat()):
        return
    _make_room(path)
    shutil.copyfile(path, _older(path, 1))
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)


def read_log(path: Path, start: int = 0) -> str:
    """The log from byte `start`, at most its last 64 KiB; all when it is shorter now; "" when there
    is none."""
    try:
        with open(path, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(start if start <= end else 0, end - (64 << 10)))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _keep_short(path: Path, descriptor: int) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):  # a full disk: it is looked at again
            rotate_open(path, descriptor)


def _make_room(path: Path) -> None:
    for number in range(LOG_FILES - 1, 1, -1):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.replace(_older(path, number - 1), _older(path, number))


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")
