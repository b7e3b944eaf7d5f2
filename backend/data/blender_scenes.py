# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders one validation scene with Cycles; run by path in a Python that has bpy.

    python blender_scenes.py --scene room --out FOLDER --views 16 --size 256 --samples 48

Writes images/NNNN.png (Standard view transform), depth/NNNN.npy (z-depth of the surface at each
pixel's centre, +inf = sky) and, last of all, transforms.json. Views already there are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from blender_kit import Flight, Kit
from blender_outdoors import canyon, street
from blender_rooms import abstract, corridor, room, still_life
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

SCENES: dict[str, Callable[[Kit], Flight]] = {
    "room": room, "corridor": corridor, "street": street, "canyon": canyon,
    "still_life": still_life, "abstract": abstract,
}  # fmt: skip


def bezier(knots: list[tuple], t: float) -> Vector:
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    return sum((w * Vector(k) for w, k in zip(weights, knots, strict=True)), Vector((0, 0, 0)))


def surfaces() -> BVHTree:
    """Every face of the scene, with modifiers, in world space."""
    graph = bpy.context.evaluated_depsgraph_get()
    points: list[Vector] = []
    faces: list[tuple[int, ...]] = []
    for instance in graph.object_instances:
        if instance.object.type != "MESH":
            continue
        mesh, matrix, first = instance.object.to_mesh(), instance.matrix_world.copy(), len(points)
        points += [matrix @ vertex.co for vertex in mesh.vertices]
        faces += [tuple(first + i for i in polygon.vertices) for polygon in mesh.polygons]
        instance.object.to_mesh_clear()
    return BVHTree.FromPolygons(points, faces, epsilon=0.0)


def depth_of(tree: BVHTree, camera: Matrix, focal: float, width: int, height: int) -> np.ndarray:
    """(height, width) float32 z-depth at pixel centres, +inf where nothing is hit."""
    depth = np.full((height, width), np.inf, np.float32)
    origin, turn = camera.translation, camera.to_3x3()
    for row in range(height):
        y = (height / 2 - row - 0.5) / focal
        for column in range(width):
            ray = Vector(((column + 0.5 - width / 2) / focal, y, -1.0))
            distance = tree.ray_cast(origin, turn @ ray.normalized())[3]
            if distance is not None:
                depth[row, column] = distance / ray.length
    return depth


def prepare(scene: bpy.types.Scene, size: tuple[int, int], samples: int) -> None:
    """Cycles with its denoiser, views of `size` (width, height), as displayed."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = samples, True
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 4
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = (
        "FIXED",
        max(1, int(os.environ.get("OMP_NUM_THREADS", "0")) or os.cpu_count() or 1),
    )
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"


def look(camera: bpy.types.Object, at: Vector, target: Vector) -> None:
    """Stand at `at` and look at `target`."""
    facing = (target - at).to_track_quat("-Z", "Y")
    camera.matrix_world = Matrix.Translation(at) @ facing.to_matrix().to_4x4()
    bpy.context.view_layer.update()


def make_camera(scene: bpy.types.Scene, fov: float) -> bpy.types.Object:
    """The scene's camera; fov: degrees."""
    data = bpy.data.cameras.new("camera")
    data.angle = math.radians(fov)
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def save_view(picture: Path, depth: Path, see: Callable[[], np.ndarray]) -> None:
    """Render the picture, and keep the depth last: where it is, the view is whole.

    see: gives (H, W) z-depth, metres.
    """
    bpy.context.scene.render.filepath = str(picture)
    bpy.ops.render.render(write_still=True)
    beside = depth.with_suffix(".part.npy")
    np.save(beside, see())
    os.replace(beside, depth)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", choices=sorted(SCENES), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    wanted = options()
    out, size = wanted.out, wanted.size
    kit = Kit(wanted.seed + 100 * sorted(SCENES).index(wanted.scene))
    position, target, fov = SCENES[wanted.scene](kit)
    prepare(kit.scene, (size, size), wanted.samples)
    camera = make_camera(kit.scene, fov)
    bpy.context.view_layer.update()
    tree = surfaces()
    focal = size / 2 / math.tan(math.radians(fov) / 2)
    frames = []
    for folder in ("images", "depth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for view in range(wanted.views):
        t = view / max(1, wanted.views - 1)
        look(camera, bezier(position, t), bezier(target, t))
        picture, depth = f"images/{view:04d}.png", f"depth/{view:04d}.npy"
        if not (out / depth).exists():
            save_view(
                out / picture,
                out / depth,
                lambda: depth_of(tree, camera.matrix_world, focal, size, size),
            )
        matrix = [list(row) for row in camera.matrix_world]
        frames.append({"file_path": picture, "depth_file_path": depth, "transform_matrix": matrix})
        print(f"view {view + 1} of {wanted.views}", flush=True)
    lens = {"fl_x": focal, "fl_y": focal, "cx": size / 2, "cy": size / 2, "w": size, "h": size}
    text = json.dumps(lens | {"frames": frames}, indent=1)
    (out / "transforms.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
