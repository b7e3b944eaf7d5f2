# SPDX-License-Identifier: GPL-3.0-or-later
"""Files by others with their truth by Cycles: their camera's view, between two that memory has.

    python -m demo.scenes.files --output OUT A.blend B.blend ...
    python -m demo.scenes.compare OUT --modes none,2

The first runs with the bpy module. Each file is a folder as render.py leaves it; files that are
there already are passed over. Scripts in files are not run.
"""

from __future__ import annotations

import argparse
import json
import math
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..leaving import leave_with
from . import checkout, pictures

ASIDE = math.radians(12)
"""How far memory's cameras are turned about what the view shows, each to its side."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--longest", type=int, default=256, help="pixels of the longer side")
    parser.add_argument("--samples", type=int, default=32)
    return parser.parse_args()


def main() -> int:
    options, failed = arguments(), 0
    for file in options.files:
        folder = options.output / f"{file.parent.name}-{file.stem}".replace(" ", "_")
        if (folder / "scene.json").is_file():
            continue
        try:
            _make(file, folder, options)
        except Exception:  # one file's fault must not hide the others
            traceback.print_exc()
            failed += 1
    return 1 if failed else 0


def _make(file: Path, folder: Path, options: argparse.Namespace) -> None:
    checkout.forget()
    bpy.ops.wm.open_mainfile(filepath=str(file.resolve()), load_ui=False, use_scripts=False)
    scene = bpy.context.scene
    _shrink(scene, options.longest)
    pictures.configure(scene)
    scene.cycles.device = "CPU"
    scene.render.use_motion_blur = False
    scene.render.use_compositing = scene.render.use_sequencer = False
    _show_as_rendered()
    camera = _still_camera(scene)
    eyes = _eyes(camera)
    seen = []
    for matrix in eyes.values():
        camera.matrix_world = matrix
        bpy.context.view_layer.update()
        seen.append(checkout.camera_of(scene))
    made, problems = checkout.read(bpy.context.evaluated_depsgraph_get())
    world = checkout.write(replace(made, viewpoints=tuple(seen)), folder / "worlds")
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    views = []
    for (name, matrix), eye in zip(eyes.items(), seen, strict=True):
        camera.matrix_world = matrix
        truth = folder / "truth" / f"{name}.exr"
        seconds = pictures.cycles(scene, truth, options.samples)
        role = "target" if name == "view" else "memory"
        views.append(
            {"name": name, "role": role, "frame": scene.frame_current, "world": world}
            | {"camera": eye.to_json(), "truth": f"truth/{truth.name}", "seconds": seconds}
        )
    size = [scene.render.resolution_x, scene.render.resolution_y]
    about = {"name": folder.name, "size": size, "problems": problems, "views": views}
    about["display"] = pictures.display_settings(scene)
    (folder / "scene.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _shrink(scene: bpy.types.Scene, longest: int) -> None:
    render = scene.render
    render.use_border = False
    scale = longest / max(render.resolution_x, render.resolution_y)
    render.resolution_x = max(8, round(render.resolution_x * scale))
    render.resolution_y = max(8, round(render.resolution_y * scale))
    render.resolution_percentage = 100


def _show_as_rendered() -> None:
    """The viewport's objects, modifiers and levels become the render's: the reader of scenes has
    the viewport's depsgraph here."""
    for collection in bpy.data.collections:
        collection.hide_viewport = collection.hide_render
    waiting = [bpy.context.view_layer.layer_collection]
    while waiting:
        layer = waiting.pop()
        layer.hide_viewport = False
        waiting += layer.children
    for thing in bpy.context.view_layer.objects:
        thing.hide_set(False)
        thing.hide_viewport = thing.hide_render
        for modifier in thing.modifiers:
            modifier.show_viewport = modifier.show_render
            if modifier.type in {"SUBSURF", "MULTIRES"}:
                modifier.levels = modifier.render_levels
        for system in thing.particle_systems:
            system.settings.display_percentage = 100
            if hasattr(system.settings, "rendered_child_count"):
                system.settings.child_percent = system.settings.rendered_child_count
    bpy.context.view_layer.update()


def _still_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """The scene's camera without what moves it, or one that shows all meshes."""
    camera = scene.camera
    if camera is None:
        camera = bpy.data.objects.new("view", bpy.data.cameras.new("view"))
        scene.collection.objects.link(camera)
        camera.matrix_world = _all_in_view()
        scene.camera = camera
    place = camera.matrix_world.copy()
    camera.animation_data_clear()
    camera.constraints.clear()
    camera.parent = None
    camera.matrix_world = place
    camera.data.dof.use_dof = False
    return camera


def _all_in_view() -> Matrix:
    corners = [
        one.matrix_world @ Vector(corner)
        for one in bpy.context.visible_objects
        if one.type == "MESH" and not one.hide_render
        for corner in one.bound_box
    ]
    if not corners:
        raise ValueError("The file shows no mesh and has no camera; leave it out.")
    low, high = np.min(corners, 0), np.max(corners, 0)
    middle, radius = Vector((low + high) / 2), float(np.linalg.norm(high - low)) / 2
    back = Vector((1, -1.3, 0.7)).normalized()
    turn = back.to_track_quat("Z", "Y").to_matrix().to_4x4()
    return Matrix.Translation(middle + back * 2.4 * radius) @ turn


def _eyes(camera: bpy.types.Object) -> dict[str, Matrix]:
    """The camera's own matrix, and two turned about what is in its middle."""
    place = camera.matrix_world.copy()
    forward = -(place.to_3x3() @ Vector((0, 0, 1))).normalized()
    graph = bpy.context.evaluated_depsgraph_get()
    hit, met, *_ = bpy.context.scene.ray_cast(graph, place.translation, forward)
    away = (met - place.translation).length if hit else 5.0
    focus = Matrix.Translation(place.translation + forward * away)
    eyes: dict[str, Any] = {
        f"aside{number}": focus @ Matrix.Rotation(angle, 4, "Z") @ focus.inverted() @ place
        for number, angle in enumerate((-ASIDE, ASIDE))
    }
    return eyes | {"view": place}


if __name__ == "__main__":
    leave_with(main)
