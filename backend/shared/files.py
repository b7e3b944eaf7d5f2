# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders that are never half-written."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import WorldFMError
from .leftovers import beside, clear_beside, remove


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`, with its ending, to write to; renamed to `path` when all went well.

    Raises WorldFMError when the file cannot be written (a full disk, a folder without access), or
    `path` is a device or a pipe, which a renamed file would take the place of.
    """
    if _is_special(path):
        raise WorldFMError(f"'{path}' is a device or a pipe, no file; choose another name.")
    part = beside(path)
    clear_beside(path.parent, at_once=False)
    try:
        yield part
        os.replace(part, path)
    except Exception as error:
        if not is_of_the_disk(error):
            raise
        raise not_written(path, error) from error
    finally:
        remove(part)


def _is_special(path: Path) -> bool:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # not there, or no name at all: whoever writes says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds its old content or all of the new. Raises WorldFMError."""
    with replacing(path) as part:
        part.write_bytes(data)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; it becomes `folder`, which is absent or empty, when all went well.

    Otherwise nothing stays, nor do folders above it that were made for it. Raises WorldFMError
    when it cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    made: list[Path] = []
    part = beside(folder)
    try:
        made = make_parents(folder.parent)
        clear_beside(folder.parent)
        part.mkdir()
        yield part
        if folder.is_dir():
            folder.rmdir()
        os.replace(part, folder)
        made.clear()
    except Exception as error:
        if not is_of_the_disk(error):
            raise
        raise not_written(folder, error) from error
    finally:
        remove(part)
        unmake(made)


def make_parents(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it; what was made, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    made: list[Path] = []
    try:
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            made.append(place)
    except OSError:
        unmake(made)
        raise
    return made


def unmake(folders: list[Path]) -> None:
    """Remove folders that `make_parents` made, as long as they are empty."""
    for place in reversed(folders):
        with contextlib.suppress(OSError):
            place.rmdir()


def is_of_the_disk(error: Exception) -> bool:
    """Whether the system refused to write; libraries have exceptions of their own for it."""
    return isinstance(error, OSError) or "no space left" in str(error).lower()


def not_written(path: Path, error: Exception) -> WorldFMError:
    """What to say when `path` could not be written."""
    return WorldFMError(
        f"'{path}' could not be written ({getattr(error, 'strerror', None) or error}); "
        "free some space there or choose another folder."
    )
