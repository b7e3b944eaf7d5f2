# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves: where the camera is, how fast it goes and what it looks at."""

from __future__ import annotations

from typing import Any

import bpy
import extension
import numpy as np
import scenes
from mathutils import Vector

TAKEN = {"set_range": True, "activate": True}
"""What the path operators do only when they are asked."""


def fresh() -> bpy.types.Scene:
    """A camera 4 m from a square that is selected; 24 frames a second."""
    scene = scenes.empty()
    scene.worldfm.viewpoints.clear()
    scenes.add_camera((4, 0, 1), (0, 0, 1))
    square = scenes.add_square("Target", 1, 1)
    bpy.context.view_layer.objects.active = square
    square.select_set(True)
    scene.render.fps, scene.frame_start, scene.frame_end = 24, 1, 250
    bpy.context.view_layer.update()
    return scene


def travelled(scene: bpy.types.Scene) -> dict[str, Any]:
    """The active camera over the scene's frames, as it is and as it is foretold."""
    animation = extension.part("scene_sync.animation")
    places, views, foretold = [], [], 0.0
    for frame in range(scene.frame_start, scene.frame_end + 1):
        guess = animation.world_matrix_at(scene.camera, frame)
        scene.frame_set(frame)
        matrix = np.array(scene.camera.matrix_world)
        foretold = max(foretold, float(np.abs(matrix - guess).max()))
        places.append(matrix[:3, 3])
        views.append(-matrix[:3, 2])
    places_, views_ = np.array(places), np.array(views)
    steps = np.linalg.norm(np.diff(places_, axis=0), axis=1)
    to_target = np.array([0, 0, 1]) - places_
    distance = np.linalg.norm(to_target, axis=1)
    faces = (views_ * to_target).sum(axis=1) / np.maximum(distance, 1e-9)
    seconds = (scene.frame_end - scene.frame_start) / 24
    return {
        "length": float(steps.sum()),
        "mean_speed": float(steps.sum() / seconds),
        "fastest": float(steps.max() / steps.mean()),
        "first": places_[0].tolist(),
        "last": places_[-1].tolist(),
        "nearest": float(distance.min()),
        "farthest": float(distance.max()),
        "faces": float(faces.min()),
        "foretold": foretold,
        "views": views_[[0, -1]].tolist(),
        "predictable": animation.is_predictable(scene.camera),
        "name": scene.camera.name,
    }


def orbit() -> dict[str, Any]:
    scene = fresh()
    bpy.ops.worldfm.path_orbit(**TAKEN, angle=3.14159265, speed=2.0, ease=False)
    return travelled(scene)


def dolly() -> dict[str, Any]:
    scene = fresh()
    scene.unit_settings.scale_length = 0.1
    bpy.ops.worldfm.path_dolly(**TAKEN, distance=3.0, speed=0.3)
    scene.unit_settings.scale_length = 1.0
    return travelled(scene)


def crane() -> dict[str, Any]:
    scene = fresh()
    bpy.ops.worldfm.path_crane(**TAKEN, height=2.0, speed=1.0)
    return travelled(scene)


def follow() -> dict[str, Any]:
    scene = fresh()
    curve = bpy.data.curves.new("Rail", "CURVE")
    curve.dimensions = "3D"
    curve.bevel_depth = 0.1
    spline = curve.splines.new("POLY")
    spline.points.add(2)
    for point, place in zip(spline.points, ((0, 5, 0), (3, 5, 0), (3, 9, 0)), strict=True):
        point.co = (*place, 1)
    rail = bpy.data.objects.new("Rail", curve)
    rail.location.z = 2
    scene.collection.objects.link(rail)
    bpy.context.view_layer.objects.active = rail
    bpy.context.view_layer.update()
    bpy.ops.worldfm.path_follow(**TAKEN, speed=1.0, ease=False)
    found = travelled(scene)
    found["left"] = [o.name for o in bpy.data.objects if "WorldFM" in o.name]
    return found


def viewpoints() -> dict[str, Any]:
    scene = fresh()
    places = ((4, 0, 1), (0, 4, 1), (-4, 0, 1))
    for place in places:
        scene.camera.location = place
        direction = Vector((0, 0, 1)) - Vector(place)
        scene.camera.rotation_euler = direction.to_track_quat("-Z", "Y").to_euler()
        bpy.context.view_layer.update()
        bpy.ops.worldfm.viewpoint_store()
    bpy.ops.worldfm.path_viewpoints(**TAKEN, speed=1.5)
    return travelled(scene)


def unasked() -> dict[str, Any]:
    """What each move leaves as it was, and what it selects."""
    scene = fresh()
    camera, target = scene.camera, bpy.context.view_layer.objects.active
    curve = bpy.data.curves.new("Rail", "CURVE")
    curve.splines.new("POLY").points.add(1)
    curve.splines[0].points[1].co = (3, 9, 0, 1)
    rail = bpy.data.objects.new("Rail", curve)
    scene.collection.objects.link(rail)
    for x in (4, 2):
        camera.location.x = x
        bpy.context.view_layer.update()
        bpy.ops.worldfm.viewpoint_store()
    found = {}
    for name in ("path_dolly", "path_crane", "path_follow", "path_viewpoints", "path_orbit"):
        for ob in bpy.context.selected_objects:
            ob.select_set(False)
        about = rail if name == "path_follow" else target
        bpy.context.view_layer.objects.active = about
        about.select_set(True)
        getattr(bpy.ops.worldfm, name)(speed=0.1)
        found[name] = [scene.camera == camera, scene.frame_start, scene.frame_end]
    active = bpy.context.view_layer.objects.active
    return {
        "moves": found,
        "active": active.name,
        "selected": [ob.name for ob in bpy.context.selected_objects],
    }


def refused() -> list[str]:
    """Inputs that make no move."""
    said = []

    def ask(operator: Any, **properties: Any) -> None:
        try:
            operator(**properties)
            said.append("")
        except RuntimeError as error:
            said.append(str(error))

    scene = fresh()
    ask(bpy.ops.worldfm.path_follow)
    ask(bpy.ops.worldfm.path_dolly, distance=10000.0, speed=0.01)
    ask(bpy.ops.worldfm.path_viewpoints)
    scene.camera = None
    ask(bpy.ops.worldfm.path_dolly)
    return said


extension.run_all(orbit, dolly, crane, follow, viewpoints, unasked, refused)
