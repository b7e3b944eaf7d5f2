# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports a scene: `exports.py FOLDER` leaves world/, cameras.json and one rendered frame."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes
from extension import refused
from mathutils import Vector

FOLDER = Path(sys.argv[1])


def other_programs(found: dict[str, Any]) -> None:
    """PLY, transforms.json and meta.json by the backend; the camera path in again."""
    scene = bpy.context.scene
    camera = scene.camera
    bpy.ops.worldfm.export_points(filepath=str(FOLDER / "points.ply"))
    found["points again"] = refused(
        bpy.ops.worldfm.export_points, filepath=str(FOLDER / "points.ply")
    )
    bpy.ops.worldfm.export_points(filepath=str(FOLDER / "points.ply"), overwrite=True)
    bpy.ops.worldfm.export_dataset(directory=str(FOLDER / "dataset"))
    bpy.ops.worldfm.export_meta(directory=str(FOLDER / "meta"))
    found["dataset again"] = refused(
        bpy.ops.worldfm.export_dataset, directory=str(FOLDER / "dataset")
    )
    found["points nowhere"] = refused(
        bpy.ops.worldfm.export_points, filepath=str(FOLDER / "no" / "points.ply")
    )
    baked(found)
    path = str(FOLDER / "cameras.json")
    bpy.ops.worldfm.import_camera_path(
        filepath=path, start=11, use_size=True, activate=True, set_range=True
    )
    found["imported"] = [scene.camera.name, scene.frame_start, scene.frame_end]
    bpy.ops.worldfm.export_camera_path(filepath=str(FOLDER / "again.json"))
    found["not a path"] = refused(
        bpy.ops.worldfm.import_camera_path, filepath=str(FOLDER / "world" / "world.json")
    )
    scene.camera, scene.frame_start, scene.frame_end = camera, 1, 3
    scene.worldfm.memory.clear()
    found["no memory"] = refused(bpy.ops.worldfm.export_meta, directory=str(FOLDER / "other2"))


def extent(ob: bpy.types.Object) -> list[float]:
    """How far an object reaches along the axes of the world."""
    corners = np.array([ob.matrix_world @ Vector(corner) for corner in ob.bound_box])
    return np.ptp(corners, axis=0).tolist()


def baked(found: dict[str, Any]) -> None:
    """Splats, meshes, a World of light and a COLMAP model; files are replaced only when told."""
    scene, before = bpy.context.scene, bpy.context.scene.world
    ops = bpy.ops.worldfm
    objects = set(bpy.data.objects)
    ops.bake_splats(filepath=str(FOLDER / "splats.ply"))
    new = set(bpy.data.objects) - objects
    bpy.context.view_layer.update()
    found["splats"] = [[ob.type, len(ob.data.points), extent(ob)] for ob in new]
    for ob in new:
        bpy.data.objects.remove(ob)
    objects = set(bpy.data.objects)
    ops.bake_splats(filepath=str(FOLDER / "lit.ply"), lit=True)
    for ob in set(bpy.data.objects) - objects:
        found["lit splats"] = [node.bl_idname for node in ob.data.materials[0].node_tree.nodes]
        bpy.data.objects.remove(ob)
    ops.bake_mesh(filepath=str(FOLDER / "mesh"))
    ops.bake_environment(filepath=str(FOLDER / "around.hdr"))
    nodes = scene.world.node_tree.nodes
    (picture,) = (node.image for node in nodes if node.type == "TEX_ENVIRONMENT")
    found["world"] = [scene.world.name, list(picture.size), before.name in bpy.data.worlds]
    scene.world = before
    ops.export_colmap(directory=str(FOLDER / "colmap"))
    again = {
        "splats.ply": ops.bake_splats,
        "mesh.glb": ops.bake_mesh,
        "around.hdr": ops.bake_environment,
    }
    found["baked again"] = [refused(op, filepath=str(FOLDER / name)) for name, op in again.items()]
    ops.bake_splats(filepath=str(FOLDER / "splats.ply"), overwrite=True, add=False)


def main() -> dict[str, Any]:
    scene = scenes.small_world()
    scene.unit_settings.scale_length = 0.5
    bpy.ops.worldfm.capture_memory(frames="1", samples=4)
    bpy.ops.worldfm.export_world(directory=str(FOLDER / "world"))
    (FOLDER / "world" / "notes.txt").write_text("mine")
    again = refused(bpy.ops.worldfm.export_world, directory=str(FOLDER / "world"))
    bpy.ops.worldfm.export_world(directory=str(FOLDER / "world"), overwrite=True)
    bpy.ops.worldfm.export_camera_path(filepath=str(FOLDER / "cameras.json"))
    (FOLDER / "other").mkdir()
    (FOLDER / "other" / "letter.txt").write_text("keep me")
    export = bpy.ops.worldfm.export_world
    found = {
        "again": again,
        "refused": refused(export, directory=str(FOLDER / "other")),
        "unwritable": refused(export, directory="/proc/nothing/world"),
        "no folder": refused(
            bpy.ops.worldfm.export_camera_path, filepath=str(FOLDER / "no" / "cameras.json")
        ),
        "frame": scene.frame_current,
        "left": sorted(p.name for p in FOLDER.iterdir()),
    }
    frames, _ = extension.part("scene_sync.memory").read_frames(scene)
    found["picture"] = frames[0].rgb.ravel().tolist()[::97]
    found["id"] = scene.worldfm.memory[0].id
    scene.frame_set(2)
    source = extension.part("scene_sync.world")
    copy = extension.scene_copy()
    found["revision"] = source.WorldBuilder().build(copy).revision
    camera = extension.part("scene_sync.cameras").render_camera(scene.camera, scene)
    found["second_camera"] = camera.to_json()
    scene.frame_set(1)
    other_programs(found)
    return found


extension.run(main)
