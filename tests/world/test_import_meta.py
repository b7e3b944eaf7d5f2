# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference's meta.json, point clouds with a photo, and camera paths: in and out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from backend.conditioning.anchors.lifting import lift
from backend.shared.camera import Camera, look_at
from backend.shared.camera_path import read_camera_path, write_camera_path
from backend.shared.errors import InputError
from backend.shared.frame import MemoryFrame
from backend.world.exporters import export_meta, export_ply
from backend.world.importers.meta import read_meta, world_from_meta
from backend.world.importers.point_cloud import world_from_ply
from tests.scenes.grounded_room import ExactDepth, capture, grounded, save_photo, viewer


def test_meta_json_in_and_out(tmp_path):
    camera = viewer((128, 96))
    rgb, depth = grounded(camera)
    c2w = camera.c2w.copy()
    forward = c2w[:3, 2] * [1, 1, 0]
    level = look_at(c2w[:3, 3], c2w[:3, 3] + forward)
    photo = MemoryFrame("p", "p", Camera(camera.K, level, 128, 96), rgb, depth)
    path = [Camera(camera.K, look_at(np.array([x, -2.5, 1.5]), np.array([0, 2.0, 1])), 128, 96)
            for x in (0.0, 0.4)]  # fmt: skip
    export_meta(photo, path, tmp_path, "room")
    given = read_meta(tmp_path / "meta.json", camera_height=1.6)
    assert given.image == tmp_path / "room.png"
    assert given.photo.c2w[:3, 2] == pytest.approx([1, 0, 0])
    # relative to the photo nothing has changed
    for before, after in zip(path, given.path, strict=True):
        relative = np.linalg.inv(photo.camera.c2w) @ before.c2w
        assert np.allclose(np.linalg.inv(given.photo.c2w) @ after.c2w, relative, atol=1e-9)
        assert np.allclose(after.K, before.K)
    world, cameras = world_from_meta(tmp_path / "meta.json", ExactDepth())
    assert len(world.anchors) and len(cameras) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "../secret.png"}, "not in its folder"),
        ({"image": "/etc/passwd"}, "not in its folder"),
        ({"K": [[1, 2], [3, 4]]}, "K as 3x3"),
        ({"c2w": [1, 2]}, "K as 3x3 and c2w"),
        ({"c2w": [[[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]}, "cannot be rendered"),
        ({"K": "x"}, "needs name, image, K"),
    ],
)
def test_damaged_meta_json(tmp_path, change, said):
    (tmp_path / "a.png").write_bytes(b"")
    good = {
        "name": "a",
        "image": "a.png",
        "K": [[50, 0, 48], [0, 50, 36], [0, 0, 1]],
        "c2w": [np.eye(4).tolist()],
    }
    (tmp_path / "meta.json").write_text(json.dumps(good | change))
    with pytest.raises(InputError, match=said):
        read_meta(tmp_path / "meta.json")


def test_the_reference_demo():
    demo = Path(os.environ.get("WORLDFM_REFERENCE_DEMO", "")) / "meta.json"
    if not demo.is_file():
        pytest.skip("set WORLDFM_REFERENCE_DEMO to the folder of the reference's demo input")
    given = read_meta(demo)
    ahead = [float(given.photo.c2w[:3, 2] @ camera.c2w[:3, 2]) for camera in given.path]
    assert max(ahead) > 0.9  # some of the path looks where the picture does


def test_a_point_cloud_with_its_photo(tmp_path):
    rgb, depth = grounded(viewer())
    export_ply(lift(MemoryFrame("a", "a", viewer(), rgb, depth)), tmp_path / "a.ply")
    world = world_from_ply(tmp_path / "a.ply", photo=(save_photo(tmp_path), viewer()))
    (frame,) = world.memory
    solid = np.isfinite(depth) & (frame.depth > 0)
    assert solid.mean() > 0.8
    assert np.median(np.abs(frame.depth[solid] / depth[solid] - 1)) < 0.01


def test_camera_paths_are_read_back(tmp_path):
    cameras = [f.camera for f in capture(3)]
    write_camera_path(tmp_path / "path.json", cameras)
    for before, after in zip(cameras, read_camera_path(tmp_path / "path.json"), strict=True):
        assert np.allclose(before.c2w, after.c2w) and np.allclose(before.K, after.K)
    with pytest.raises(InputError, match="empty"):
        write_camera_path(tmp_path / "none.json", [])
    assert not (tmp_path / "none.json").exists()
