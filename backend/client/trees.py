# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole folders moved and deleted, also where Windows' limit of 260 characters would cut paths."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PureWindowsPath

from ..shared.errors import BackendError

_PREFIX = "\\\\?\\"


def unlimited(path: Path) -> Path:
    """The same place, without a limit of length; needed for copying and deleting trees."""
    return Path(prefixed(str(path.absolute()))) if sys.platform == "win32" else path


def prefixed(path: str) -> str:
    r"""An absolute Windows path with \\?\ (or \\?\UNC\ for a share) before it, \ between parts."""
    if path.startswith(_PREFIX):
        return path
    plain = str(PureWindowsPath(path))
    if plain.startswith("\\\\"):
        return _PREFIX + "UNC\\" + plain[2:]
    return _PREFIX + plain


def delete_tree(folder: Path) -> None:
    """Delete a folder with all in it; nothing when it is absent. Raises BackendError."""
    if not folder.exists():
        return
    try:
        shutil.rmtree(unlimited(folder))
    except OSError as error:
        raise BackendError(
            f"{error.filename or folder} cannot be deleted ({error.strerror}); stop the backend in "
            "every Blender, then try again."
        ) from error


def move_tree(source: Path, target: Path) -> None:
    """Rename, or copy, and delete the source when the copy is whole. Raises BackendError."""
    try:
        os.rename(unlimited(source), unlimited(target))
        return
    except OSError:
        pass  # another disk, or Windows' open lock file: copy
    beside = target.with_name(target.name + ".partial")
    shutil.rmtree(unlimited(beside), ignore_errors=True)
    try:
        ignore = shutil.ignore_patterns("install.lock")
        shutil.copytree(unlimited(source), unlimited(beside), symlinks=True, ignore=ignore)
        os.rename(unlimited(beside), unlimited(target))
    except (OSError, shutil.Error) as error:
        shutil.rmtree(unlimited(beside), ignore_errors=True)
        raise BackendError(
            f"The data folder could not be copied to {target} ({error}); it stays where it was, "
            "choose a place with enough space."
        ) from error
    shutil.rmtree(unlimited(source), ignore_errors=True)


def relocate(environment: Path, source: Path, target: Path) -> None:
    """Let a virtual environment find its base, when `source` that held both became `target`.

    A Python that uv fetched lies in the data folder too, and the environment names it in full.
    """
    config = environment / "pyvenv.cfg"
    if config.exists():
        text = config.read_text(encoding="utf-8").replace(str(source), str(target))
        beside = config.with_suffix(".tmp")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, config)
    for link in environment.glob("bin/python*"):
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(source):
            moved = target / Path(os.readlink(link)).relative_to(source)
            link.unlink()
            link.symlink_to(moved)
