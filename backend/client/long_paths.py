# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that Windows' limit of 260 characters would cut."""

from __future__ import annotations

import sys
from pathlib import Path, PureWindowsPath

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
