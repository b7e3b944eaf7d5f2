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
from backend.world.importers.capture_axes import level_turn
from backend.world.importers.captures import capture_to_world
from backend.world.importers.colmap import read_colmap
from backend.world.importers.gauge import upright_turn
from backend.world.importers.reconstruct import (
    expected_focal,
    reconstruct,
    taken_with,
    unread_notes,
    usable_pictures,
)
from tests.scenes.grounded_room import ExactDepth
from tests.scenes.world_room import trace
from tests.world.test_photo_distortion import bent_picture, viewer


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


def test_photos_whose_copy_was_broken_off(tmp_path):
    walk(tmp_path / "photos", 4)

    def cut(number: int) -> None:
        picture = tmp_path / "photos" / f"{number}.png"
        picture.write_bytes(picture.read_bytes()[:500])

    cut(1)
    cut(2)
    names, notes = usable_pictures(tmp_path / "photos")
    assert names == ["0.png", "3.png"]
    assert notes == [
        "2 of the folder's 4 pictures are damaged and were left out: '1.png', '2.png'."
    ]
    cut(3)
    with pytest.raises(InputError, match="too few whole pictures: 3 of the folder's 4"):
        reconstruct(tmp_path / "photos", tmp_path / "work")


def test_photos_that_show_different_places(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        noise = cv2.resize(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8), (160, 120))
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match=r"could not be joined|could not use"):
        capture_to_world(tmp_path, ExactDepth())


def test_too_few_photos_and_stopping(tmp_path):
    (tmp_path / "work").mkdir()
    walk(tmp_path / "photos", 1)
    with pytest.raises(InputError, match="has a single picture; at least 2"):
        reconstruct(tmp_path / "photos", tmp_path / "work")
    walk(tmp_path / "photos", 3)

    def stop(part: float, text: str) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        reconstruct(tmp_path / "photos", tmp_path / "work", stop)


def corner(folder, count: int) -> list[Camera]:
    """Photos of a corner of a room laid with tiles of random grey, by someone who looks down."""
    rng = np.random.default_rng(3)
    tiles = rng.integers(30, 230, (3, 400, 400)).astype(np.float32)
    folder.mkdir()
    cameras = []
    for i in range(count):
        size = (480, 360)
        place = np.array([0.5 * i, -0.5 * i, 1.6])
        aim = np.array([3.4, 3.4 - 0.2 * i, 0.4])
        camera = Camera(intrinsics(1.0, *size), look_at(place, aim), *size)
        rays = camera.resized(2 * size[0], 2 * size[1]).rays().astype(np.float64)
        nearest = np.full(rays.shape[:2], np.inf)
        shade = np.zeros(rays.shape[:2], np.float32)
        for plane, (axis, level) in enumerate(((0, 4.0), (1, 4.0), (2, 0.0))):
            t = (level - place[axis]) / rays[..., axis]
            at = np.floor((place + t[..., None] * rays) / 0.16).astype(int) % 400
            u, v = (at[..., k] for k in range(3) if k != axis)
            seen = (t > 0) & (t < nearest)
            shade[seen], nearest[seen] = tiles[plane][u, v][seen], t[seen]
        grey = cv2.resize(shade, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(folder / f"{i}.png")
        cameras.append(camera)
    return cameras


@pytest.mark.parametrize("count", [2])
def test_a_few_photos_are_enough_and_stand_level(tmp_path, count):
    (tmp_path / "work").mkdir()
    cameras = corner(tmp_path / "photos", count)
    model, notes = reconstruct(tmp_path / "photos", tmp_path / "work")
    capture, points = read_colmap(tmp_path / "photos", model)
    assert not notes and len(capture.views) == count and len(points.xyz) > 100
    lens = capture.views[0].lens
    assert lens.params[0] == pytest.approx(cameras[0].K[0, 0], rel=0.1)
    assert {view.lens for view in capture.views} == {lens}, "one lens took all"
    turn = level_turn(capture.views)
    guess = upright_turn(np.array([v.c2w for v in capture.views]), np.array([[0.0, -1.0]] * count))
    for view, camera in zip(capture.views, cameras, strict=True):
        true = camera.c2w[:3, :3].T[:, 2]
        tilt, before = ((view.c2w[:3, :3].T @ up[2]) @ true for up in (turn, guess))
        assert tilt > math.cos(math.radians(1.5)) > before


def test_lines_tell_the_focal_length_of_a_bent_lens_too(tmp_path):
    for number, coefficient in enumerate((0.0, -0.12)):
        Image.fromarray(bent_picture(coefficient)).save(tmp_path / f"{number}.png")
    pictures = sorted(tmp_path.iterdir())
    assert expected_focal(pictures) == pytest.approx(viewer().K[0, 0] / 640, rel=0.02)
    assert expected_focal(pictures, lambda: True) is None


def test_pictures_that_exif_tells_apart_have_a_lens_each(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x920A] = 35.0
    picture = Image.new("RGB", (64, 48))
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "b.jpg")
    assert taken_with(tmp_path / "a.jpg") == taken_with(tmp_path / "b.jpg")
    picture.save(tmp_path / "b.jpg", exif=exif)
    assert taken_with(tmp_path / "a.jpg") != taken_with(tmp_path / "b.jpg")


def test_a_folder_of_a_phones_own_pictures_says_what_to_do(tmp_path):
    for number in range(3):
        (tmp_path / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(InputError, match=r"such as 'IMG_0\.HEIC'.*export them as JPEG"):
        capture_to_world(tmp_path)
    assert "3 of the folder's pictures" in unread_notes(tmp_path)[0]
    Image.new("RGB", (64, 64)).save(tmp_path / "one.jpg")
    with pytest.raises(InputError, match=r"a single picture that can be read.*export them as JPEG"):
        capture_to_world(tmp_path)
