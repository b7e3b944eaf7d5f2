# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves the demo scene with captured memory frames, ready for WorldFM; needs the bpy module.

python -m tests.gui.make_file EXTENSION.zip FILE.blend MODEL
"""

import os
import sys
import tempfile
from pathlib import Path

FRAMES = "1, 16, 32"

package, file, model = sys.argv[1:]
with tempfile.TemporaryDirectory(prefix="worldfm-gui-") as user:
    os.environ["BLENDER_USER_RESOURCES"] = user
    import bpy

    from demo.run import install
    from demo.scene import build

    scene = build()
    install(Path(package))
    bpy.ops.worldfm.capture_memory(engine="CYCLES", frames=FRAMES, samples=16)
    scene.render.engine = "WORLDFM"
    scene.worldfm.model = model
    scene.worldfm.point_budget = 1_000_000
    bpy.ops.wm.save_as_mainfile(filepath=file)
os._exit(0)  # the bpy module may crash or hang when Python takes it down
