# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of Blender's side that need no Blender, imported as Blender imports them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = "worldfm_extension"


def extension_part(name: str) -> ModuleType:
    """A module of the extension, below a package of its own name: `backend` has two there."""
    if _PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            _PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_PACKAGE])
    return importlib.import_module(f"{_PACKAGE}.{name}")
