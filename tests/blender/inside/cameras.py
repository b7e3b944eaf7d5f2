# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects points with our cameras and with Blender's own matrices, over many settings."""

from __future__ import annotations

import itertools
import random
from typing import Any

import bpy
import extension
import numpy as np
from mathutils import Euler, Matrix, Vector


def blender_pixels(
    camera: bpy.types.Object, scene: bpy.types.Scene, points: np.ndarray
) -> np.ndarray:
    """(N, 2) pixels, row 0 on top, by Blender's own projection matrix."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    width = scene.render.resolution_x * scene.render.resolution_percentage // 100
    height = scene.render.resolution_y * scene.render.resolution_percentage // 100
    window = camera.calc_matrix_camera(
        depsgraph,
        x=width,
        y=height,
        scale_x=scene.render.pixel_aspect_x,
        scale_y=scene.render.pixel_aspect_y,
    )
    matrix = np.array(window @ camera.matrix_world.normalized().inverted())
    clip = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.column_stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height])


def settings() -> list[dict[str, Any]]:
    """Every fit with wide, tall and odd pictures, and random values for the rest."""
    rng = random.Random(0)
    fits = ("AUTO", "HORIZONTAL", "VERTICAL")
    sizes = ((640, 360, 100), (333, 777, 50), (512, 512, 37))
    aspects = ((1, 1), (2, 1), (1, 1.5))
    return [
        {
            "fit": fit,
            "size": size,
            "aspect": aspect,
            "lens": rng.uniform(12, 135),
            "sensor": (rng.uniform(12, 60), rng.uniform(12, 40)),
            "shift": (rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)),
            "turn": [rng.uniform(-3, 3) for _ in range(3)],
            "place": [rng.uniform(-9, 9) for _ in range(3)],
            "scale": [rng.uniform(0.2, 4) for _ in range(3)],
        }
        for fit, size, aspect in itertools.product(fits, sizes, aspects)
    ]


def main() -> dict[str, Any]:
    cameras = extension.part("scene_sync.cameras")
    scene = bpy.context.scene
    ob = bpy.data.objects.new("Probe", bpy.data.cameras.new("Probe"))
    scene.collection.objects.link(ob)
    scene.camera = ob
    rng = np.random.default_rng(1)
    worst = viewport = 0.0
    for number, case in enumerate(settings() + settings()):
        data, render = ob.data, scene.render
        data.type = "PERSP" if number < len(settings()) else "ORTHO"
        data.ortho_scale = 0.5 + number
        data.sensor_fit, data.lens = case["fit"], case["lens"]
        data.sensor_width, data.sensor_height = case["sensor"]
        data.shift_x, data.shift_y = case["shift"]
        render.resolution_x, render.resolution_y, render.resolution_percentage = case["size"]
        render.pixel_aspect_x, render.pixel_aspect_y = case["aspect"]
        ob.matrix_world = Matrix.LocRotScale(
            Vector(case["place"]), Euler(case["turn"]), Vector(case["scale"])
        )
        bpy.context.view_layer.update()
        local = rng.uniform([-1, -1, -9], [1, 1, -2], (50, 3))
        points = local @ np.array(ob.matrix_world.normalized())[:3, :3].T + case["place"]
        camera = cameras.render_camera(ob, scene)
        ours, depth = camera.project(points)
        worst = max(worst, float(np.abs(ours - blender_pixels(ob, scene, points)).max()))
        viewport = max(viewport, in_viewport(cameras, ob, scene, points, ours))
        assert np.allclose(depth, -local[:, 2], atol=1e-4), "depth is not along the view axis"
    found = {"settings": len(settings()), "worst_pixels": worst, "worst_in_viewport": viewport}
    found["through others"] = through_others(cameras, scene)
    return {**found, "scaled": scaled(cameras, scene, ob), **refusals(cameras, scene, ob)}


def in_viewport(
    cameras: Any, ob: bpy.types.Object, scene: bpy.types.Scene, points: np.ndarray, ours: np.ndarray
) -> float:
    """Pixels between a viewport that looks through the camera and the camera itself."""
    if (scene.render.pixel_aspect_x, scene.render.pixel_aspect_y) != (1, 1):
        return 0.0
    depsgraph = bpy.context.evaluated_depsgraph_get()
    camera = cameras.render_camera(ob, scene)
    window = ob.calc_matrix_camera(depsgraph, x=camera.width, y=camera.height)
    view = ob.matrix_world.normalized().inverted()
    seen = cameras.viewport_camera(window, view, camera.width, camera.height, 1.0)
    assert seen.projection == camera.projection
    return float(np.abs(seen.project(points)[0] - ours).max())


def through_others(cameras: Any, scene: bpy.types.Scene) -> dict[str, float]:
    """Pixels between ours and Blender's own projection through objects that are no cameras."""
    kinds = {kind: bpy.data.lights.new(kind, kind) for kind in ("SPOT", "POINT", "SUN", "AREA")}
    kinds["SPOT"].spot_size = 2.0
    data = {**kinds, "EMPTY": None, "MESH": bpy.data.meshes.new("Mesh")}
    camera, found = scene.camera, {}
    for kind, one in data.items():
        ob = bpy.data.objects.new(kind, one)
        scene.collection.objects.link(ob)
        ob.location = (0, 0, 8)
        scene.camera = ob
        bpy.context.view_layer.update()
        points = np.random.default_rng(1).uniform(-2, 2, (50, 3))
        seen = cameras.render_camera(cameras.scene_camera(scene), scene)
        ours, theirs = seen.project(points)[0], blender_pixels(ob, scene, points)
        found[kind] = float(np.abs(ours - theirs).max())
        assert cameras.lens_focus(ob, scene) == (0.0, 1.0)
    scene.camera = camera
    return found


def scaled(cameras: Any, scene: bpy.types.Scene, ob: bpy.types.Object) -> list[float]:
    """Pixels a metre of an orthographic camera in a scene of units of 0.1 m, and back again."""
    ob.data.type, ob.data.ortho_scale, ob.data.sensor_fit = "ORTHO", 4.0, "HORIZONTAL"
    ob.data.shift_x = ob.data.shift_y = 0.0
    ob.scale = (1, 1, 1)
    scene.unit_settings.scale_length = 0.1
    bpy.context.view_layer.update()
    camera = cameras.render_camera(ob, scene)
    cameras.apply_camera(camera, ob, 0.1)
    found = [float(camera.K[0, 0]) / camera.width, ob.data.ortho_scale]
    scene.unit_settings.scale_length = 1.0
    return found


def refusals(cameras: Any, scene: bpy.types.Scene, ob: bpy.types.Object) -> dict[str, Any]:
    """The sentence each unusable camera gets, and the border's crop."""
    errors = extension.part("backend.shared.errors")
    said: dict[str, str] = {}

    def sentence(name: str) -> None:
        try:
            cameras.render_camera(cameras.scene_camera(scene), scene)
            said[name] = ""
        except errors.CameraError as error:
            said[name] = str(error)

    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 200, 100, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1
    ob.data.type = "PANO"
    sentence("panoramic")
    ob.data.type = "PERSP"
    ob.scale = (0, 0, 0)
    bpy.context.view_layer.update()
    sentence("flat")
    ob.scale = (1, 1, 1)
    bpy.context.view_layer.update()
    render.resolution_x = 16384
    sentence("huge")
    render.resolution_x, render.resolution_percentage = 4, 1
    sentence("tiny")
    render.resolution_x, render.resolution_percentage = 200, 100
    whole = cameras.render_camera(ob, scene)
    render.use_border = True
    render.border_min_x, render.border_max_x = 0.25, 0.75
    render.border_min_y, render.border_max_y = 0.5, 1.0
    part = cameras.render_camera(ob, scene)
    render.border_max_x = 0.25
    sentence("empty border")
    render.use_border = False
    lens = [cameras.lens_focus(ob, scene)]
    dof, data = ob.data.dof, ob.data
    dof.use_dof, dof.focus_distance, dof.aperture_fstop, data.lens = True, 4.0, 2.0, 50.0
    scene.unit_settings.scale_length = 0.5
    lens.append(cameras.lens_focus(ob, scene))
    there = bpy.data.objects.new("Sharp", None)
    scene.collection.objects.link(there)
    there.location = ob.matrix_world @ Vector((3.0, 1.0, -7.0))
    dof.focus_object = there
    bpy.context.view_layer.update()
    lens.append(cameras.lens_focus(ob, scene))
    scene.unit_settings.scale_length = 1.0
    scene.camera = None
    sentence("none")
    moved = (whole.K - part.K)[:2, 2].tolist()
    return {"said": said, "border_size": [part.width, part.height], "border_shift": moved,
            "lens": lens}  # fmt: skip


extension.run(main)
