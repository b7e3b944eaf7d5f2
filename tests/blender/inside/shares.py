# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that names another computer: what Windows would be told to look at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import bpy
import extension

SHARE = r"\\stranger\share\shot worlds\room"


def main() -> dict[str, Any]:
    """What is made of SHARE, as on Windows."""
    folders, adapted = (
        extension.part("scene_sync.world_folder"),
        extension.part("scene_sync.adapted"),
    )
    folders.is_elsewhere = partial(folders.is_elsewhere, system="win32")
    ob = bpy.data.objects.new("points", bpy.data.meshes.new("points"))
    bpy.context.scene.collection.objects.link(ob)
    ob[folders.FOLDER] = SHARE
    bpy.context.scene.worldfm.model = SHARE
    said = []
    for look in (lambda: folders.folder_of(ob), lambda: folders.folder_frame(SHARE, "0")):
        try:
            look()
        except extension.part("backend.shared.errors").WorldError as error:
            said.append(str(error))
    model = adapted.chosen_model(bpy.context.scene)
    none = adapted.adapted_of(ob) is None
    folders.choose_place(Path(SHARE))
    kept = folders.folder_of(ob)
    ob[folders.FOLDER] = "//room"
    beside = folders.folder_of(ob)
    return {"said": said, "model": model, "none": none, "chosen": str(kept.path),
            "beside": beside is not None}  # fmt: skip


extension.run(main)
