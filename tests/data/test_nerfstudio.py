# SPDX-License-Identifier: GPL-3.0-or-later
"""The nerfstudio layout: round trip, conventions, and every fault a user can meet."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.data.nerfstudio import PosedFrame, read_dataset, write_dataset
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError


def frames(count: int = 3, depth: bool = True, fov: float = 1.0) -> list[PosedFrame]:
    rng = np.random.default_rng(5)
    out = []
    for i in range(count):
        camera = Camera(
            intrinsics(fov + 0.1 * i, 12, 8), look_at(rng.normal(size=3), np.ones(3) * 4), 12, 8
        )
        rgb = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        z = rng.uniform(0.5, 9, (8, 12)).astype(np.float32)
        z[0], z[1] = np.inf, 0
        out.append(PosedFrame(camera, rgb, z if depth else None, f"{i:04d}"))
    return out


def test_round_trip_is_exact(tmp_path: Path) -> None:
    written = frames()
    write_dataset(tmp_path / "set", written)
    read = read_dataset(tmp_path / "set")
    assert [f.name for f in read] == [f"images/{f.name}" for f in written]
    for a, b in zip(written, read, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
        np.testing.assert_array_equal(a.depth, b.depth)
        np.testing.assert_allclose(a.camera.K, b.camera.K, rtol=1e-15)
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-15)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.floats(-5, 5)] * 3), st.floats(0.3, 2.0))
def test_file_holds_an_opengl_camera(
    tmp_path_factory: pytest.TempPathFactory, position: tuple[float, ...], fov: float
) -> None:
    """A point ahead of the camera has negative z in the axes of the file's matrix."""
    folder = tmp_path_factory.mktemp("gl") / "set"
    camera = Camera(intrinsics(fov, 6, 4), look_at(np.array(position), np.array([9, 8, 7.0])), 6, 4)
    rgb = np.zeros((4, 6, 3), np.uint8)
    write_dataset(folder, [PosedFrame(camera, rgb, None, "a")])
    matrix = np.array(
        json.loads((folder / "transforms.json").read_text())["frames"][0]["transform_matrix"]
    )
    local = np.linalg.inv(matrix) @ np.array([9, 8, 7, 1.0])
    assert local[2] < 0 and abs(local[0]) < 1e-6 and abs(local[1]) < 1e-6
    np.testing.assert_allclose(read_dataset(folder)[0].camera.c2w, camera.c2w, atol=1e-12)


def test_millimetre_png_and_nan(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames(2))
    png = np.full((8, 12), 1500, np.uint16)
    png[0, 0], png[0, 1] = 65535, 0
    cv2.imwrite(str(tmp_path / "set/depth/0000.png"), png)
    edit(tmp_path / "set", lambda t: t["frames"][0].update(depth_file_path="depth/0000.png"))
    bad = np.full((8, 12), np.nan, np.float32)
    np.save(tmp_path / "set/depth/0001.npy", bad)
    first, second = read_dataset(tmp_path / "set")
    assert np.isinf(first.depth[0, 0]) and first.depth[0, 1] == 0
    assert first.depth[4, 4] == np.float32(1.5)
    assert (second.depth == 0).all()


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    header = json.loads((folder / "transforms.json").read_text())
    change(header)
    (folder / "transforms.json").write_text(json.dumps(header))


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "empty": (lambda t: t.update(frames=[]), "no frames"),
    "no list": (lambda t: t.pop("frames"), "no list of frames"),
    "missing picture": (lambda t: t["frames"][0].update(file_path="images/x.png"), "missing"),
    "duplicate": (lambda t: t["frames"].append(t["frames"][0]), "twice"),
    "leaves": (lambda t: t["frames"][0].update(file_path="../secret.png"), "outside its folder"),
    "absolute": (lambda t: t["frames"][0].update(file_path="/etc/passwd"), "outside its folder"),
    "long name": (lambda t: t["frames"][0].update(file_path="a" * 5000), "cannot be one"),
    "depth leaves": (lambda t: t["frames"][0].update(depth_file_path="../d.npy"), "outside"),
    "depth missing": (lambda t: t["frames"][0].update(depth_file_path="d.npy"), "missing"),
    "no matrix": (lambda t: t["frames"][0].pop("transform_matrix"), "incomplete"),
    "scaled": (
        lambda t: t["frames"][0].update(transform_matrix=(2 * np.eye(4)).tolist()),
        "cannot be used",
    ),
    "no focal": (lambda t: [f.pop("fl_x") for f in t["frames"]], "fl_x"),
    "size": (lambda t: t.update(w=99), "99"),
    "distorted": (lambda t: t.update(camera_model="OPENCV", k4=0.1), "undistort"),
    "nameless": (lambda t: t["frames"][0].pop("file_path"), "file_path"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_sentence(tmp_path: Path, fault: str) -> None:
    change, words = FAULTS[fault]
    write_dataset(tmp_path / "set", frames())
    (tmp_path / "secret.png").write_bytes(b"x")
    edit(tmp_path / "set", change)
    with pytest.raises(InputError, match=words) as caught:
        read_dataset(tmp_path / "set")
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("shape", [(0, 32), (24, 0), (0, 0), (24, 32, 0), (24,), ()])
def test_depth_without_pixels_is_one_sentence(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_dataset(tmp_path / "set", frames())
    np.save(tmp_path / "set/depth/0000.npy", np.ones(shape, np.float32))
    with pytest.raises(InputError, match="one number a pixel"):
        read_dataset(tmp_path / "set")


def test_depth_of_more_pixels_than_any_picture_is_not_read(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames())
    hollow = tmp_path / "set/depth/0000.npy"  # a file that is one hole
    np.lib.format.open_memmap(hollow, "w+", np.float64, (20_000, 20_000))
    with pytest.raises(InputError, match="broken"):
        read_dataset(tmp_path / "set")


def test_no_folder_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no transforms\.json"):
        read_dataset(tmp_path)
    write_dataset(tmp_path / "set", frames())
    (tmp_path / "set/depth/0001.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="broken"):
        read_dataset(tmp_path / "set")
    (tmp_path / "set/images/0000.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a picture"):
        read_dataset(tmp_path / "set")
    (tmp_path / "set/transforms.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        read_dataset(tmp_path / "set")


def test_bombs_are_refused_before_decoding(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames())
    picture = tmp_path / "set/images/0000.png"
    data = bytearray(picture.read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    picture.write_bytes(data)
    with pytest.raises(InputError, match="160 megapixels"):
        read_dataset(tmp_path / "set")


def test_a_depth_file_that_claims_a_terabyte(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames())
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (500000, 500000), }".ljust(117)
    lies = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head + b"\n"
    (tmp_path / "set/depth/0000.npy").write_bytes(lies + bytes(64))
    with pytest.raises(InputError, match="broken"):
        read_dataset(tmp_path / "set")


def test_mixed_sizes(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames())
    cv2.imwrite(str(tmp_path / "set/images/0001.png"), np.zeros((4, 6, 3), np.uint8))

    def change(header: dict[str, Any]) -> None:
        header.pop("w"), header.pop("h")
        header["frames"][1].pop("depth_file_path")

    edit(tmp_path / "set", change)
    with pytest.raises(InputError, match="same size"):
        read_dataset(tmp_path / "set")


def test_depth_of_another_size(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames())
    np.save(tmp_path / "set/depth/0000.npy", np.ones((6, 4), np.float32))
    with pytest.raises(InputError, match="another shape"):
        read_dataset(tmp_path / "set")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="own name"):
        write_dataset(tmp_path / "set", [*frames(), frames()[0]])
    with pytest.raises(InputError, match="at least one"):
        write_dataset(tmp_path / "set", [])
    assert list(tmp_path.iterdir()) == []


def test_never_overwrites(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", frames(1))
    with pytest.raises(InputError, match="not empty"):
        write_dataset(tmp_path / "set", frames(2))
    assert len(read_dataset(tmp_path / "set")) == 1
