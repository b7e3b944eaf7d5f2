# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking through a camera that has depth of field: what is near and far is blurred at rest."""

import math
import sys
import time

import artist
import bpy


def play(ui):
    scene, (_, _, space) = bpy.context.scene, artist.viewport()
    row_of_cubes(scene)
    space.region_3d.view_perspective = "CAMERA"
    shown = sys.modules[f"{artist.ADDON}.runtime"].latest_frame
    scene.render.engine = "CYCLES"
    space.shading.type = "RENDERED"
    yield 12.0
    yield from ui.picture("lens-cycles")
    space.shading.type = "SOLID"
    scene.render.engine = "WORLDFM"
    artist.client().start(sys.modules[f"{artist.ADDON}.runtime"].launch_settings("embedded"))
    yield from artist.ready(ui, 300)
    space.shading.type = "RENDERED"
    ui.result["lenses"] = []
    for stop in (0.4, 0.1):
        began = time.monotonic()
        scene.camera.data.dof.aperture_fstop = stop
        radius = scene.camera.data.lens * 1e-3 / (2 * stop)

        def seen(radius=radius):
            now = shown()
            return (
                now is not None
                and not now.draft
                and math.isclose(now.request.aperture, radius, rel_tol=1e-4)
            )

        yield from ui.until(seen, 120, f"a frame at f/{stop}")
        ui.result["lenses"].append([shown().request.aperture, time.monotonic() - began])
        yield 2.0
        yield from ui.picture(f"lens-{stop}")


def row_of_cubes(scene):
    """From the camera away, the third of them in focus."""
    camera = scene.camera
    camera.location, camera.rotation_euler = (0, -6, 1.6), (math.radians(80), 0, 0)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    bpy.ops.mesh.primitive_plane_add(size=60, location=(0, 0, -1))
    for i in range(5):
        bpy.ops.mesh.primitive_cube_add(size=0.8, location=(1.0 * i - 1.6, 3.0 * i - 3.0, -0.6))
    dof = camera.data.dof
    dof.use_dof, dof.focus_distance, dof.aperture_fstop = True, 8.5, 0.1
