# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module that runs inside Blender, imported there; what came with them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

import bpy  # noqa: F401
import extension

NOT_IN_BLENDER = ("backend", "tests", "wheels", "demo", "docs")


def main() -> dict[str, Any]:
    package = sys.modules[extension.MODULE]
    found = []
    for folder in ("", ".backend.shared", ".backend.client"):
        inside = importlib.import_module(extension.MODULE + folder)
        found += _modules(inside.__path__, inside.__name__, not folder)
    for name in found:
        importlib.import_module(name)
    loaded = {name.split(".")[0] for name in sys.modules}
    ours = [name for name in sys.modules if name.startswith(f"{package.__name__}.backend.")]
    return {"imported": len(found), "top level": sorted(loaded), "backend": sorted(ours)}


def _modules(path: list[str], package: str, is_root: bool) -> list[str]:
    names = []
    for one in pkgutil.iter_modules(path):
        if is_root and one.name in NOT_IN_BLENDER:
            continue
        name = f"{package}.{one.name}"
        if one.name == "world_script":  # a script for a Blender of its own
            continue
        names.append(name)
        if one.ispkg:
            names += _modules([f"{path[0]}/{one.name}"], name, False)
    return names


extension.run(main)
