# SPDX-License-Identifier: GPL-3.0-or-later
"""The first ten minutes of somebody who never saw WorldFM, with Blender's default overlays."""

from __future__ import annotations

import numpy as np
from PIL import Image


def test_a_newcomer_is_led_from_the_default_cube_to_the_demo(stage, tmp_path):
    found = stage.play("newcomer", film=str(tmp_path / "film.mp4"))
    steps = ["engine", "backend", "memory", "path", "camera", "film", "memory"]
    assert found["asked"] == steps
    assert (tmp_path / "film.mp4").stat().st_size > 1000
    assert found["scenes"] == ["Scene", "WorldFM Demo"] and found["mine"]
    assert "Traceback" not in found["log"]


def test_a_photo_is_seen_at_once_with_default_overlays(stage, tmp_path):
    from tests.scenes.world_room import photograph, room_camera

    view = room_camera((0, -3, 0.2), (0, 1, -0.2), (480, 320), 1.0)
    Image.fromarray(photograph(view).rgb).save(tmp_path / "photo.png")
    found = stage.play("photo", photo=str(tmp_path / "photo.png"))
    assert found["looks"] == ["WORLDFM", "RENDERED", True] and found["perspective"] == "CAMERA"
    assert "Cube" not in found["objects"] and "photo Points" in found["objects"]
    assert any(name.startswith("Kept") for name in found["objects"])
    _, highest, _, lowest = found["portrait"]
    assert found["viewport"][1] <= highest < lowest - 300, "a portrait is cut off"
    assert lowest <= found["viewport"][3], "a portrait is cut off"
    left, top, right, bottom = (round(v) for v in found["place"])
    screen = np.asarray(Image.open(found["frame"]).convert("RGB"))
    inner = screen[top + 8 : bottom - 8, left + 8 : right - 8]
    truth = Image.open(tmp_path / "photo.png").resize((right - left, bottom - top))
    truth = np.asarray(truth)[8:-8, 8:-8][: inner.shape[0], : inner.shape[1]]
    off = np.abs(inner.astype(int) - truth).mean(axis=-1)
    assert np.median(off) < 25, "the camera's view is not the photo, seen by AgX"
    # the floor's grid is drawn over every engine's picture: lines, not a cloud of dots
    assert (inner.max(axis=-1) < 8).mean() < 0.02 + (truth.max(axis=-1) < 8).mean()
    assert "Traceback" not in found["log"]
