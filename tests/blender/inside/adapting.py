# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapting the model to a world: `adapting.py FOLDER` with world/ in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy
import extension
from extension import refused

FOLDER = Path(sys.argv[1])


def main() -> dict[str, Any]:
    """In a folder, adapted, switched off and on again, without its folder."""
    found: dict[str, Any] = {}
    bpy.ops.wm.read_homefile(use_empty=True)
    adapted = extension.part("backend.shared.adapted")
    chosen = extension.part("scene_sync.adapted").chosen_model
    bpy.ops.worldfm.open_world(directory=str(FOLDER / "world"))
    scene = bpy.context.scene
    ob = next(ob for ob in scene.objects if ob.type == "MESH")
    bpy.context.view_layer.objects.active = ob
    found["in_file"] = refused(bpy.ops.worldfm.adapt_to_world)
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "saved.blend"))
    bpy.ops.worldfm.world_to_folder()
    folder = Path(bpy.path.abspath(ob["worldfm_folder"]))
    found["answer"] = sorted(bpy.ops.worldfm.adapt_to_world(minutes=0.02))
    found["switched_on"] = scene.worldfm.use_adapted
    model = adapted.adapted_model(folder)
    found["kept"] = model is not None
    if model is None:  # what was no gain is made one, to go on with
        scene.worldfm.use_adapted = True
        model = folder / "adapted"
        model.mkdir()
        shipped = Path(extension.part("runtime").ROOT) / "backend" / "models" / "embedded"
        for name in ("config.json", "model.safetensors"):
            (model / name).write_bytes((shipped / name).read_bytes())
        (model / "adapted.json").write_text("{}")
    found["used"] = Path(chosen(scene)) == model
    scene.worldfm.use_adapted = False
    found["not_used"] = chosen(scene)
    scene.worldfm.use_adapted = True
    (model / "adapted.json").unlink()
    found["not_whole"] = chosen(scene)
    folder.rename(folder.with_name("elsewhere"))
    found["gone"] = refused(bpy.ops.worldfm.adapt_to_world)
    return found


extension.run(main)
