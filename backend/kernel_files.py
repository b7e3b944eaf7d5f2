# SPDX-License-Identifier: GPL-3.0-or-later
"""Where compiled kernels are kept, named by what they were compiled from.

Numba names them by a file's place and time, so that every installation compiles anew, and a kernel
outlives changes of those it calls. `LOCATOR` names the class below to Numba (its
NUMBA_CACHE_LOCATOR_CLASSES); NUMBA_CACHE_DIR says where.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

from .shared.kernel_folder import kernel_folder

_ROOT = Path(__file__).resolve().parent
_SOURCES = [_ROOT / "conditioning", _ROOT / "world" / "stereo"]
_SHARED = _ROOT / "shared" / "harmonics.py"
"""Compiled by a kernel, though Blender's side reads it too."""


class ByContent(UserProvidedCacheLocator):
    """A folder for all kernels of the same sources."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(kernel_folder() / sources())

    def get_source_stamp(self) -> str:
        """The same for as long as no source of a kernel changes."""
        return sources()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """None for functions of others, which Numba places itself."""
        place = Path(py_file).resolve()
        if not any(place.is_relative_to(source) for source in (*_SOURCES, _SHARED)):
            return None
        made = cls(py_func, py_file)
        try:
            made.ensure_cache_path()
        except OSError:
            return None
        return made


@cache
def sources() -> str:
    """Names the sources of all kernels."""
    # a kernel names its own module, which is another in an installed package
    made = hashlib.blake2b(__name__.encode(), digest_size=8)
    files = [_SHARED, *(file for folder in _SOURCES for file in folder.rglob("*.py"))]
    for file in sorted(files):
        text = file.read_bytes()
        if b"jit" in text or file == _SHARED:
            made.update(file.name.encode() + b"\0" + text)
    return made.hexdigest()
