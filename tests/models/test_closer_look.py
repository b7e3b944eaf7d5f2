# SPDX-License-Identifier: GPL-3.0-or-later
"""What an estimator sees in parts of a picture is added to what it sees in the whole."""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.closer_look import looked_closer
from backend.shared.camera import Camera, intrinsics, look_at


def viewer(pitch: float) -> Camera:
    place = np.array([0.0, 0.0, 1.6])
    return Camera(
        intrinsics(1.2, 192, 144), look_at(place, place + np.array([0, 1, pitch])), 192, 144
    )


class Coarse:
    """Sees the mean brightness of 8 x 6 fields, and each part darker than it is in the whole."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, rgb: np.ndarray, camera: Camera) -> np.ndarray:
        assert rgb.shape[:2] == (camera.height, camera.width)
        self.seen += 1
        small = cv2.resize(rgb[..., 0].astype(np.float32), (8, 6), interpolation=cv2.INTER_AREA)
        maps = cv2.resize(small, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
        return np.repeat((maps - (192 - camera.width))[..., None], 2, axis=2)


def test_small_things_are_seen_and_the_whole_stays():
    rgb = np.full((144, 192, 3), 50, np.uint8)
    rgb[:, 96:] = 150
    rgb[60:80, 30:42] = 250
    look, camera = Coarse(), viewer(-0.8)
    whole = look(rgb, camera)
    closer = looked_closer(rgb, camera, whole, look)
    assert look.seen > 10
    assert closer[70, 36, 0] > whole[70, 36, 0] + 30  # the small thing
    assert abs(float((closer - whole).mean())) < 3 and abs(closer[120, 170, 0] - 150) < 10


def test_nothing_is_looked_for_above_the_horizon():
    look, camera = Coarse(), viewer(1.5)
    rgb = np.random.default_rng(0).integers(0, 256, (144, 192, 3), dtype=np.uint8)
    whole = look(rgb, camera)
    assert np.allclose(looked_closer(rgb, camera, whole, look), whole, atol=1e-3)
    assert look.seen == 1
