# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's own reader of scenes, from this checkout, without enabling it in Blender."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
NAME = "worldfm_checkout"


def module(name: str) -> Any:
    """A module of the extension, as one of this checkout's package."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        package = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{NAME}.{name}")


def camera_of(scene: bpy.types.Scene) -> Any:
    """The scene's camera as the backend's `Camera`."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    cameras = module("scene_sync.cameras")
    return cameras.render_camera(cameras.scene_camera(scene).evaluated_get(depsgraph), scene)


def forget() -> None:
    """Another file is opened: what was kept of the last one is of no use."""
    module("scene_sync.textures").forget_textures()


def read(depsgraph: bpy.types.Depsgraph) -> tuple[Any, list[str]]:
    """The `Scene` that the depsgraph shows, and a sentence about each thing that is left out."""
    problems: list[str] = []
    return module("scene_sync.surfaces").read_scene(depsgraph, problems=problems), problems


def write(scene: Any, folder: Path) -> str:
    """Write a world of `scene` alone; gives the name of its file in `folder`.

    Arrays go to arrays/HASH.npy, each once; the world of an equal scene is the same file.
    """
    shared = module("backend.shared.world")
    anchors = module("backend.shared.anchors").Anchors.empty()
    world = shared.World(anchors, [], 1, {"source": "demo.scenes"}, scene)
    content, arrays = module("backend.shared.world_content").write_content(world)
    (folder / "arrays").mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        file = folder / "arrays" / f"{name}.npy"
        if not file.exists():
            np.save(file, array)
    state = module("backend.shared.content").content_hash(content)
    text = json.dumps(json.loads(content.tobytes()))
    (folder / f"{state}.json").write_text(text, encoding="utf-8")
    return f"{state}.json"
