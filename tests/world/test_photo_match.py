# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera matches against cameras that are known."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.data.lines import detect_segments
from backend.shared.camera import Camera, intrinsics
from backend.shared.camera import facing as rotation_facing
from backend.shared.camera_match import level_match, solve_axes
from backend.shared.errors import InputError
from backend.shared.fspy import read_fspy
from backend.world.photo.vanishing import match_photo, match_segments

SIZE = (1200, 800)


def facing(yaw: float, pitch: float, roll: float, fov: float) -> Camera:
    c2w = np.eye(4)
    c2w[:3, :3] = rotation_facing(yaw, pitch, roll)
    return Camera(intrinsics(fov, *SIZE), c2w, *SIZE)


def lines_along(camera: Camera, axis: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 4) pixels: edges of the scene along a world axis, inside the picture."""
    found = []
    while len(found) < count:
        start = rng.uniform(-5, 5, 3) + 6 * camera.c2w[:3, 2]
        end = start.copy()
        end[axis] += rng.uniform(0.8, 2.5)
        uv, z = camera.project(np.stack([start, end]))
        long = np.linalg.norm(uv[1] - uv[0]) > 30
        if (z > 0.3).all() and (uv > 0).all() and (uv < SIZE).all() and long:
            found.append(uv.ravel())
    return np.array(found)


def tilt_between(rotation: np.ndarray, camera: Camera) -> float:
    """Degrees between the two ups."""
    return math.degrees(math.acos(min(1.0, float(rotation[2] @ camera.c2w[2, :3]))))


@settings(max_examples=25, deadline=None)
@given(
    yaw=st.floats(0.35, 1.2), pitch=st.floats(-0.4, 0.3), roll=st.floats(-0.1, 0.1),
    fov=st.floats(0.7, 1.5), seed=st.integers(0, 1000),
)  # fmt: skip
def test_drawn_lines_of_two_axes_give_the_camera(yaw, pitch, roll, fov, seed):
    camera = facing(yaw, pitch, roll, fov)
    rng = np.random.default_rng(seed)
    match = solve_axes({"x": lines_along(camera, 0, 3, rng), "y": lines_along(camera, 1, 3, rng)},
                       *SIZE)  # fmt: skip
    assert match.focal == pytest.approx(camera.K[0, 0], rel=1e-6)
    assert match.focal_known
    assert tilt_between(match.rotation, camera) < 1e-4
    # x and y are known up to a half turn about z
    assert np.abs(match.rotation[:2, 2]) == pytest.approx(np.abs(camera.c2w[:2, 2]), abs=1e-6)
    assert np.linalg.det(match.rotation) == pytest.approx(1)


def test_three_axes_give_the_principal_point_of_a_cropped_photo():
    camera = facing(0.7, 0.25, 0.05, 1.1)
    rng = np.random.default_rng(3)
    lines = {name: lines_along(camera, i, 3, rng) for i, name in enumerate("xyz")}
    moved = {name: value - [100, 60, 100, 60] for name, value in lines.items()}
    match = solve_axes(moved, 1000, 680, free_principal=True)
    assert match.principal == pytest.approx([500, 340], abs=0.05)
    assert match.focal == pytest.approx(camera.K[0, 0], rel=1e-4)


def test_one_axis_keeps_the_horizon_level_and_needs_a_focal_length():
    camera = facing(0.5, -0.2, 0.0, 1.0)
    lines = {"y": lines_along(camera, 1, 3, np.random.default_rng(0))}
    match = solve_axes(lines, *SIZE, focal=float(camera.K[0, 0]))
    assert match.focal_known
    assert abs(match.rotation[1, 2]) == pytest.approx(abs(camera.c2w[1, 2]), abs=1e-6)
    guessed = solve_axes(lines, *SIZE)
    assert not guessed.focal_known
    assert guessed.notes == ["The lines do not fix the focal length; type it in."]


def test_verticals_alone_give_the_tilt():
    camera = facing(0.0, 0.3, 0.0, 1.0)
    lines = {"z": lines_along(camera, 2, 4, np.random.default_rng(0))}
    match = solve_axes(lines, *SIZE, focal=float(camera.K[0, 0]))
    assert match.pitch == pytest.approx(0.3, abs=1e-6)


def test_lines_that_no_camera_sees_at_right_angles():
    toward_one_point = np.array([[0, 0, 600, 300], [0, 700, 600, 410]])
    nearly_the_same = toward_one_point + np.array([0, 5, 0, 6])
    with pytest.raises(InputError, match="right angles"):
        solve_axes({"x": toward_one_point, "y": nearly_the_same}, *SIZE)


def test_too_few_drawn_lines():
    with pytest.raises(InputError, match="at least two lines"):
        solve_axes({"x": np.zeros((1, 4))}, *SIZE)


def noisy_segments(camera: Camera, rng: np.random.Generator) -> np.ndarray:
    good = np.concatenate([lines_along(camera, axis, 45, rng) for axis in range(3)])
    start = rng.uniform(0, 1, (50, 2)) * SIZE
    clutter = np.concatenate([start, start + rng.normal(0, 60, (50, 2))], axis=1)
    return np.concatenate([good + rng.normal(0, 0.7, good.shape), clutter])


def test_segments_among_clutter_median_of_many_cameras():
    rng = np.random.default_rng(5)
    focal, tilt = [], []
    for _ in range(12):
        camera = facing(rng.uniform(0, 1.5), rng.normal(-0.05, 0.12), rng.normal(0, 0.03),
                        rng.uniform(0.8, 1.4))  # fmt: skip
        match = match_segments(noisy_segments(camera, rng), *SIZE)
        focal.append(abs(match.focal / camera.K[0, 0] - 1))
        tilt.append(tilt_between(match.rotation, camera))
    assert np.median(focal) < 0.05
    assert np.median(tilt) < 2.0


def test_random_segments_are_not_believed():
    rng = np.random.default_rng(2)
    start = rng.uniform(0, 1, (200, 2)) * SIZE
    angle = rng.uniform(0, np.pi, 200)
    ends = start + 60 * np.stack([np.cos(angle), np.sin(angle)], 1)
    match = match_segments(np.concatenate([start, ends], 1), *SIZE)
    assert match.confidence == 0.0 and not match.focal_known
    assert match.pitch == 0.0
    assert "do not agree" in match.notes[0]


def test_no_lines_at_all():
    match = match_photo(np.full((120, 160, 3), 90, np.uint8))
    assert match.confidence == 0.0
    assert "Too few straight lines" in match.notes[0]
    assert match.camera(1.6).position.tolist() == [0, 0, 1.6]


def test_exif_decides_where_lines_do_not():
    match = level_match(3000, 2000, 24.0, [])
    # 24 mm on 36 x 24 mm film sees 73.7 degrees across
    assert 2 * math.degrees(math.atan(1500 / match.focal)) == pytest.approx(73.7, abs=0.1)
    assert match.focal_known


def test_detected_segments_lie_where_lines_were_drawn():
    picture = np.full((400, 600, 3), 255, np.uint8)
    picture[100:300, 200:400] = 20
    segments = detect_segments(picture)
    horizontal = segments[np.abs(segments[:, 3] - segments[:, 1]) < 2]
    assert len(segments) >= 4
    assert np.abs(horizontal[:, 1] - 100).min() < 1.0


def fspy_bytes(parameters: object, image: bytes = b"jpeg", version: int = 1) -> bytes:
    state = json.dumps({"cameraParameters": parameters}).encode()
    return struct.pack("<4sIII", b"fspy", version, len(state), len(image)) + state + image


def fspy_parameters(camera: Camera) -> dict[str, object]:
    half = max(SIZE) / 2
    return {
        "principalPoint": {"x": (camera.K[0, 2] - SIZE[0] / 2) / half,
                           "y": (SIZE[1] / 2 - camera.K[1, 2]) / half},
        "horizontalFieldOfView": 2 * math.atan(SIZE[0] / 2 / camera.K[0, 0]),
        "cameraTransform": {"rows": camera.c2w_opengl().tolist()},
        "imageWidth": SIZE[0],
        "imageHeight": SIZE[1],
    }  # fmt: skip


def test_fspy_projects(tmp_path):
    camera = facing(0.4, -0.1, 0.02, 1.0)
    K = camera.K.copy()
    K[:2, 2] += [30, -20]
    camera = Camera(K, camera.c2w, *SIZE)
    (tmp_path / "a.fspy").write_bytes(fspy_bytes(fspy_parameters(camera)))
    project = read_fspy(tmp_path / "a.fspy")
    assert pytest.approx(camera.K) == project.camera.K
    assert project.camera.c2w == pytest.approx(camera.c2w)
    assert project.image == b"jpeg"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an fSpy project"),
        (b"fsp", "not an fSpy project"),
        (fspy_bytes(None), "no solved camera"),
        (fspy_bytes({"imageWidth": 3}), "no solved camera"),
        (fspy_bytes({}, version=2), "version 2"),
        (fspy_bytes({})[:-2], "cut off"),
        (struct.pack("<4sIII", b"fspy", 1, 2**31, 0), "cut off"),
        (struct.pack("<4sIII", b"fspy", 1, 2, 0) + b"\xff\xfe", "no solved camera"),
    ],
)
def test_damaged_fspy_projects(tmp_path, data, said):
    (tmp_path / "a.fspy").write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_fspy(tmp_path / "a.fspy")
