# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows scene-linear pictures through a scene's own view transform: a program with bpy, for others.

    python -m demo.scenes.display ORDERS.json

ORDERS.json: a list of {"settings": those of scene.json, "pictures": {PNG to write: NPY to read}};
an NPY is (H, W, 3) float32 scene-linear, row 0 on top.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ..leaving import leave_with
from .pictures import show


def main() -> int:
    for order in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        read = {Path(k): np.load(v, allow_pickle=False) for k, v in order["pictures"].items()}
        show(read, order["settings"])
    return 0


if __name__ == "__main__":
    leave_with(main)
