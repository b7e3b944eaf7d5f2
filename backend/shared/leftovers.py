# SPDX-License-Identifier: GPL-3.0-or-later
"""Half-made files and folders: named by the process that makes them, cleared when it is dead.

A mark is `HOST-PROCESS-RANDOM` in hex digits. What carries the mark of a dead process of this
computer was left behind by a kill; the next save in that place removes it. Nothing else is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from platform import node
from typing import Any

MARK = r"[0-9a-f]{4}-[0-9a-f]{1,8}-[0-9a-f]{8}"
_BESIDE = re.compile(rf"\..*\.(?P<mark>{MARK})\.part(?:\.[^.]*)?")
_TEMPORARY = re.compile(rf"worldfm(?:-[a-z]+)?-(?P<mark>{MARK})-.*")
_LONGEST = 80
"""Characters of a name that a half-made one keeps of it: the system limits their number."""
_AGAIN_SECONDS = 60.0

_looked: dict[str, float] = {}


def new_mark() -> str:
    """A mark of this process."""
    return f"{_host()}-{os.getpid():x}-{os.urandom(4).hex()}"


def beside(path: Path, mark: str | None = None) -> Path:
    """Where to make what shall become `path`: a hidden name in its folder, with its ending."""
    return path.with_name(f".{path.stem[:_LONGEST]}.{mark or new_mark()}.part{path.suffix}")


def clear_beside(folder: Path, *, at_once: bool = True) -> None:
    """Remove what dead processes left in `folder`.

    at_once False: not when it was looked for within the last minute, as in a folder of frames.
    """
    key, now = str(folder), time.monotonic()
    if not at_once and now - _looked.get(key, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
        return
    _looked[key] = now
    _clear(folder, _BESIDE)


@contextmanager
def temporary_folder(kind: str = "") -> Iterator[Path]:
    """A folder in the system's temporary one, removed at the end; dead processes' are cleared."""
    _clear(Path(tempfile.gettempdir()), _TEMPORARY)
    prefix = f"worldfm-{kind}-" if kind else "worldfm-"
    with tempfile.TemporaryDirectory(
        prefix=f"{prefix}{new_mark()}-", ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def is_abandoned(mark: str) -> bool:
    """Whether the process that made a mark is dead, as far as this computer can tell."""
    host, process, _ = mark.split("-")
    return host == _host() and not _is_alive(int(process, 16))


def remove(path: Path) -> None:
    """A file or a folder that is ours, as far as the system lets go of it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _clear(folder: Path, pattern: re.Pattern[str]) -> None:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and is_abandoned(found["mark"]):
                remove(Path(entry.path))


def _host() -> str:
    return f"{zlib.crc32(node().encode()) & 0xFFFF:04x}"


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":
        return _is_alive_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's
    return True


def _is_alive_on_windows(process: int) -> bool:
    import ctypes as any_ctypes

    ctypes: Any = any_ctypes  # half of it is in Windows alone
    query_limited, still_active, invalid = 0x1000, 259, 87
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(query_limited, False, process)
    if not handle:
        return ctypes.get_last_error() != invalid
    try:
        code = ctypes.c_uint32()
        known = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
        return not known or code.value == still_active
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
