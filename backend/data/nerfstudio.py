# SPDX-License-Identifier: GPL-3.0-or-later
"""Posed pictures in the nerfstudio layout: transforms.json beside pictures and depths.

transforms.json holds fl_x, fl_y, cx, cy, w, h (or each frame its own) and per frame file_path,
transform_matrix (OpenGL c2w) and optionally depth_file_path: .npy float32 z-depth in metres
(+inf = sky, 0 or NaN = unknown) or 16-bit PNG in millimetres (65535 = sky, 0 = unknown).
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..shared.camera import Camera
from ..shared.errors import CameraError, InputError
from .pictures import check_picture_size

_PNG_SKY = 65535
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(eq=False)
class PosedFrame:
    """A picture and where it was taken.

    rgb: (H, W, 3) uint8 sRGB. depth: (H, W) float32 z-depth in metres, +inf = sky, 0 = unknown,
    or None. name: its file's path in the dataset, without the ending.
    """

    camera: Camera
    rgb: np.ndarray
    depth: np.ndarray | None
    name: str


def read_dataset(folder: Path) -> list[PosedFrame]:
    """All frames of the dataset in `folder`, in the order of its transforms.json.

    Raises InputError, in one sentence, when the file or a picture is missing, broken, listed
    twice, of another size than the rest or outside the folder.
    """
    folder = Path(folder)
    header = _read_header(folder)
    frames: list[PosedFrame] = []
    seen: set[str] = set()
    for number, entry in enumerate(header["frames"]):
        frame = _read_frame(folder, header, entry, number)
        if frame.name in seen:
            raise InputError(
                f"The dataset lists '{frame.name}' twice; remove one from transforms.json."
            )
        if frames and frame.rgb.shape != frames[0].rgb.shape:
            raise InputError(
                f"'{frame.name}' is {_size(frame.rgb)} but '{frames[0].name}' is "
                f"{_size(frames[0].rgb)} pixels; make all pictures of a dataset the same size."
            )
        seen.add(frame.name)
        frames.append(frame)
    return frames


def count_frames(folder: Path) -> int:
    """How many frames the dataset's transforms.json lists. Raises InputError when it is broken."""
    return len(_read_header(Path(folder))["frames"])


def write_dataset(folder: Path, frames: Iterable[PosedFrame]) -> None:
    """Writes frames to the new folder `folder`; it appears only when all of them are written.

    Names become file names (images/NAME.png, depth/NAME.npy). Raises InputError when the folder
    has something in it already, when there is no frame, a name twice or sizes differ.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"The folder '{folder}' is not empty; choose another or delete it first.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write_frames(part, frames)
        if folder.exists():
            folder.rmdir()
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / "transforms.json"
    if not path.is_file():
        raise InputError(
            f"There is no transforms.json in '{folder}'; choose a folder in the nerfstudio layout."
        )
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"'{path}' cannot be read as JSON: {error}.") from error
    frames = header.get("frames") if isinstance(header, dict) else None
    if not isinstance(frames, list) or not all(isinstance(entry, dict) for entry in frames):
        raise InputError(f"'{path}' has no list of frames; export the dataset again.")
    if not frames:
        raise InputError(f"The dataset '{folder}' has no frames; export at least one picture.")
    return header


def _read_frame(
    folder: Path, header: dict[str, Any], entry: dict[str, Any], number: int
) -> PosedFrame:
    listed = entry.get("file_path")
    if not isinstance(listed, str) or not listed:
        raise InputError(
            f"Frame {number} of '{folder}' has no file_path; export the dataset again."
        )
    path = _inside(folder, listed)
    if not path.suffix:  # some exporters leave the ending out
        path = path.with_suffix(".png")
    rgb = _read_picture(path)
    camera = _read_camera(header, entry, listed, rgb)
    depth = None
    if entry.get("depth_file_path"):
        depth = _read_depth(_inside(folder, str(entry["depth_file_path"])))
        if depth.shape != rgb.shape[:2]:
            raise InputError(
                f"The depth of '{listed}' is {_size(depth)} but its picture {_size(rgb)} pixels; "
                "export both at one resolution."
            )
    name = path.relative_to(folder.resolve()).with_suffix("").as_posix()
    return PosedFrame(camera, rgb, depth, name)


def _inside(folder: Path, listed: str) -> Path:
    """The path of a file of the dataset; refuses one that leaves its folder."""
    root = folder.resolve()
    path = (root / listed).resolve()
    if not path.is_relative_to(root):
        raise InputError(
            f"The dataset names '{listed}', which lies outside its folder; copy the file into it."
        )
    return path


def _read_picture(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"The picture '{path}' of the dataset is missing; put it back.")
    check_picture_size(path)
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if data is None:
        raise InputError(f"The picture '{path}' is broken or not a picture; export it again.")
    return np.ascontiguousarray(data[:, :, ::-1])


def _read_depth(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"The depth file '{path}' of the dataset is missing; put it back.")
    if path.suffix.lower() == ".npy":
        try:
            # mapped, so that a header that lies about its size is noticed before memory is taken
            depth = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"The depth file '{path}' is broken: {error}.") from error
        if depth.ndim != 2 or depth.dtype.kind not in "fiu":
            raise InputError(f"The depth file '{path}' must hold one number a pixel.")
        depth = depth.astype(np.float32)
        return np.where(np.isnan(depth) | (depth < 0), np.float32(0), depth)
    check_picture_size(path)
    millimetres = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if millimetres is None or millimetres.dtype != np.uint16 or millimetres.ndim != 2:
        raise InputError(
            f"The depth file '{path}' must be a 16-bit grey PNG in millimetres or a .npy file."
        )
    metres = (millimetres * 1e-3).astype(np.float32)
    return np.where(millimetres == _PNG_SKY, np.float32(np.inf), metres)


def _read_camera(
    header: dict[str, Any], entry: dict[str, Any], listed: str, rgb: np.ndarray
) -> Camera:
    height, width = rgb.shape[:2]
    merged = {**header, **entry}
    for key in _DISTORTION:
        if merged.get(key):
            raise InputError(
                f"'{listed}' was taken through a lens with distortion ({key}); undistort the "
                "pictures first."
            )
    try:
        fx = _focal(merged, "x", width)
        fy = float(merged["fl_y"]) if "fl_y" in merged else fx
        cx, cy = float(merged.get("cx", width / 2)), float(merged.get("cy", height / 2))
        stated = int(merged.get("w", width)), int(merged.get("h", height))
        c2w = np.array(entry["transform_matrix"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The camera of '{listed}' is incomplete in transforms.json ({error}); it needs fl_x, "
            "fl_y, cx, cy and a 4x4 transform_matrix."
        ) from error
    if stated != (width, height):
        raise InputError(
            f"'{listed}' is {_size(rgb)} pixels but transforms.json says "
            f"{stated[0]} x {stated[1]}; export the dataset again at one size."
        )
    if c2w.shape == (3, 4):
        c2w = np.vstack([c2w, [0, 0, 0, 1]])
    if c2w.shape != (4, 4):
        raise InputError(f"The transform_matrix of '{listed}' must be 4x4, not {c2w.shape}.")
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    try:
        return Camera.from_opengl(K, c2w, width, height)
    except CameraError as error:
        raise InputError(f"The camera of '{listed}' cannot be used: {error}") from error


def _focal(merged: dict[str, Any], axis: str, length: int) -> float:
    if f"fl_{axis}" not in merged and f"camera_angle_{axis}" in merged:
        return 0.5 * length / math.tan(0.5 * float(merged[f"camera_angle_{axis}"]))
    return float(merged[f"fl_{axis}"])


def _write_frames(part: Path, frames: Iterable[PosedFrame]) -> None:
    (part / "images").mkdir(parents=True)
    (part / "depth").mkdir()
    entries: dict[str, dict[str, Any]] = {}
    size: tuple[int, ...] | None = None
    for frame in frames:
        name = Path(frame.name).name
        if name in entries:
            raise InputError(f"Two frames are called '{name}'; give each its own name.")
        if size is not None and frame.rgb.shape != size:
            raise InputError(
                f"Frame '{name}' is {_size(frame.rgb)} pixels, the others are not; "
                "make all pictures of a dataset the same size."
            )
        size = frame.rgb.shape
        entries[name] = _write_frame(part, name, frame)
    if not entries:
        raise InputError("There is no frame to write; a dataset needs at least one.")
    header = {"camera_model": "OPENCV", "frames": list(entries.values())}
    shared = ("fl_x", "fl_y", "cx", "cy", "w", "h")
    first = header["frames"][0]
    for key in shared:  # values that all frames share are stated once
        if all(entry[key] == first[key] for entry in header["frames"]):
            header[key] = first[key]
    for entry in header["frames"]:
        for key in [key for key in shared if key in header]:
            del entry[key]
    (part / "transforms.json").write_text(json.dumps(header, indent=1), encoding="utf-8")


def _write_frame(part: Path, name: str, frame: PosedFrame) -> dict[str, Any]:
    camera = frame.camera
    if frame.rgb.shape != (camera.height, camera.width, 3):
        raise InputError(f"Frame '{name}' is {_size(frame.rgb)} pixels, unlike its camera.")
    picture = f"images/{name}.png"
    if not cv2.imwrite(str(part / picture), frame.rgb[:, :, ::-1]):
        raise InputError(f"'{picture}' cannot be written to '{part.parent}'; is the disk full?")
    entry: dict[str, Any] = {
        "file_path": picture,
        "transform_matrix": camera.c2w_opengl().tolist(),
        "fl_x": float(camera.K[0, 0]), "fl_y": float(camera.K[1, 1]),
        "cx": float(camera.K[0, 2]), "cy": float(camera.K[1, 2]),
        "w": camera.width, "h": camera.height,
    }  # fmt: skip
    if frame.depth is not None:
        if frame.depth.shape != frame.rgb.shape[:2]:
            raise InputError(f"The depth of frame '{name}' has another size than its picture.")
        entry["depth_file_path"] = f"depth/{name}.npy"
        np.save(part / "depth" / f"{name}.npy", frame.depth.astype(np.float32))
    return entry


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
