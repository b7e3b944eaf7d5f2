# SPDX-License-Identifier: GPL-3.0-or-later
"""Lenses that bend straight lines, told from drawn pictures whose lens is known."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.data.lenses import Lens
from backend.data.photos import Photo
from backend.shared.camera import Camera, facing, intrinsics
from backend.world.importers.photo import world_from_photo
from backend.world.photo.distortion import LEAST, find_distortion, straightened
from backend.world.photo.vanishing import match_photo, straighten_and_match
from tests.scenes.grounded_room import ExactDepth

SIZE = (640, 480)
HALF = math.hypot(*SIZE) / 2


def viewer(pitch: float = -0.12) -> Camera:
    c2w = np.eye(4)
    c2w[:3, :3] = facing(0.6, pitch, 0.03)
    c2w[:3, 3] = (0.0, 0.0, 1.6)
    return Camera(intrinsics(1.1, *SIZE), c2w, *SIZE)


def quads() -> list[np.ndarray]:
    """Windows of two walls at a right angle and slabs before them, (4, 3) metres each."""
    found = []
    for along in np.arange(-6, 6, 1.6):
        for low, high in ((0.6, 1.5), (2.0, 2.9), (3.4, 4.2)):
            edge = [(along, low), (along + 1.1, low), (along + 1.1, high), (along, high)]
            found += [np.array([(6.0, t, z) for t, z in edge]),
                      np.array([(t, 6.0, z) for t, z in edge])]  # fmt: skip
        for across in np.arange(-4, 6, 1.6):
            corners = [(0, 0), (1.3, 0), (1.3, 1.3), (0, 1.3)]
            found.append(np.array([(along + a, across + b, 0.0) for a, b in corners]))
    return found


@lru_cache
def bent_picture(coefficient: float) -> np.ndarray:
    """(H, W, 3) uint8 of the quads through a lens: where COLMAP's formulas see each pixel's ray."""
    camera = viewer()
    focal, large = camera.K[0, 0], 2
    canvas = np.full((2 * large * SIZE[1], 2 * large * SIZE[0]), 200, np.uint8)
    centre = np.array([canvas.shape[1], canvas.shape[0]]) / 2
    for number, quad in enumerate(quads()):
        seen = (quad - camera.position) @ camera.c2w[:3, :3]
        if (seen[:, 2] > 0.2).all():
            uv = seen[:, :2] / seen[:, 2:] * focal * large + centre - 0.5
            if np.abs(uv).max() < 8000:
                cv2.fillPoly(canvas, [np.rint(uv * 16).astype(np.int32)], 40 + number % 5 * 25,
                             cv2.LINE_AA, shift=4)  # fmt: skip
    lens = Lens("SIMPLE_DIVISION", *SIZE, (focal, SIZE[0] / 2, SIZE[1] / 2,
                                           coefficient * (focal / HALF) ** 2))  # fmt: skip
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE)), axis=2) + 0.5
    rays = np.asarray(lens.colmap().cam_from_img(grid.reshape(-1, 2)))
    at = (rays.reshape(SIZE[1], SIZE[0], 2) * focal * large + centre - 0.5).astype(np.float32)
    soft = cv2.GaussianBlur(canvas, (0, 0), large / 2)
    return np.repeat(cv2.remap(soft, at[..., 0], at[..., 1], cv2.INTER_LINEAR)[..., None], 3, 2)


@pytest.mark.parametrize("true", [-0.12, -0.06, 0.07])
def test_the_coefficient_is_found_and_taken_away(true):
    picture = bent_picture(true)
    found = find_distortion(picture)
    assert found == pytest.approx(true, rel=0.1)
    assert picture.shape == straightened(picture, found)[0].shape
    assert find_distortion(straightened(picture, found)[0]) == 0.0


def test_a_straight_photo_stays_as_it_is():
    picture = bent_picture(0.0)
    assert find_distortion(picture) == 0.0
    rgb, match = straighten_and_match(Photo(picture))
    assert rgb is picture and match.distortion == 0.0


def test_steps_that_are_round_are_no_lens():
    picture = np.full((480, 640, 3), 220, np.uint8)
    for number in range(9):
        cv2.ellipse(picture, (320, -900 + 22 * number), (1300, 1300), 0, 60, 120,
                    (90, 90, 90), 6, cv2.LINE_AA)  # fmt: skip
    assert find_distortion(picture) == 0.0


def test_a_bent_margin_around_a_photo_is_no_lens():
    """As pictures have that were made straight by another program."""
    picture = bent_picture(0.0).copy()
    x, y = (np.linspace(-1, 1, n) for n in SIZE)
    picture[y[:, None] > 0.99 - 0.02 * x**2] = 0
    picture[y[:, None] < -0.99 + 0.02 * x**2] = 0
    picture[np.broadcast_to(np.abs(x) > 0.99 - 0.02 * y[:, None] ** 2, SIZE[::-1])] = 0
    assert find_distortion(picture) == 0.0


def test_noise_and_nothing_are_no_lens():
    assert find_distortion(np.full((120, 160, 3), 90, np.uint8)) == 0.0
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert find_distortion(noise) == 0.0


@pytest.mark.parametrize("coefficient", [-0.2, -0.05, 0.1])
def test_straightened_pixels_are_where_colmaps_lens_puts_them(coefficient):
    y, x = np.mgrid[:90, :120].astype(np.float32)
    ramp = np.stack([x, y, x + y], axis=2).astype(np.uint8)
    made, zoom = straightened(ramp, coefficient)
    half = math.hypot(120, 90) / 2
    lens = Lens("SIMPLE_DIVISION", 120, 90, (half, 60.0, 45.0, coefficient)).colmap()
    for px, py in ((3, 4), (60, 45), (118, 20), (30, 88)):
        ray = np.array([[(px + 0.5 - 60) / (half * zoom), (py + 0.5 - 45) / (half * zoom), 1.0]])
        wanted = np.asarray(lens.img_from_cam(ray))[0] - 0.5
        assert made[py, px, :2] == pytest.approx(wanted, abs=0.6)
        assert (wanted > -1).all() and (wanted < (120, 90)).all(), "nothing beyond the photo"


def test_the_match_of_a_bent_photo(tmp_path: Path):
    camera = viewer()
    picture = bent_picture(-0.12)
    rgb, match = straighten_and_match(Photo(picture))
    zoom = straightened(picture, match.distortion)[1]
    assert match.focal == pytest.approx(camera.K[0, 0] * zoom, rel=0.03)
    assert match.rotation[2] @ camera.c2w[2, :3] > math.cos(math.radians(0.7))
    assert "made straight" in match.notes[0]
    believed = match_photo(picture)
    assert believed.confidence < match.confidence
    assert abs(match.distortion) > LEAST
    Image.fromarray(picture).save(tmp_path / "bent.png")
    built = world_from_photo(tmp_path / "bent.png", 1.6, None, ExactDepth())
    assert np.array_equal(built.world.memory[0].rgb, rgb)
    again = world_from_photo(tmp_path / "bent.png", 1.6, built.camera, ExactDepth(),
                             distortion=match.distortion)  # fmt: skip
    assert np.array_equal(again.world.memory[0].rgb, rgb)
    assert again.world.provenance["distortion"] == built.world.provenance["distortion"]
