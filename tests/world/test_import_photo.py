# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from a photo of a room whose geometry is known exactly, and their blockout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.models.depth import DepthGuess
from backend.shared.camera import Camera
from backend.shared.errors import Cancelled, InputError
from backend.shared.trust import recorded
from backend.world.importers.photo import world_from_photo
from backend.world.photo.blockout import build_blockout, save_blockout
from tests.scenes.grounded_room import (
    BendingDepth,
    ExactDepth,
    grounded,
    off_surface,
    save_photo,
    viewer,
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save_photo(tmp_path)


def test_photo_to_world(photo):
    said: list[tuple[float, str]] = []
    built = world_from_photo(
        photo, 1.6, viewer(), ExactDepth(), lambda part, text: said.append((part, text))
    )
    world = built.world
    assert np.median(off_surface(world.anchors.xyz)) < 0.01
    assert abs(np.percentile(world.anchors.xyz[:, 2], 1)) < 0.05  # the floor lies at z = 0
    (frame,) = world.memory
    assert np.array_equal(frame.rgb, grounded(viewer())[0])
    assert frame.camera.position[2] == 1.6
    assert np.isinf(frame.depth).any()  # the window
    assert world.revision == 1 and world.provenance["depth"] == "exact"
    fractions = [part for part, _ in said]
    assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)


def test_the_typed_height_fits(photo):
    world = world_from_photo(photo, 3.2, viewer(), ExactDepth()).world
    assert world.memory[0].camera.position[2] == 3.2


def test_how_far_a_photos_depth_can_be_trusted_is_measured_and_kept(photo):
    errors, reaches = [], []
    for bend in (0.0, 0.1, 0.4):
        built = world_from_photo(photo, 1.6, viewer(), BendingDepth(bend))
        trust = recorded(built.world.provenance)
        errors.append(trust.error)
        reaches.append(trust.reach)
        assert trust.match is None  # the camera was given
    assert errors == sorted(errors) and errors[2] > 2 * errors[0]
    assert reaches == sorted(reaches, reverse=True) and reaches[2] > 0
    found = world_from_photo(photo, 1.6, depth=ExactDepth())
    assert recorded(found.world.provenance).match == pytest.approx(found.match.confidence, abs=0.01)


def test_blockout_has_a_floor_walls_and_the_photos_uvs():
    camera = viewer((480, 360))
    _, depth = grounded(camera)
    height = camera.position[2] + camera.rays()[..., 2] * np.where(np.isinf(depth), 0, depth)
    ground = ((np.abs(height) < 0.02) & np.isfinite(depth)).astype(np.float32)
    meshes = {m.name: m for m in build_blockout(depth, ground, camera)}
    assert "Ground" in meshes and "Wall 01" in meshes
    assert np.abs(meshes["Ground"].verts[:, 2]).max() < 0.1
    for mesh in meshes.values():
        uv, _ = camera.project(mesh.verts.astype(np.float64))
        wanted = np.stack([uv[:, 0] / 480, 1 - uv[:, 1] / 360], axis=1)
        assert np.allclose(mesh.uvs, wanted, atol=1e-3)
        assert mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.verts) - 1
    wall = meshes["Wall 01"].verts
    assert min(wall[:, 0].std(), wall[:, 1].std()) < 0.02  # flat along one of the axes
    total = sum(len(m.faces) for m in meshes.values())
    assert total > 5000  # nearly all of the picture's 96 x 72 cells, two triangles each


@pytest.mark.parametrize("sky", [False, True])
def test_under_open_sky_nothing_is_a_ceiling(sky):
    camera = viewer((240, 180))
    depth = grounded(camera)[1]
    if sky:
        depth[:20] = np.inf
    names = [m.name for m in build_blockout(depth, np.zeros_like(depth), camera)]
    assert ("Ceiling 01" in names) != sky


def test_blockout_faces_look_at_the_camera(tmp_path):
    camera = viewer()
    _, depth = grounded(camera)
    meshes = build_blockout(depth, np.zeros_like(depth), camera)
    for mesh in meshes:
        a, b, c = (mesh.verts[mesh.faces[:, i]] for i in range(3))
        toward = (np.cross(b - a, c - a) * (camera.position - a)).sum(axis=1)
        assert (toward > 0).mean() > 0.95
    save_blockout(meshes, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as data:
        assert data["names"].tolist() == [m.name for m in meshes]
        assert np.array_equal(data["faces0"], meshes[0].faces)


def test_cancel_stops_at_once(photo):
    def stop(part: float, text: str) -> None:
        if part > 0.3:
            raise Cancelled("The work was stopped.")

    with pytest.raises(Cancelled):
        world_from_photo(photo, 1.6, viewer(), ExactDepth(), stop)


@pytest.mark.parametrize("height", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_heights_that_cannot_be(photo, height):
    with pytest.raises(InputError, match="more than 0"):
        world_from_photo(photo, height, viewer(), ExactDepth())


def test_a_camera_of_another_shape_is_refused(photo):
    with pytest.raises(InputError, match="match this photo's own camera"):
        world_from_photo(photo, 1.6, viewer((160, 90)), ExactDepth())


def test_a_photo_of_nothing_but_sky(photo):
    class Sky(ExactDepth):
        def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
            shape = rgb.shape[:2]
            return DepthGuess(np.full(shape, np.inf, np.float32), np.zeros(shape), "sky")

    with pytest.raises(InputError, match="nothing but sky"):
        world_from_photo(photo, 1.6, viewer(), Sky())


def test_a_photo_without_lines_or_exif_is_taken_with_a_usual_lens(tmp_path):
    noise = np.random.default_rng(0).normal(0, 1, (96, 128)).astype(np.float32)
    clouds = np.clip(127 + 900 * cv2.GaussianBlur(noise, (0, 0), 9), 0, 255).astype(np.uint8)
    assert clouds.std() > 15
    Image.fromarray(clouds).save(tmp_path / "fog.png")
    built = world_from_photo(tmp_path / "fog.png", 1.6, depth=ExactDepth())
    assert any("a level" in note and "is assumed" in note for note in built.notes)
    right, forward = built.camera.c2w[:3, 0], built.camera.c2w[:3, 2]
    assert abs(right[2]) < 1e-6 and abs(forward[2]) < 1e-6
    assert built.camera.K[0, 0] == pytest.approx(built.match.focal)
    assert len(built.world.anchors)


def test_transparent_pixels_of_a_photo_are_unknown(tmp_path):
    rgba = np.dstack([grounded(viewer())[0], np.full((120, 160), 255, np.uint8)])
    rgba[:, :60] = 0
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    world = world_from_photo(tmp_path / "cut.png", camera=viewer(), depth=ExactDepth()).world
    frame = world.memory[0]
    assert not frame.depth[:, :60].any() and (frame.depth[:, 60:] > 0).mean() > 0.9
    uv, _, _ = frame.camera.within(world.anchors.xyz.astype(float))
    assert uv[:, 0].min() > 59 and frame.rgb[:, 55:60].mean() > 20  # nor black beside the rest
    rgba[..., 3] = 0
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    with pytest.raises(InputError, match="transparent all over"):
        world_from_photo(tmp_path / "cut.png", depth=ExactDepth())
