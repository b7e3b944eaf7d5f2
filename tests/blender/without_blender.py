# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the extension that need no Blender, for a Python that has none."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def extension_part(name: str) -> ModuleType:
    """A module of the extension, imported below a package of its own name as Blender does it."""
    if "worldfm_extension" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "worldfm_extension", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return importlib.import_module(f"worldfm_extension.{name}")
