# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender exports is what the backend reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh

from backend.data.nerfstudio import read_dataset
from backend.shared.world_folder import load_world
from backend.world.importers.meta import read_meta
from backend.world.importers.point_cloud import world_from_ply
from tests.scenes.ply import points_of


@pytest.fixture(scope="module")
def folder(shared_blender, tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def found(shared_blender, folder):
    return shared_blender("exports.py", folder)


@pytest.fixture
def world(found, folder):
    return load_world(folder / "world")


@pytest.fixture
def path(found, folder):
    return json.loads((folder / "cameras.json").read_text())


def test_the_backend_reads_exported_worlds(found, world):
    assert world.revision == found["revision"]
    assert 10_000 < len(world.anchors) <= 100_000
    assert world.anchors.xyz[:, :2].max() == pytest.approx(2.0, abs=0.01)  # 4 units of 0.5 m
    (frame,) = world.memory
    assert frame.id == found["id"]
    assert frame.rgb.ravel().tolist()[::97] == found["picture"]
    assert frame.rgb.shape == (48, 64, 3) and frame.rgb.std() > 5
    assert np.isinf(frame.depth[0]).any() and 0.5 < frame.depth.min() < 3

    # the picture's floor lies where the anchors' floor does
    points = frame.camera.position + frame.depth[-1][:, None] * frame.camera.rays()[-1]
    assert np.abs(points[:, 2]).max() < 0.1


def test_the_backend_reads_exported_camera_paths(found, path):
    assert path["size"] == [64, 48]
    assert np.shape(path["c2w"]) == (3, 4, 4)
    assert np.allclose(path["c2w"][1], found["second_camera"]["c2w"], atol=1e-6)
    assert np.allclose(path["K"][1], found["second_camera"]["K"])


def test_exports_replace_nothing_that_is_not_theirs(found, folder):
    assert "tick Replace" in found["again"]
    assert (folder / "world" / "notes.txt").read_text() == "mine"
    assert "is not a world" in found["refused"]
    assert "not empty" in found["dataset again"]
    assert "choose Replace" in found["points again"]
    assert all("choose Replace" in said for said in found["baked again"])


def test_exports_that_cannot_be_written_are_a_sentence(found):
    assert "could not be written" in found["unwritable"]
    assert "could not be written" in found["no folder"]
    assert "does not exist" in found["points nowhere"]
    assert "no memory frames" in found["no memory"]


def test_exports_leave_the_scene_and_other_folders_alone(found, folder):
    assert found["frame"] == 1
    assert found["left"] == ["cameras.json", "other", "world"]
    assert (folder / "other" / "letter.txt").read_text() == "keep me"


def test_other_programs_formats_hold_what_the_folder_does(world, path, folder):
    (frame,) = world.memory
    cloud = points_of(folder / "points.ply")
    assert np.array_equal(cloud.xyz, world.anchors.xyz)
    assert np.array_equal(cloud.rgb, world.anchors.rgb)
    (posed,) = read_dataset(folder / "dataset")
    assert np.array_equal(posed.rgb, frame.rgb) and np.array_equal(posed.depth, frame.depth)
    assert np.allclose(posed.camera.c2w, frame.camera.c2w)
    given = read_meta(folder / "meta" / "meta.json")
    assert len(given.path) == 3 and given.image.name == "world.png"
    moved = np.linalg.inv(given.path[0].c2w) @ given.path[2].c2w
    c2w = np.array(path["c2w"])
    assert np.allclose(moved, np.linalg.inv(c2w[0]) @ c2w[2], atol=1e-6)


def test_other_renderers_get_splats_meshes_light_and_a_colmap_model(found, world, folder):
    splats = world_from_ply(folder / "splats.ply", None, 1.0, None).anchors
    low, high = (np.percentile(splats.xyz, q, axis=0) for q in (1, 99))
    assert np.allclose(low, np.percentile(world.anchors.xyz, 1, axis=0), atol=0.05)
    assert np.allclose(high, np.percentile(world.anchors.xyz, 99, axis=0), atol=0.05)
    for kind, count, size in found["splats"]:  # from Blender 5.3 on
        assert kind == "POINTCLOUD" and count == len(world.anchors)
        assert np.allclose(size, np.ptp(world.anchors.xyz, axis=0) / 0.5, rtol=0.05)
        assert "ShaderNodeBsdfDiffuse" in found["lit splats"]
    mesh = trimesh.load(folder / "mesh.glb")
    assert "collider" in mesh.geometry and len(mesh.geometry) == 2
    assert found["world"] == ["around", [2048, 1024], True]
    assert (folder / "colmap" / "sparse" / "0").is_dir()


def test_a_path_comes_back_as_an_animation_of_the_same_cameras(found, path, folder):
    assert found["imported"] == ["cameras", 11, 13]
    again = json.loads((folder / "again.json").read_text())
    assert again["size"] == path["size"]
    assert np.allclose(again["c2w"], path["c2w"], atol=1e-5)
    assert np.allclose(again["K"], path["K"], rtol=1e-5)
    assert "is not a camera path" in found["not a path"]
