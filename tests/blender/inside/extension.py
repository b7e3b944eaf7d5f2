# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a bpy Python: enables the extension, from the zip or from this checkout."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[3]
MODULE = "bl_ext.user_default.worldfm"


def enable() -> ModuleType:
    """The extension's package, enabled. WORLDFM_TEST_ZIP names a zip to install as a user does.

    Without it the checkout itself becomes the installed extension, by a link.
    BLENDER_USER_RESOURCES must name an empty folder.
    """
    package = os.environ.get("WORLDFM_TEST_ZIP")
    if package:
        bpy.ops.extensions.package_install_files(
            filepath=package, repo="user_default", enable_on_install=True
        )
    else:
        folder = Path(bpy.utils.user_resource("EXTENSIONS", path="user_default", create=True))
        link = folder / "worldfm"
        if not link.exists():
            link.symlink_to(ROOT, target_is_directory=True)
        # Blender unpacks the wheels of installed extensions only; a pure one can be read as it is
        sys.path += map(str, ROOT.glob("wheels/websockets-*-none-any.whl"))
        bpy.ops.preferences.addon_enable(module=MODULE)
    assert MODULE in bpy.context.preferences.addons, "the extension did not enable"
    return sys.modules[MODULE]


def part(name: str) -> ModuleType:
    """A module of the enabled extension, such as "scene_sync.world"."""
    return importlib.import_module(f"{MODULE}.{name}")


def scene_copy(camera: Any = None) -> Any:
    """What is read of the open scene now; camera: as a render's."""
    reader = part("scene_sync.scene_reader").SceneReader()
    return reader.read(bpy.context.evaluated_depsgraph_get(), camera)


def memory_frames(final: bool = False) -> list[Any]:
    """The memory frames of the open scene; every one must be readable."""
    found, problems = part("scene_sync.memory").read_frames(bpy.context.scene, final)
    assert not problems, problems
    return found


def refused(operator: Callable[..., Any], **properties: Any) -> str:
    """What an operator says when it cannot."""
    try:
        operator(**properties)
    except RuntimeError as error:
        return str(error)
    return ""


def said(operator: Callable[..., Any], **properties: Any) -> str:
    """The error that an operator reports, or the outcome of its installation."""
    return refused(operator, **properties) or part("installation").outcome


def run(main: Callable[[], dict[str, Any]]) -> None:
    """Print main's findings as the last line, and leave before Blender's own exit code.

    bpy as a module may crash or hang in its exit after renders.
    """
    try:
        enable()
        findings, code = main(), 0
    except BaseException:
        findings, code = {"traceback": traceback.format_exc()}, 1
    sys.stderr.flush()
    sys.stdout.write("\n" + json.dumps(findings) + "\n")
    sys.stdout.flush()
    os._exit(code)


def run_all(*parts: Callable[[], Any]) -> None:
    """`run` all of a script's parts; the findings of each stand under its name."""
    run(lambda: {part.__name__: part() for part in parts})


def run_one(*parts: Callable[[], dict[str, Any]]) -> None:
    """`run` the part that the script's first argument names."""
    run({part.__name__: part for part in parts}[sys.argv[1]])
