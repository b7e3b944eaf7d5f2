# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures as programs and phones write them: each comes in with the right picture everywhere."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from backend.data.lenses import Lens
from backend.shared.errors import InputError
from backend.world.exporters import export_transforms
from backend.world.importers.captures import capture_to_world
from backend.world.importers.ply import read_ply
from backend.world.origin import recall
from tests.scenes.grounded_room import ExactDepth, grounded

from .capture_files import edit, off, room_cameras, through, write_transforms

RIGHT = 6.0
"""Levels of 255 by which a right import differs from the truth at most (mean)."""
ORIENTATION = 0x0112


def imported(folder):
    world = capture_to_world(folder, ExactDepth()).world
    assert all(off(frame) < RIGHT for frame in world.memory), [off(f) for f in world.memory]
    return world


def focal() -> float:
    return float(room_cameras()[0].K[0, 0])


@pytest.mark.parametrize(
    ("lens", "header"),
    [
        (Lens("OPENCV", 96, 72, (70, 70, 48, 36, -0.15, 0.02, 0.001, -0.002)),
         {"k1": -0.15, "k2": 0.02, "p1": 0.001, "p2": -0.002}),
        (Lens("FULL_OPENCV", 96, 72, (70, 70, 48, 36, -0.15, 0, 0, 0, 0.01, 0, 0, 0)),
         {"k1": -0.15, "k3": 0.01}),
        (Lens("OPENCV_FISHEYE", 96, 72, (55, 55, 48, 36, 0, 0, 0, 0)), {"is_fisheye": True}),
        (Lens("OPENCV_FISHEYE", 96, 72, (55, 55, 48, 36, 0.02, -0.01, 0, 0)),
         {"camera_model": "OPENCV_FISHEYE", "k1": 0.02, "k2": -0.01}),
        (Lens("THIN_PRISM_FISHEYE", 96, 72, (55, 55, 48, 36, 0.02, 0, 0.01, 0, 0, 0, 0.02, 0)),
         {"camera_model": "THIN_PRISM_FISHEYE", "k1": 0.02, "p1": 0.01, "sx1": 0.02}),
    ],
)  # fmt: skip
def test_lenses_are_made_straight(tmp_path, lens, header):
    f = lens.params[0]
    write_transforms(tmp_path, header | {"fl_x": f, "fl_y": f, "cx": 48, "cy": 36}, lens)
    assert off(imported(tmp_path).memory[0]) > 0  # interpolated, so the lens was not ignored


def test_angles_stand_for_focal_lengths(tmp_path):
    K = room_cameras()[0].K
    angles = {
        "camera_angle_x": 2 * np.arctan(48 / K[0, 0]),
        "camera_angle_y": 2 * np.arctan(36 / K[1, 1]),
    }
    bare = dict.fromkeys(("fl_x", "fl_y", "cx", "cy", "w", "h"))
    write_transforms(tmp_path, bare | angles)
    assert pytest.approx(K) == imported(tmp_path).memory[0].camera.K
    edit(tmp_path, lambda t: t.pop("camera_angle_x"))
    assert pytest.approx(K) == imported(tmp_path).memory[0].camera.K


def test_each_frame_may_have_its_own_lens_and_size(tmp_path):
    cameras = write_transforms(tmp_path, dict.fromkeys(("fl_x", "fl_y", "cx", "cy", "w", "h")))
    small = cameras[1].resized(64, 48)
    Image.fromarray(grounded(small)[0]).save(tmp_path / "images" / "1.png")

    def own(about):
        for entry, camera in zip(about["frames"], (cameras[0], small, cameras[2]), strict=True):
            entry |= {"fl_x": camera.K[0, 0], "fl_y": camera.K[1, 1]}
            entry |= {"w": camera.width, "h": camera.height}
            entry |= {"cx": camera.width / 2, "cy": camera.height / 2}

    edit(tmp_path, own)
    world = imported(tmp_path)
    assert [f.camera.width for f in world.memory] == [96, 64, 96]


def test_pictures_scaled_after_alignment_scale_their_lens(tmp_path):
    lens = Lens("OPENCV", 96, 72, (70, 70, 48, 36, -0.15, 0.0, 0, 0))
    header = {"fl_x": 140, "fl_y": 140, "cx": 96, "cy": 72, "w": 192, "h": 144, "k1": -0.15}
    write_transforms(tmp_path, header, lens)
    assert imported(tmp_path).memory[0].camera.K[0, 0] == pytest.approx(70)


@pytest.mark.parametrize(
    "listed",
    [
        "images/{}",
        "./images/{}",
        "images\\{}.png",
        "C:\\scans\\room\\images\\{}.png",
        "/home/me/room/images/{}.png",
        "images/{}.JPG",
    ],
)
def test_names_as_other_systems_write_them(tmp_path, listed):
    write_transforms(tmp_path, {}, listed=listed)
    imported(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path, encoding):
    write_transforms(tmp_path, {})
    path = tmp_path / "transforms.json"
    path.write_text(path.read_text(), encoding=encoding)
    imported(tmp_path)


def test_the_training_part_alone(tmp_path):
    write_transforms(tmp_path, {}, file="transforms_train.json")
    imported(tmp_path)


def test_applied_transform_does_not_turn_what_is_in_the_cameras_axes_already(tmp_path):
    turned = [[1, 0, 0, 3.0], [0, 0, 1, 0], [0, -1, 0, 0]]  # nerfstudio's, and moved
    write_transforms(tmp_path, {"applied_transform": turned, "applied_scale": 2.0})
    colmap = tmp_path / "colmap" / "sparse" / "0"
    colmap.mkdir(parents=True)
    (colmap / "cameras.txt").write_text("1 PINHOLE 96 72 70 70 48 36\n")
    (colmap / "images.txt").write_text("1 1 0 0 0 9 9 9 1 images/0.png\n\n")
    (colmap / "points3D.txt").write_text("1 9 9 9 255 0 0 1 1 0\n")
    world = imported(tmp_path)
    points = read_ply(tmp_path / "points.ply")[0].xyz
    near, _ = cKDTree(world.anchors.xyz).query(points)
    assert np.mean(near < 1e-5) > 0.9  # those that pictures look through may go


def test_orientation_tags_never_turn_a_capture(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    write_transforms(tmp_path, {}, name="images/{}.jpg", exif=exif, quality=95)
    imported(tmp_path)


def test_transparent_and_masked_pixels_are_unknown(tmp_path):
    write_transforms(tmp_path, {})
    for number in range(3):
        path = tmp_path / "images" / f"{number}.png"
        rgba = np.dstack([np.array(Image.open(path)), np.full((72, 96), 255, np.uint8)])
        rgba[:, :30] = 0
        Image.fromarray(rgba).save(path)
        mask = np.full((36, 48), 255, np.uint8)
        mask[:10] = 0
        Image.fromarray(mask).save(tmp_path / f"mask_{number}.png")

    def masks(about):
        about.pop("ply_file_path")
        for number, entry in enumerate(about["frames"]):
            entry["mask_path"] = f"mask_{number}.png"
            entry["depth_file_path"] = f"{number}.npy"

    edit(tmp_path, masks)
    for number, camera in enumerate(room_cameras()):
        np.save(tmp_path / f"{number}.npy", grounded(camera)[1])
    world = imported(tmp_path)
    for frame in world.memory:
        assert (frame.depth[:, :30] == 0).all() and (frame.depth[:20] == 0).all()
        assert (frame.depth[24:, 34:] > 0).all()
        assert frame.rgb[40, :30].max() > 20  # the colours around, so that no black bleeds in
    shown = sum(int(np.isfinite(f.depth[f.depth > 0]).sum()) for f in world.memory)
    assert len(world.anchors) == shown


def test_depth_of_a_coarser_sensor(tmp_path):
    cameras = write_transforms(tmp_path, {"integer_depth_scale": 0.0005, "ply_file_path": None})
    for number, camera in enumerate(cameras):
        depth = grounded(camera.resized(48, 36))[1]
        steps = np.where(np.isfinite(depth), depth / 0.0005, 0).astype(np.uint16)
        cv2.imwrite(str(tmp_path / f"{number}.png"), steps)
    edit(tmp_path, lambda t: [f.update(depth_path=f"{n}.png") for n, f in enumerate(t["frames"])])
    world = imported(tmp_path)
    for frame, camera in zip(world.memory, cameras, strict=True):
        truth = grounded(camera)[1]
        solid = np.isfinite(truth) & (frame.depth > 0)
        error = np.abs(np.log(frame.depth[solid] / truth[solid]))
        assert np.median(error) < 0.01
        # between near and far there is nothing: every depth is one of the surfaces around
        low = cv2.erode(np.where(solid, truth, 1e3), np.ones((7, 7)))
        high = cv2.dilate(np.where(solid, truth, 0), np.ones((7, 7)))
        jump = solid & (high > 1.3 * low)
        near = np.minimum(*(np.abs(np.log(frame.depth[jump] / d[jump])) for d in (low, high)))
        assert np.percentile(near, 95) < 0.2


def test_one_missing_picture_is_left_out_and_named(tmp_path):
    write_transforms(tmp_path, {})
    (tmp_path / "images" / "1.png").unlink()
    made = capture_to_world(tmp_path, ExactDepth())
    assert len(made.world.memory) == 2
    assert any("'images/1.png'" in note and "1 of the capture's 3" in note for note in made.notes)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(InputError, match="none of its 3 pictures"):
        capture_to_world(tmp_path, ExactDepth())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "empty"])
def test_one_damaged_picture_is_left_out_and_named(tmp_path, kind):
    """As a copy leaves it that was broken off."""
    write_transforms(tmp_path, {})
    picture = tmp_path / "images" / "1.png"
    if kind == "JPEG":
        Image.open(picture).convert("RGB").save(picture, "JPEG", quality=95)
    whole = picture.read_bytes()
    picture.write_bytes(b"" if kind == "empty" else whole[: len(whole) // 2])
    made = capture_to_world(tmp_path, ExactDepth())
    assert len(made.world.memory) == 2
    named = "1 of the capture's 3 pictures is damaged and was left out: 'images/1.png'."
    assert named in made.notes
    for number in (0, 2):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"all of its pictures that are there \(3\) are damaged"):
        capture_to_world(tmp_path, ExactDepth())


def test_depth_through_a_fisheye_is_straightened_with_its_picture(tmp_path):
    lens = Lens("OPENCV_FISHEYE", 96, 72, (55, 55, 48, 36, 0, 0, 0, 0))
    header = {"fl_x": 55, "fl_y": 55, "cx": 48, "cy": 36, "is_fisheye": True, "ply_file_path": None}
    cameras = write_transforms(tmp_path, header, lens)
    for number, camera in enumerate(cameras):
        np.save(tmp_path / f"{number}.npy", through(lens, camera.c2w)[1])
    edit(
        tmp_path,
        lambda t: [f.update(depth_file_path=f"{n}.npy") for n, f in enumerate(t["frames"])],
    )
    for frame in imported(tmp_path).memory:
        truth = grounded(frame.camera)[1]
        solid = np.isfinite(truth) & np.isfinite(frame.depth) & (frame.depth > 0)
        assert solid.mean() > 0.5
        assert np.median(np.abs(np.log(frame.depth[solid] / truth[solid]))) < 0.01


LENSES_THAT_CANNOT_BE = {
    "not finite": ({"fl_x": float("nan")}, "NaN is no number"),
    "bent beyond reason": ({"k1": 1e30}, "not finite|cannot be"),
    "longer than any": ({"fl_x": 1e8, "fl_y": 1e8}, "cannot be"),
    "huge": ({"w": 10**9, "h": 75 * 10**7}, "which no picture has"),
    "a panorama": ({"camera_model": "EQUIRECTANGULAR"}, "panorama"),
    "instant-ngp's panorama": ({"latlong": True}, "panorama"),
    "parallel rays": ({"camera_model": "ORTHOPHOTO"}, "export perspective pictures"),
    "a lens of another program": ({"camera_model": "FISHEYE624"}, "FISHEYE624"),
    "a lens that nobody knows": ({"camera_model": "FOV"}, "FOV.* not known here"),
    "a car's lens": ({"ftheta_p0": 0.1, "ftheta_p1": 0.2}, "export perspective pictures"),
    "another shape": ({"w": 72, "h": 96}, "another shape"),
    "no number": ({"cx": "middle"}, "incomplete"),
    "no scale": ({"integer_depth_scale": "mm"}, "depth scale"),
}


@pytest.mark.parametrize("fault", LENSES_THAT_CANNOT_BE)
def test_lenses_that_cannot_be(tmp_path, fault):
    header, words = LENSES_THAT_CANNOT_BE[fault]
    write_transforms(tmp_path, header)
    with pytest.raises(InputError, match=words) as caught:
        capture_to_world(tmp_path, ExactDepth())
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_captures_in_coordinates_of_a_map(tmp_path):
    far = np.array([432_100.37, 5_412_345.21, 340.5])
    write_transforms(tmp_path, {"ply_file_path": None})

    def away(about):
        for number, entry in enumerate(about["frames"]):
            matrix = np.array(entry["transform_matrix"])
            matrix[:3, 3] += far
            entry |= {"transform_matrix": matrix.tolist(), "depth_file_path": f"{number}.npy"}

    edit(tmp_path, away)
    for number, camera in enumerate(room_cameras()):
        np.save(tmp_path / f"{number}.npy", grounded(camera)[1])
    world = capture_to_world(tmp_path, ExactDepth()).world
    origin = recall(world.provenance)
    for frame, camera in zip(world.memory, room_cameras(), strict=True):
        assert frame.camera.position + origin == pytest.approx(camera.position + far, abs=1e-6)
    export_transforms(world.memory, tmp_path / "out", origin)
    back = np.array(json.loads((tmp_path / "out" / "transforms.json").read_text())["frames"][0][
        "transform_matrix"])  # fmt: skip
    assert back[:3, 3] == pytest.approx(room_cameras()[0].position + far, abs=1e-6)
