# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds out: splats, meshes, COLMAP models and environments hold what the world holds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from plyfile import PlyData

from backend.conditioning.anchors.lifting import lift
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.harmonics import SH_C0
from backend.shared.world import World
from backend.world.bake_mesh import export_mesh
from backend.world.bake_splats import FROM_Z_UP, export_splats, turning_z_to
from backend.world.environment import blender_directions, export_environment
from backend.world.export_colmap import export_colmap
from backend.world.importers.colmap import read_colmap
from backend.world.surfaces import normals_of
from tests.scenes.ply import points_of
from tests.scenes.world_room import HALF, photograph, room_camera


def room_world() -> World:
    places = [(0.0, -3.0, 0.2), (-1.0, -2.6, 0.4), (1.2, -2.8, 0.0)]
    memory = [photograph(room_camera(p, size=(96, 72)), str(i)) for i, p in enumerate(places)]
    return World(Anchors.concatenate([lift(frame) for frame in memory]), memory, 1)


def off_walls(xyz: np.ndarray) -> np.ndarray:
    return np.abs(HALF - np.abs(xyz)).min(axis=1)


def test_normals_are_those_of_the_walls():
    world = room_world()
    normals = normals_of(world.anchors, world.memory)
    xyz = world.anchors.xyz
    floor = np.abs(xyz[:, 2] + HALF[2]) < 1e-3
    known = np.linalg.norm(normals, axis=1) > 0.5
    assert known.mean() > 0.9
    assert np.percentile(normals[floor & known][:, 2], 10) > 0.9


def test_quaternions_turn_z_to_the_normal():
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    w, x, y, z = turning_z_to(normals).T
    turned = Rotation.from_quat(np.stack([x, y, z, w], 1)).apply([0, 0, 1])
    assert np.abs((turned * normals).sum(axis=1)) == pytest.approx(1.0)


def test_splats_hold_points_colours_and_flatness(tmp_path):
    world = room_world()
    assert export_splats(world.anchors, world.memory, tmp_path / "a.ply") == len(world.anchors)
    rows = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    xyz = np.stack([rows[a] for a in "xyz"], 1) @ FROM_Z_UP
    assert np.allclose(xyz, world.anchors.xyz, atol=1e-5)
    colour = np.stack([rows[f"f_dc_{i}"] for i in range(3)], 1) * SH_C0 + 0.5
    assert np.abs(colour * 255 - world.anchors.rgb).max() < 0.01
    scale = np.exp(np.stack([rows[f"scale_{i}"] for i in range(3)], 1))
    assert np.median(scale[:, 2] / scale[:, 0]) < 0.2
    back = points_of(tmp_path / "a.ply")  # upright again
    assert np.allclose(back.xyz, world.anchors.xyz, atol=1e-5)
    with pytest.raises(InputError, match="no points"):
        export_splats(Anchors.empty(), [], tmp_path / "b.ply")


def test_meshes_lie_on_the_walls_and_carry_pictures(tmp_path):
    import trimesh

    world = room_world()
    count = export_mesh(world.memory, tmp_path / "a.glb")
    scene = trimesh.load(tmp_path / "a.glb")
    assert "collider" in scene.geometry and len(scene.geometry) >= 2
    shown = [g for name, g in scene.geometry.items() if name != "collider"]
    assert sum(len(g.faces) for g in shown) == count
    once = len(export_faces(world, 1))
    assert count < 2 * once  # what one picture shows is not made again of the next
    vertices = np.concatenate([g.vertices for g in shown])  # y up
    xyz = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1)
    assert np.median(off_walls(xyz)) < 0.01
    assert shown[0].visual.material.baseColorTexture.size == (96, 72)
    assert len(scene.geometry["collider"].faces) < count / 3
    with pytest.raises(InputError, match="no surfaces"):
        export_mesh([], tmp_path / "b.glb")


def export_faces(world: World, frames: int) -> np.ndarray:
    from backend.world.bake_mesh import SIDE
    from backend.world.surfaces import sheet_of

    return np.concatenate([sheet_of(f, SIDE, []).faces for f in world.memory[:frames]])


def test_colmap_models_come_back_the_same(tmp_path):
    world = room_world()
    export_colmap(world.anchors, world.memory, tmp_path / "out")
    capture, points = read_colmap(tmp_path / "out")
    for view, frame in zip(capture.views, world.memory, strict=True):
        c2w = frame.camera.c2w.copy()
        c2w[:3] = FROM_Z_UP @ c2w[:3]
        assert np.allclose(view.c2w, c2w, atol=1e-9)
        assert view.lens.pinhole() == pytest.approx(frame.camera.K)
        picture = cv2.imread(str(view.picture))[..., ::-1]
        assert np.array_equal(picture, frame.rgb)
    assert np.median(off_walls(points.xyz @ FROM_Z_UP)) < 0.01
    with pytest.raises(InputError, match="not empty"):
        export_colmap(world.anchors, world.memory, tmp_path / "out")


def test_environments_show_each_direction_what_stands_there(tmp_path):
    world = room_world()
    place = np.array([0.0, -2.5, 0.2])
    export_environment(world, place, tmp_path / "a.hdr", width=512)
    light = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    height, width = light.shape[:2]
    assert width == 2 * height and np.isfinite(light).all()
    directions = blender_directions(width)
    camera = room_camera(tuple(place), (0.0, 4.0, 0.2), (96, 72), 0.8)
    truth = photograph(camera)
    uv, z = camera.project(directions.reshape(-1, 3).astype(np.float64) + place)
    inside = (z > 0) & (uv >= 2).all(axis=1) & (uv < [94, 70]).all(axis=1)
    x, y = uv[inside].astype(int).T
    wanted = truth.linear()[y, x]
    assert np.median(np.abs(light.reshape(-1, 3)[inside] - wanted)) < 0.04
    with pytest.raises(InputError, match="no memory"):
        export_environment(World(world.anchors, [], 1), None, tmp_path / "b.hdr")
