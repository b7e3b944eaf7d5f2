# SPDX-License-Identifier: GPL-3.0-or-later
"""A long animation of small frames: `soak.py FOLDER FRAMES`; what it leaves in memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import scenes
from install import backends

sys.path.insert(0, str(extension.ROOT / "tests" / "soak"))
from flat import Sample, give_back, growth, sample

FOLDER, FRAMES = Path(sys.argv[1]), int(sys.argv[2])
SAMPLES = 60


def main() -> dict[str, Any]:
    """Renders, and looks at both processes on the way."""
    scene = scenes.small_world(frames=FRAMES)
    ours: list[Sample] = []
    theirs: list[Sample] = []

    def look(scene: bpy.types.Scene, _: object = None) -> None:
        if scene.frame_current % max(1, FRAMES // SAMPLES) == 0:
            give_back()
            ours.append(sample(os.getpid()))
            theirs.extend(sample(pid) for pid in backends())

    bpy.app.handlers.render_post.append(look)
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = f"{FOLDER / 'frames'}{os.sep}"
    bpy.ops.render.render(animation=True)
    return {
        "count": len(list((FOLDER / "frames").iterdir())),
        "restarts": extension.part("runtime").client().restarts,
        "blender": growth(ours),
        "backend": growth(theirs),
        "last": [ours[-1], theirs[-1]],
    }


extension.run(main)
