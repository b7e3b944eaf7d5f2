# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: saves the demo scene with captured memory frames, ready for WorldFM.

blender --background --python-exit-code 1 --python make_file.py -- FILE.blend MODEL
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from demo.scene import build

FRAMES = "1, 16, 32"
SAMPLES = 24  # Debian's Blenders have no denoiser

file, model = sys.argv[sys.argv.index("--") + 1 :]
scene = build()
bpy.ops.worldfm.capture_memory(engine="CYCLES", frames=FRAMES, samples=SAMPLES)
scene.render.engine = "WORLDFM"
scene.worldfm.model = model
scene.worldfm.point_budget = 1_000_000
bpy.ops.wm.save_as_mainfile(filepath=file)
