# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras, pinhole and orthographic: rays and projection agree, and files keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.shared import camera_path
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.camera_path import read_camera_path, write_camera_path
from backend.shared.errors import CameraError

SIZE = 24, 18


def cameras() -> list[Camera]:
    K = intrinsics(1.1, *SIZE)
    K[:2, 2] += 1.5, -0.75
    c2w = look_at(np.array([1.0, -4.0, 2.0]), np.array([0.2, 0.1, 0.4]))
    parallel = np.array([[3.0, 0, 13], [0, 4.0, 8], [0, 0, 1]])
    return [Camera(K, c2w, *SIZE), Camera(parallel, c2w, *SIZE, "ORTHO")]


@pytest.mark.parametrize("camera", cameras(), ids=["pinhole", "orthographic"])
def test_a_ray_lands_on_its_pixel_at_its_depth(camera: Camera) -> None:
    depth = np.linspace(0.5, 9, SIZE[0] * SIZE[1], dtype=np.float32).reshape((*SIZE[::-1], 1))
    points = (camera.origins() + depth * camera.rays()).reshape(-1, 3)
    uv, z = camera.project(points.astype(float))
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    np.testing.assert_allclose(uv[:, 0], columns.ravel() + 0.5, atol=1e-4)
    np.testing.assert_allclose(uv[:, 1], rows.ravel() + 0.5, atol=1e-4)
    np.testing.assert_allclose(z, depth.ravel(), rtol=1e-5)


def test_orthographic_rays_are_parallel_and_near_means_no_larger() -> None:
    camera = cameras()[1]
    assert np.ptp(camera.rays().reshape(-1, 3), axis=0).max() == 0
    forward, right = camera.c2w[:3, 2], camera.c2w[:3, 0]
    ends = [camera.project(np.stack([p, p + right]))[0] for p in (camera.position + d * forward
            for d in (1.0, 50.0))]  # fmt: skip
    for pair in ends:
        assert pair[1, 0] - pair[0, 0] == pytest.approx(3.0)  # pixels a metre


def test_windows_and_sizes_keep_the_projection() -> None:
    camera = cameras()[1]
    window = camera.cropped(4, 3, 10, 8)
    np.testing.assert_allclose(window.origins(), camera.origins()[3:11, 4:14], atol=1e-6)
    half = camera.resized(12, 9)
    assert half.is_orthographic and half.K[0, 0] == 1.5


def test_paths_keep_the_projection_and_are_of_one_kind(tmp_path: Path) -> None:
    pinhole, parallel = cameras()
    write_camera_path(tmp_path / "o.json", [parallel, parallel])
    assert all(camera.is_orthographic for camera in read_camera_path(tmp_path / "o.json"))
    assert Camera.from_json(parallel.to_json()).is_orthographic
    assert "projection" not in pinhole.to_json()  # older versions read it as before
    with pytest.raises(CameraError, match="throughout"):
        write_camera_path(tmp_path / "mixed.json", [pinhole, parallel])


def test_other_projections_are_refused() -> None:
    data = cameras()[0].to_json() | {"projection": "PANO"}
    with pytest.raises(CameraError, match="PERSP or ORTHO"):
        Camera.from_json(data)


def test_a_path_of_more_frames_than_anyone_waits_for_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(camera_path, "MOST_CAMERAS", 2)
    cameras = [Camera(np.diag([9.0, 9.0, 1.0]), np.eye(4), 8, 8)] * 3
    write_camera_path(tmp_path / "p.json", cameras[:2])
    assert len(read_camera_path(tmp_path / "p.json")) == 2
    write_camera_path(tmp_path / "p.json", cameras)
    with pytest.raises(CameraError, match="3 frames of 2 at most"):
        read_camera_path(tmp_path / "p.json")
