# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from a panorama of a room whose geometry is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from backend.shared.errors import InputError
from backend.shared.trust import recorded
from backend.world.importers.panorama import (
    look_into,
    sphere_camera,
    sphere_directions,
    world_from_panorama,
)
from tests.scenes.grounded_room import BendingDepth, ExactDepth, grounded, off_surface


def room_panorama(width: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """The room around (0, 0, 1.4) and the exact distances."""
    rgb = np.zeros((width // 2, width, 3), np.uint8)
    distance = np.zeros((width // 2, width), np.float32)
    directions = sphere_directions(width, width // 2)
    for yaw, pitch in ((0, 0), (0.5, 0), (1, 0), (1.5, 0), (0, 0.5), (0, -0.5)):
        camera = sphere_camera(yaw * np.pi, pitch * np.pi, math.radians(92), 256, 1.4)
        picture, depth = grounded(camera)
        uv, z = camera.project(directions.reshape(-1, 3) + np.array([0, 0, 1.4]))
        inside = (z > 0) & (uv >= 0).all(axis=1) & (uv < 256).all(axis=1)
        x, y = uv[inside].astype(int).T
        rgb.reshape(-1, 3)[inside] = picture[y, x]
        per_depth = np.linalg.norm(camera.rays(), axis=2)
        distance.reshape(-1)[inside] = (depth * per_depth)[y, x]
    return rgb, distance


def test_views_into_a_panorama_look_where_they_should():
    directions = sphere_directions(256, 128)
    camera = sphere_camera(0.7, -0.4, 1.2, 64, 1.0)
    seen = look_into(directions, camera)
    rays = camera.rays() / np.linalg.norm(camera.rays(), axis=2, keepdims=True)
    assert np.abs(seen - rays).max() < 0.002
    behind = look_into(directions, sphere_camera(np.pi, 0, 1.2, 64, 1.0))  # across the seam
    rays = sphere_camera(np.pi, 0, 1.2, 64, 1.0).rays()
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    assert np.abs(behind - rays).max() < 0.002


@pytest.mark.parametrize("wrong", [0.0, 0.15])
def test_panorama_to_world(tmp_path, wrong):
    rgb, distance = room_panorama()
    Image.fromarray(rgb).save(tmp_path / "room.png")
    world = world_from_panorama(tmp_path / "room.png", 1.4, ExactDepth(wrong))
    away = np.linalg.norm(world.anchors.xyz - [0, 0, 1.4], axis=1)
    assert np.median(off_surface(world.anchors.xyz)) < (0.03 if wrong == 0 else 0.12)
    assert away.min() > 0.4  # the ball is 0.418 m away
    assert len(world.memory) == 6
    for frame in world.memory:
        exact = grounded(frame.camera)[1]
        solid = np.isfinite(exact) & np.isfinite(frame.depth)
        error = np.abs(frame.depth[solid] / exact[solid] - 1)
        assert np.median(error) < (0.02 if wrong == 0 else 0.06)
    up = next(f for f in world.memory if f.camera.c2w[2, 2] > 0.9)
    assert np.isfinite(up.depth).all()  # the ceiling
    assert np.isfinite(distance).any()


def test_how_far_a_panoramas_depth_can_be_trusted_is_measured_and_kept(tmp_path):
    Image.fromarray(room_panorama(256)[0]).save(tmp_path / "room.png")
    exact, bent = (
        recorded(world_from_panorama(tmp_path / "room.png", 1.4, BendingDepth(bend)).provenance)
        for bend in (0.0, 0.3)
    )
    assert exact.error < 0.1 and bent.error > 2 * exact.error
    assert exact.reach > 2 * bent.reach and exact.match is None


def test_panoramas_that_are_not_two_to_one(tmp_path):
    Image.fromarray(np.zeros((100, 150, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="twice as wide as high"):
        world_from_panorama(tmp_path / "a.png", 1.6, ExactDepth())


def gpano(**values: int) -> bytes:
    fields = " ".join(f'GPano:{name}="{value}"' for name, value in values.items())
    return f"<x:xmpmeta><rdf:Description {fields}/></x:xmpmeta>".encode()


def test_a_part_of_a_panorama_stands_where_its_metadata_says(tmp_path):
    rgb, _ = room_panorama()
    part = rgb[60:200, 100:420]
    xmp = gpano(
        FullPanoWidthPixels=512, FullPanoHeightPixels=256, CroppedAreaImageWidthPixels=320,
        CroppedAreaImageHeightPixels=140, CroppedAreaLeftPixels=100, CroppedAreaTopPixels=60,
    )  # fmt: skip
    Image.fromarray(part).save(tmp_path / "part.jpg", quality=95, xmp=xmp)
    world = world_from_panorama(tmp_path / "part.jpg", 1.4, ExactDepth())
    assert np.median(off_surface(world.anchors.xyz)) < 0.03
    assert len(world.memory) < 6  # a view that it does not show is no memory
    for frame in world.memory:
        shown = frame.depth > 0
        error = np.abs(frame.rgb.astype(float) - grounded(frame.camera)[0])[shown]
        assert error.mean() < 15
    away = world.anchors.xyz - [0, 0, 1.4]
    yaw = np.arctan2(away[:, 0], away[:, 1])
    assert yaw.min() > (100 / 512 - 0.5) * 2 * np.pi - 0.05
    assert yaw.max() < (420 / 512 - 0.5) * 2 * np.pi + 0.05


def test_a_part_outside_of_its_whole_is_refused(tmp_path):
    xmp = gpano(
        FullPanoWidthPixels=512, FullPanoHeightPixels=256, CroppedAreaImageWidthPixels=320,
        CroppedAreaImageHeightPixels=140, CroppedAreaLeftPixels=100, CroppedAreaTopPixels=200,
    )  # fmt: skip
    Image.fromarray(room_panorama()[0][60:200, 100:420]).save(tmp_path / "part.jpg", xmp=xmp)
    with pytest.raises(InputError, match="outside of its own sphere"):
        world_from_panorama(tmp_path / "part.jpg")
