# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what Blender's side takes: a mesh of a million triangles to anchor points, as JSON.

Runs in Blender's Python module with the built extension, and needs no backend. `make bench` puts
its figures beside those of `worldfm bench`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from wheels.build_extension import package_for_this_system

from .leaving import leave_with
from .run import end_blender, install

SIDE = 708
"""Squares along a side of the mesh: two triangles each, a million in all."""
AIM_S = 1.5
RUNS = 3


def hilly_grid() -> None:
    """The mesh, twenty metres wide, seen by a camera from above."""
    import bpy
    import numpy as np

    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=SIDE, y_subdivisions=SIDE, size=20)
    vertices = bpy.context.object.data.vertices
    place = np.empty(3 * len(vertices), np.float32)
    vertices.foreach_get("co", place)
    place = place.reshape(-1, 3)
    place[:, 2] = 0.3 * np.sin(place[:, 0]) * np.cos(1.7 * place[:, 1])
    vertices.foreach_set("co", place.ravel())
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = (0, 0, 14)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera


def triangles_to_anchors() -> dict[str, object]:
    """Seconds from the depsgraph to the points, nothing kept from an earlier run."""
    import bpy

    scene_sync = "bl_ext.user_default.worldfm.scene_sync"
    world = importlib.import_module(f"{scene_sync}.world")
    reader = importlib.import_module(f"{scene_sync}.scene_reader")
    hilly_grid()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    spent, points = [], 0
    for _ in range(RUNS):
        began = time.perf_counter()
        made = world.WorldBuilder().build(reader.SceneReader().read(depsgraph, None))
        spent.append(time.perf_counter() - began)
        points = len(made.anchors)
    return {
        "name": "1 M triangles to anchors",
        "value": statistics.median(spent),
        "unit": "s",
        "aim": AIM_S,
        "at_least": False,
        "parts": {"points": points},
        "ratio": AIM_S / statistics.median(spent),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extensions", type=Path, default=Path("dist"), help="folder of the zips")
    parser.add_argument("--into", type=Path, required=True, help="JSON file to add the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worldfm-bench-") as user:
        os.environ["BLENDER_USER_RESOURCES"] = user
        install(package_for_this_system(options.extensions))
        figures = json.loads(options.into.read_text(encoding="utf-8"))
        figures["scene"] = [triangles_to_anchors()]
        partial = options.into.with_suffix(".part")
        partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        partial.replace(options.into)
        end_blender()
    return 0


if __name__ == "__main__":
    leave_with(main)
