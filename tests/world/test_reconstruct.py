# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of photos without cameras."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import Cancelled, InputError
from backend.shared.trust import recorded
from backend.world.importers.captures import capture_to_world
from backend.world.importers.reconstruct import reconstruct
from tests.scenes.grounded_room import ExactDepth
from tests.scenes.world_room import trace


def walk(folder, count: int = 6) -> list[Camera]:
    """Photos of the room with sharp marks on its walls, which features can be found on."""
    rng = np.random.default_rng(0)
    cameras = []
    folder.mkdir(exist_ok=True)
    marks = rng.uniform([-2.9, 3.99, -1.4], [2.9, 3.99, 1.4], (260, 3))
    marks = np.concatenate([marks, rng.uniform([-2.9, -1, -1.49], [2.9, 3.9, -1.49], (260, 3))])
    shades = rng.integers(0, 255, (len(marks), 3))
    for i in range(count):
        size = (360, 270)
        place = np.array([0.35 * (i - count / 2), -2.8 + 0.1 * i, 0.3])
        camera = Camera(intrinsics(1.1, *size), look_at(place, np.array([0, 2.5, -0.4])), *size)
        rgb, depth = trace(camera)
        uv, z = camera.project(marks)
        for (u, v), d, shade in zip(uv, z, shades, strict=True):
            x, y = int(u), int(v)
            if 0 <= x < size[0] and 0 <= y < size[1] and d < depth[y, x] * 1.02:
                side = max(1, round(11 / d))
                color = tuple(int(c) for c in shade)
                cv2.rectangle(rgb, (x - side, y - side), (x + side, y + side // 2), color, -1)
        Image.fromarray(rgb).save(folder / f"{i}.png")
        cameras.append(camera)
    return cameras


def test_photos_alone_become_a_world(tmp_path):
    cameras = walk(tmp_path / "photos")
    told = []
    made = capture_to_world(
        tmp_path / "photos", ExactDepth(), lambda part, text: told.append((part, text))
    )
    assert len(made.world.memory) >= 5
    found = np.array([f.camera.position for f in made.world.memory])
    true = np.array([c.position for c in cameras])[: len(found)]
    apart = np.linalg.norm(np.diff(found, axis=0), axis=1)
    wanted = np.linalg.norm(np.diff(true, axis=0), axis=1)
    ratio = apart / wanted
    # the same walk, at another scale; COLMAP's threads place a picture of it otherwise at times
    assert np.median(np.abs(ratio / np.median(ratio) - 1)) < 0.1
    assert any("features" in text for _, text in told)
    assert recorded(made.world.provenance) is not None, "how far depth can be trusted"
    parts = [part for part, _ in told]
    assert parts == sorted(parts) and math.isclose(parts[-1], 1.0)


def test_photos_that_show_different_places(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        noise = cv2.resize(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8), (160, 120))
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match=r"could not be joined|could not use"):
        capture_to_world(tmp_path, ExactDepth())


def test_too_few_photos_and_stopping(tmp_path):
    (tmp_path / "work").mkdir()
    walk(tmp_path / "photos", 2)
    with pytest.raises(InputError, match="has 2 pictures; at least 3"):
        reconstruct(tmp_path / "photos", tmp_path / "work")
    walk(tmp_path / "photos", 3)

    def stop(part: float, text: str) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        reconstruct(tmp_path / "photos", tmp_path / "work", stop)
