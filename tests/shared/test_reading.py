# SPDX-License-Identifier: GPL-3.0-or-later
"""Content that lies is refused before anything is believed, each time with a reason of one line."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.data.capture_views import inside as capture_file
from backend.shared import arrays, reading
from backend.shared.errors import InputError
from backend.shared.reading import inside, is_elsewhere, names_another_computer

TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


def refusal(read, *arguments) -> str:
    with (
        pytest.raises(InputError) as caught,
        reading.as_sentence(lambda why: InputError(f"No: {why}.")),
    ):
        read(*arguments)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 300
    return said


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_what_can_be_written_is_read(tree):
    assert reading.parse_json(json.dumps(tree)) == tree
    assert reading.parse_json(json.dumps(tree, ensure_ascii=False).encode()) == tree


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ("1e999", "too large"),
        ("1" * 400, "400 digits"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        (r'"\ud800"', "surrogates"),
        (r'{"\u0000": 1}', "zero character"),
        (b"\xff\xfe{}", "invalid start byte"),
        ("{", "Expecting"),
        ("", "Expecting"),
    ],
)
def test_odd_json_is_refused(text, word):
    assert word in refusal(reading.parse_json, text)


def test_files_are_bounded_and_a_byte_order_mark_is_none_of_their_content(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert reading.read_json(file) == {"a": 1}
    assert "more than" in refusal(reading.read_json, file, 5)
    file.write_text("[]")
    assert "no JSON object" in refusal(reading.json_object, file, InputError)
    assert "No such file" in refusal(reading.read_json, tmp_path / "b.json")


@pytest.mark.parametrize("listed", ["../a", "/etc/passwd", "a/../../b", "", None, 3, "a\0b"])
def test_a_file_never_names_one_outside_its_folder(tmp_path, listed):
    with pytest.raises(InputError):
        reading.inside(tmp_path, listed)
    assert reading.inside(tmp_path, "a/b.png") == tmp_path / "a" / "b.png"


def test_numbers_are_numbers():
    assert reading.number(2, 0, 5) == 2.0 and reading.whole_number(7) == 7
    for value in (True, "3", None, 6, -1, float("nan")):
        with pytest.raises(ValueError):
            reading.number(value, 0, 5)
    for value in (True, 3.0, -1, 2**70):
        with pytest.raises(ValueError):
            reading.whole_number(value)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<u2", "|u1", "<i8", "|b1", "<U3"])
@pytest.mark.parametrize("shape", [(), (0, 3), (4,), (2, 3, 4)])
def test_arrays_come_back(tmp_path, dtype, shape):
    array = np.ones(shape, dtype)
    np.save(tmp_path / "a.npy", array)
    read = arrays.read_npy(tmp_path / "a.npy")
    assert read.dtype == array.dtype and (read == array).all() and read.shape == shape
    assert (arrays.read_npy((tmp_path / "a.npy").read_bytes()) == array).all()
    np.savez_compressed(tmp_path / "a.npz", one=array, two=array)
    assert arrays.read_npz(tmp_path / "a.npz").keys() == {"one", "two"}


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


@pytest.mark.parametrize(
    "shape", ["(10**9,)", "(1000000000000,)", "(4294967296, 4294967296)", "(-1,)", "(1, 1e9)"]
)
def test_a_shape_that_lies_takes_no_memory(shape):
    data = npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}") + bytes(64)
    began = time.monotonic()
    refusal(arrays.read_npy, data)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("descr", ["'|O'", "[('a', '|O')]", "'<M8[s]'", "'" + "(" * 999, "'V8'"])
def test_other_things_than_numbers_are_not_read(descr):
    refusal(arrays.read_npy, npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}"))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(1 << 20, np.uint8))
        archive.writestr("zeros.npy", buffer.getvalue())
    assert "too large" in refusal(arrays.read_npz, tmp_path / "a.npz", 1 << 16)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.txt", "hello")
    assert "no array" in refusal(arrays.read_npz, tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04" + bytes(30))
    refusal(arrays.read_npz, tmp_path / "c.npz")


def tensors(path, header: object, body: bytes = b"") -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_safetensors_come_back_and_their_offsets_are_checked(tmp_path):
    from safetensors.numpy import save_file

    file = tmp_path / "a.safetensors"
    save_file({"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, file, {"by": "us"})
    read = arrays.read_safetensors(file)
    assert list(read) == ["x"] and read["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    file.write_bytes(file.read_bytes()[:-4])
    refusal(arrays.read_safetensors, file)
    for entry in (
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]},
        {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
        {"shape": [2]},
        7,
    ):
        tensors(file, {"x": entry}, bytes(8))
        refusal(arrays.read_safetensors, file)
    file.write_bytes(struct.pack("<Q", 2**60))
    refusal(arrays.read_safetensors, file)


def test_values_are_checked():
    sky = np.array([[1, np.inf]], np.float64)
    read = arrays.checked(sky, "the depth", np.float32, (None, 2), least=0, infinite=True)
    assert read.dtype == np.float32 and read.shape == (1, 2)
    for array, options in (
        (sky, {}),
        (np.array([[1, np.nan]]), {"infinite": True}),
        (np.array([[1, -1]]), {"least": 0}),
        (np.array([[1e300, 1]]), {}),
        (np.array([1, 2]), {}),
        (np.array([["a", "b"]]), {}),
        (np.zeros((1, 3)), {}),
    ):
        with pytest.raises(ValueError, match="the depth"):
            arrays.checked(array, "the depth", np.float32, (None, 2), **options)


@pytest.mark.parametrize(
    ("listed", "another"),
    [
        (r"\\server\share\a.png", True),
        ("//server/share/a.png", True),
        (r"/\server\share", True),
        (r"\\?\UNC\server\share", True),
        (r"\\.\pipe\name", True),
        (r"\\?\C:\worlds\a.png", False),
        (r"memory\0000.png", False),
        ("memory//0000.png", False),
        ("/home/me/a.png", False),
    ],
)
def test_paths_that_windows_would_ask_another_computer_for(
    listed: str, another: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names_another_computer(listed) is another
    if not another:
        return
    asked: list[str] = []
    monkeypatch.setattr(os.path, "realpath", lambda path: asked.append(str(path)) or path)
    with pytest.raises(InputError, match="outside its folder"):
        inside(tmp_path, listed)
    with pytest.raises(InputError):
        capture_file(tmp_path, listed)
    assert asked and not [path for path in asked if names_another_computer(path)]


def test_a_share_that_the_user_is_on_is_known() -> None:
    share = r"\\nas\films\shot worlds\room"
    assert is_elsewhere(share, [r"C:\a.blend", ""], "win32")
    assert not is_elsewhere(share, [r"\\NAS\films\shot.blend"], "win32")
    assert is_elsewhere(share, [r"\\nas\other\shot.blend"], "win32")
    assert not is_elsewhere(share, [], "linux") and not is_elsewhere(r"D:\x", [], "win32")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on Unix alone")
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe, device, folder = tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "c.npy"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    for path in (pipe, device, folder):
        for read in (reading.read_json, arrays.read_npy, arrays.read_npz, arrays.read_safetensors):
            assert "no plain file" in refusal(read, path)


def test_a_file_with_a_hole_is_refused_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.touch()
    os.truncate(path, 1 << 40)
    assert "more than 64 MB" in refusal(reading.read_json, path)


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
def test_links_in_a_circle_are_files_that_are_missing(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert "symbolic links" in refusal(reading.read_bytes, inside(tmp_path, "a.png"), 100)
    assert not capture_file(tmp_path, "a.png").is_file()
