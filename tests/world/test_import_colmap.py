# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from COLMAP models, whole, distorted and damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.data.lenses import Lens
from backend.shared.camera import Camera
from backend.shared.errors import InputError
from backend.world.importers.captures import capture_to_world
from backend.world.importers.colmap import read_colmap
from tests.scenes.grounded_room import FLOOR, ExactDepth, capture, grounded, off_surface
from tests.scenes.world_room import HALF

from .capture_files import through


def colmap_folder(folder: Path, params: list[float], model: str) -> list[Camera]:
    """A COLMAP model of the room, in a gauge of its own: y down and half the size."""
    pycolmap = pytest.importorskip("pycolmap")
    to_colmap = 0.5 * np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    (folder / "images").mkdir(parents=True)
    model_folder = folder / "sparse" / "0"
    model_folder.mkdir(parents=True)
    lines = []
    cameras = [f.camera for f in capture(3)]
    for i, frame in enumerate(capture(3), start=1):
        Image.fromarray(frame.rgb).save(folder / "images" / f"{i}.png")
        c2w = frame.camera.c2w
        turn = (to_colmap / 0.5 @ c2w[:3, :3]).T
        rigid = pycolmap.Rigid3d(pycolmap.Rotation3d(turn), -turn @ to_colmap @ c2w[:3, 3])
        x, y, z, w = rigid.rotation.quat
        numbers = " ".join(repr(float(v)) for v in (w, x, y, z, *rigid.translation))
        seen = " ".join(f"10 10 {n + 1}" for n in range(400)) if i == 1 else ""
        lines.append(f"{i} {numbers} 1 {i}.png\n{seen}\n")
    (model_folder / "images.txt").write_text("".join(lines))
    (model_folder / "cameras.txt").write_text(f"1 {model} 96 72 {' '.join(map(repr, params))}\n")
    rng = np.random.default_rng(0)
    points = []
    for n in range(400):
        face, sign = rng.integers(3), rng.choice([-1, 1])
        xyz = rng.uniform(-HALF, HALF)
        xyz[face] = sign * HALF[face]
        xyz = to_colmap @ (xyz + np.array([0, 0, FLOOR]))
        points.append(f"{n + 1} {xyz[0]} {xyz[1]} {xyz[2]} 120 80 40 0.5 1 {n}\n")
    (model_folder / "points3D.txt").write_text("".join(points))
    return cameras


def test_colmap_models(tmp_path):
    focal = float(capture(1)[0].camera.K[0, 0])
    cameras = colmap_folder(tmp_path, [focal, focal, 48, 36], "PINHOLE")
    world = capture_to_world(tmp_path, ExactDepth()).world
    assert len(world.memory) == 3
    # the gauge: z up, the floor at 0, the cameras' median height 1.6 m instead of 1.5
    scale = 1.6 / 1.5
    for frame, camera in zip(world.memory, cameras, strict=True):
        assert frame.camera.position[2] == pytest.approx(1.5 * scale, rel=0.05)
        assert frame.camera.c2w[2, 2] == pytest.approx(camera.c2w[2, 2], abs=0.12)  # mean up
        assert frame.camera.K[0, 0] == pytest.approx(focal)
    apart = np.linalg.norm(world.memory[0].camera.position - world.memory[2].camera.position)
    wanted = np.linalg.norm(cameras[0].position - cameras[2].position) * scale
    assert apart == pytest.approx(wanted, rel=0.05)


def test_applied_transform_brings_the_models_points_into_the_axes_of_transforms_json(tmp_path):
    cameras = colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    K = cameras[0].K
    frames = [{"file_path": f"images/{n}.png", "transform_matrix": c.c2w_opengl().tolist()}
              for n, c in enumerate(cameras, start=1)]  # fmt: skip
    to_room = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]])  # of `colmap_folder`
    about = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": 48, "cy": 36, "w": 96, "h": 72}
    about |= {"applied_transform": to_room.tolist(), "applied_scale": 2.0, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(about))
    anchors = capture_to_world(tmp_path, ExactDepth()).world.anchors
    points = anchors.xyz[(anchors.rgb == [120, 80, 40]).all(axis=1)]
    assert len(points) > 100 and off_surface(points).max() < 0.01


def test_colmap_lenses_with_distortion_are_undistorted(tmp_path):
    focal = float(capture(1)[0].camera.K[0, 0])
    colmap_folder(tmp_path, [focal, 48, 36, -0.12, 0.02], "RADIAL")
    world = capture_to_world(tmp_path, ExactDepth()).world
    assert len(world.memory) == 3
    # barrel distortion: undistorted pictures have another size or focal length than the originals
    frame = world.memory[0]
    assert (frame.camera.width, frame.camera.height) != (96, 72) or frame.camera.K[0, 0] != focal


def test_colmap_pictures_that_are_missing_or_outside(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    os.remove(tmp_path / "images" / "2.png")
    made = capture_to_world(tmp_path, ExactDepth())
    assert len(made.world.memory) == 2
    assert made.notes[0] == ("1 of the capture's 3 pictures is missing and was left out: '2.png'.")
    text = tmp_path / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace(" 2.png", " ../../2.png"))
    with pytest.raises(InputError, match="outside its folder"):
        capture_to_world(tmp_path, ExactDepth())


def test_a_damaged_colmap_picture_is_left_out_and_named(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    picture = tmp_path / "images" / "2.png"
    picture.write_bytes(picture.read_bytes()[:-200])
    made = capture_to_world(tmp_path, ExactDepth())
    assert [frame.name for frame in made.world.memory] == ["1.png", "3.png"]
    assert made.notes[0] == "1 of the capture's 3 pictures is damaged and was left out: '2.png'."


def test_colmap_pictures_on_another_computer_are_refused_unasked(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    text = tmp_path / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace(" 2.png", r" \\server\share\2.png"))
    with pytest.raises(InputError, match="outside its folder"):
        capture_to_world(tmp_path, ExactDepth())


def test_colmap_models_that_name_a_picture_twice(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    text = tmp_path / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace(" 2.png", " 1.png"))
    with pytest.raises(InputError, match="twice"):
        capture_to_world(tmp_path, ExactDepth())


@pytest.mark.parametrize(
    ("name", "at"),
    [("cameras.bin", 0), ("images.bin", 0), ("points3D.bin", 0),
     ("images.bin", 8 + 64 + len("1.png") + 1), ("points3D.bin", 8 + 43)],
)  # fmt: skip
def test_colmap_models_that_claim_more_than_they_hold(tmp_path, name, at):
    pycolmap = pytest.importorskip("pycolmap")
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    place = tmp_path / "sparse" / "0"
    pycolmap.Reconstruction(str(place)).write_binary(str(place))
    for text in place.glob("*.txt"):
        text.unlink()
    assert len(read_colmap(tmp_path)[0].views) == 3
    whole = (place / name).read_bytes()
    (place / name).write_bytes(whole[:at] + (2**40).to_bytes(8, "little") + whole[at + 8 :])
    with pytest.raises(InputError, match=f"'{name}' is shorter than it says"):
        capture_to_world(tmp_path, ExactDepth())


def test_damaged_colmap_models(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    (tmp_path / "sparse" / "0" / "cameras.txt").write_text("1 BANANA 96 72 80\n")
    with pytest.raises(InputError, match="COLMAP model"):
        capture_to_world(tmp_path, ExactDepth())


@pytest.mark.parametrize("ending", [".txt", ".bin"])
@pytest.mark.parametrize("file", ["cameras", "images", "points3D"])
def test_colmap_models_cut_off_anywhere(tmp_path, file, ending):
    """Whole, or refused in one sentence: never a reader that goes on for ever."""
    pycolmap = pytest.importorskip("pycolmap")
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    place = tmp_path / "sparse" / "0"
    if ending == ".bin":
        pycolmap.Reconstruction(str(place)).write_binary(str(place))
        for text in place.glob("*.txt"):
            text.unlink()
    whole = (place / f"{file}{ending}").read_bytes()
    (place / f"{file}{ending}").write_bytes(whole[: len(whole) * 3 // 5])
    with pytest.raises(InputError) as caught:
        capture_to_world(tmp_path, ExactDepth())
    assert "\n" not in str(caught.value) and "COLMAP" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_colmap_numbers_that_are_not_finite(tmp_path, value):
    pycolmap = pytest.importorskip("pycolmap")
    focal = float(capture(1)[0].camera.K[0, 0])
    colmap_folder(tmp_path, [focal, 48, 36, -0.1], "SIMPLE_RADIAL")
    place = tmp_path / "sparse" / "0"
    model = pycolmap.Reconstruction(str(place))
    for text in place.glob("*.txt"):
        text.unlink()
    model.points3D[5].xyz = np.array([value, 0, 0])
    model.write_binary(str(place))
    assert np.isfinite(read_colmap(tmp_path)[1].xyz).all()
    model.cameras[1].params = [focal, 48, 36, value]
    model.write_binary(str(place))
    with pytest.raises(InputError, match="not finite"):
        capture_to_world(tmp_path, ExactDepth())


def test_colmap_in_nerfstudios_folder_with_scaled_pictures(tmp_path):
    focal = float(capture(1)[0].camera.K[0, 0])
    cameras = colmap_folder(tmp_path, [2 * focal, 2 * focal, 96, 72], "PINHOLE")
    place = tmp_path / "sparse" / "0" / "cameras.txt"
    place.write_text(place.read_text().replace("96 72", "192 144", 1))
    (tmp_path / "colmap").mkdir()
    (tmp_path / "sparse").rename(tmp_path / "colmap" / "sparse")
    (tmp_path / "images").rename(tmp_path / "images_2")
    world = capture_to_world(tmp_path, ExactDepth()).world
    assert pytest.approx(cameras[0].K) == world.memory[0].camera.K


def test_colmap_fisheyes_and_turned_pictures(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    cameras = colmap_folder(tmp_path, [60, 48, 36, 0.01], "SIMPLE_RADIAL_FISHEYE")
    lens = Lens("SIMPLE_RADIAL_FISHEYE", 96, 72, (60, 48, 36, 0.01))
    for number, camera in enumerate(cameras, start=1):
        Image.fromarray(through(lens, camera.c2w)[0]).save(
            tmp_path / "images" / f"{number}.png", exif=exif
        )
    world = capture_to_world(tmp_path, ExactDepth()).world
    for frame, camera in zip(world.memory, cameras, strict=True):
        truth = grounded(
            Camera(frame.camera.K, camera.c2w, frame.camera.width, frame.camera.height)
        )
        assert np.abs(truth[0].astype(float) - frame.rgb).mean() < 6
