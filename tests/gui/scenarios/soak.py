# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading for minutes on end: the view turns, rests and turns again."""

import math
import os
import sys
import time
from pathlib import Path

import artist
from mathutils import Quaternion
from watch import Watch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "soak"))
from flat import give_back, growth, sample

SAMPLES = 60
TURN_SECONDS = 8.0
"""Time of one swing; every fifth is a rest, in which a whole frame comes."""


def play(ui):
    area, _, space = artist.viewport()
    artist.clear_view(space)
    watch = Watch()
    space.region_3d.view_perspective = "CAMERA"
    space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from ui.until(watch.settled, 240, "the first frame")
    artist.leave_camera(space, distance=3.0)
    (backend,) = artist.backend_processes()
    first = space.region_3d.view_rotation.copy()
    ours, theirs = [], []
    began = time.monotonic()
    seconds = 60 * ui.given["minutes"]
    while (passed := time.monotonic() - began) < seconds:
        if int(passed / TURN_SECONDS) % 5:
            angle = 0.4 * math.sin(2 * math.pi * passed / TURN_SECONDS)
            space.region_3d.view_rotation = Quaternion((0, 0, 1), angle) @ first
            area.tag_redraw()
        if passed >= seconds * len(ours) / SAMPLES:
            give_back()
            ours.append(sample(os.getpid()))
            theirs.append(sample(backend))
        watch.calls.clear()
        yield 0.05
    ui.result |= {
        "count": len(watch.frames),
        "processes": len(artist.backend_processes()),
        "blender": growth(ours),
        "backend": growth(theirs),
        "last": [ours[-1], theirs[-1]],
    }
