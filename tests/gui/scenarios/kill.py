# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend is killed while the viewport streams."""

import os
import signal

import artist
from watch import Watch


def play(ui):
    _, region, space = artist.viewport()
    yield from artist.sidebar(ui)
    artist.clear_view(space)
    watch = Watch()
    space.region_3d.view_perspective = "CAMERA"
    space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from ui.until(watch.settled, 120, "the first frame")
    artist.leave_camera(space, distance=3.0)
    (victim,) = artist.backend_processes()
    yield from ui.drag(region, (0.35, 0.5), (0.38, 0.5), steps=6)
    os.kill(victim, signal.SIGKILL)
    yield from ui.until(lambda: artist.client().restarts > 0, 120, "the restart")
    yield from ui.picture("backend-restarting")
    yield from ui.drag(region, (0.38, 0.5), (0.35, 0.5), steps=6)
    yield from artist.ready(ui, 240)
    yield from ui.until(watch.settled, 120, "a frame of the new backend")
    ui.result["processes"] = len(artist.backend_processes())
    ui.result["replaced"] = victim not in artist.backend_processes()
    yield from ui.picture("backend-restarted")
