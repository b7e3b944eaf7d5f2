# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in Blender: saves the demo scene with two captured memory frames, ready for WorldFM.

blender -b --python make_file.py -- FILE.blend MODEL
"""

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))
from scene import build

file, model = sys.argv[sys.argv.index("--") + 1 :]
scene = build()
bpy.ops.worldfm.capture_memory(engine="CYCLES", frames="1, 24", samples=4)
scene.render.engine = "WORLDFM"
scene.worldfm.model = model
assert len(scene.worldfm.memory) == 2
bpy.ops.wm.save_as_mainfile(filepath=file)
