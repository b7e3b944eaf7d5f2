# SPDX-License-Identifier: GPL-3.0-or-later
"""Posed pictures in the nerfstudio layout: transforms.json beside pictures and depths.

transforms.json holds fl_x, fl_y, cx, cy, w, h (or each frame its own) and per frame file_path,
transform_matrix (OpenGL c2w) and optionally depth_file_path: .npy float32 z-depth in metres
(+inf = sky, 0 or NaN = unknown) or 16-bit PNG in millimetres (65535 = sky, 0 = unknown). What
other programs write besides is read too: lenses, masks, other names of the same things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..shared.errors import InputError
from ..shared.files import new_folder
from ..shared.reading import MOST_JSON, as_sentence, parse_json, read_bytes, resolved
from .capture_views import (
    Capture,
    CaptureView,
    PosedFrame,
    check_views,
    find_picture,
    inside,
    load_view,
    side_for,
)
from .transforms_lens import lens_of, pose_of

NAMES = ("transforms.json", "transforms_train.json")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_dataset(folder: Path) -> list[PosedFrame]:
    """All frames of the dataset in `folder`, in the order of its transforms.json, straightened.

    Raises InputError, in one sentence, when the file or a picture is missing, broken, listed
    twice, of another size than the rest or outside the folder.
    """
    capture, _ = read_capture(Path(folder))
    if capture.damaged:
        raise InputError(
            f"The picture '{capture.damaged[0]}' of the dataset is damaged; put a whole one there."
        )
    if capture.missing:
        raise InputError(
            f"The picture '{capture.missing[0]}' of the dataset is missing; put it back."
        )
    side = side_for(check_views(capture))
    frames: list[PosedFrame] = []
    for view in capture.views:
        frames.append(load_view(view, side))
        if frames[-1].rgb.shape != frames[0].rgb.shape:
            raise InputError(
                f"'{frames[-1].name}' is {_size(frames[-1].rgb)} but '{frames[0].name}' is "
                f"{_size(frames[0].rgb)} pixels; make all pictures of a dataset the same size."
            )
    return frames


def count_frames(folder: Path) -> int:
    """How many frames the dataset's transforms.json lists. Raises InputError when it is broken."""
    return len(_read_header(Path(folder) / NAMES[0])["frames"])


def read_capture(path: Path) -> tuple[Capture, dict[str, Any]]:
    """The views of a transforms.json (or of the one in the folder `path`), and what it says.

    Pictures that are not there or damaged are named in the capture. Raises InputError.
    """
    file = transforms_file(path)
    if file is None:
        raise InputError(
            f"There is no transforms.json in '{path}'; choose a folder in the nerfstudio layout."
        )
    header = _read_header(file)
    folder = file.parent
    capture = Capture([])
    for number, entry in enumerate(header["frames"]):
        listed = entry.get("file_path")
        if not isinstance(listed, str) or not listed:
            raise InputError(
                f"Frame {number} of '{folder}' has no file_path; export the dataset again."
            )
        picture = capture.usable(find_picture(folder, listed), listed)
        if picture is not None:
            capture.views.append(_view(folder, header, entry, listed, picture))
    return capture, header


def transforms_file(path: Path) -> Path | None:
    """The file that `path` names or holds: a transforms.json, or the training part of one."""
    if path.is_file() and path.suffix.lower() == ".json":
        return path
    return next((path / name for name in NAMES if (path / name).is_file()), None)


def _view(
    folder: Path, header: dict[str, Any], entry: dict[str, Any], listed: str, picture: Path
) -> CaptureView:
    merged = {**header, **entry}
    mask = entry.get("mask_path")
    depth = entry.get("depth_file_path") or entry.get("depth_path")
    unit = merged.get("integer_depth_scale") or merged.get("depth_unit_scale_factor")
    if unit is not None and not (isinstance(unit, int | float) and 0 < unit < 1e6):
        raise InputError(
            f"'{listed}' has a depth scale of {unit!r}; it must be metres a step of its depth."
        )
    return CaptureView(
        name=picture.relative_to(resolved(folder)).with_suffix("").as_posix(),
        picture=picture,
        lens=lens_of(merged, picture, listed),
        c2w=pose_of(entry, listed),
        mask=inside(folder, str(mask)) if mask else None,
        depth=inside(folder, str(depth)) if depth else None,
        depth_unit=None if unit is None else float(unit),
    )


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"There is no {path.name} in '{path.parent}'; choose a folder in the nerfstudio layout."
        )
    with as_sentence(lambda why: InputError(f"'{path}' cannot be read as JSON: {why}.")):
        data = read_bytes(path, MOST_JSON)
        # some programs write UTF-16; a byte-order mark before UTF-8 is left out by the parser
        header = parse_json(data.decode("utf-16") if data[:2] in _UTF_16 else data)
    frames = header.get("frames") if isinstance(header, dict) else None
    if not isinstance(frames, list) or not all(isinstance(entry, dict) for entry in frames):
        raise InputError(f"'{path}' has no list of frames; export the dataset again.")
    if not frames:
        raise InputError(f"The dataset '{path.parent}' has no frames; export at least one picture.")
    return header


def write_dataset(folder: Path, frames: Iterable[PosedFrame]) -> None:
    """Writes frames to the new folder `folder`; it appears only when all of them are written.

    Names become file names (images/NAME.png, depth/NAME.npy). Raises InputError when the folder
    has something in it already, when there is no frame, a name twice or sizes differ.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"The folder '{folder}' is not empty; choose another or delete it first.")
    with new_folder(folder) as part:
        _write_frames(part, frames)


def _write_frames(part: Path, frames: Iterable[PosedFrame]) -> None:
    (part / "images").mkdir()
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
    listed = list(entries.values())
    header: dict[str, Any] = {"camera_model": "OPENCV", "frames": listed}
    shared = ("fl_x", "fl_y", "cx", "cy", "w", "h")
    first = listed[0]
    for key in shared:  # values that all frames share are stated once
        if all(entry[key] == first[key] for entry in listed):
            header[key] = first[key]
    for entry in listed:
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
