# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a camera path: {"K": 3x3 or one per frame, "size": [W, H], "c2w": [N][4][4]}.

"projection": "ORTHO" beside them makes all of its cameras orthographic, with K in pixels a metre.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .camera import Camera
from .errors import CameraError
from .files import write_atomically
from .reading import as_sentence, read_json, whole_number

MOST_CAMERAS = 100_000
"""More than an hour of film: a file of more would be read for longer than anyone waits."""


def read_camera_path(path: Path) -> list[Camera]:
    """The cameras of `path`, in order. Raises CameraError when it cannot be read or is empty."""
    if not path.is_file():
        raise CameraError(f"The camera file {path} could not be read; check its name.")
    with as_sentence(
        lambda why: CameraError(
            f"{path} is not a camera path ({why}); it needs K as 3x3 or one per frame, size as "
            "[W, H] and c2w as [N][4][4]."
        )
    ):
        data = read_json(path)
        c2w = np.array(data["c2w"], dtype=float)
        K = np.array(data["K"], dtype=float)
        width, height = (whole_number(side, 1) for side in data["size"])
        projection = data.get("projection", "PERSP")
        if c2w.ndim != 3 or len(c2w) == 0:
            raise ValueError("c2w must hold one 4x4 matrix for each frame")
        if len(c2w) > MOST_CAMERAS:
            raise ValueError(f"it has {len(c2w)} frames of {MOST_CAMERAS} at most")
        K = np.broadcast_to(K, (len(c2w), 3, 3))
    return [Camera(k, matrix, width, height, projection) for k, matrix in zip(K, c2w, strict=True)]


def camera_path_text(cameras: Sequence[Camera]) -> str:
    """The JSON of `cameras`, which must have one size. Raises CameraError."""
    sizes = {(camera.width, camera.height) for camera in cameras}
    if not sizes:
        raise CameraError("The camera path is empty; add key frames first.")
    if len(sizes) > 1:
        raise CameraError("A camera path needs cameras of one size; render at one resolution.")
    projections = {camera.projection for camera in cameras}
    if len(projections) > 1:
        raise CameraError(
            "A camera path is perspective or orthographic throughout; write two paths instead."
        )
    data: dict[str, Any] = {
        "K": [camera.K.tolist() for camera in cameras],
        "size": list(sizes.pop()),
        "c2w": [camera.c2w.tolist() for camera in cameras],
    }
    if projections == {"ORTHO"}:
        data["projection"] = "ORTHO"
    return json.dumps(data)


def write_camera_path(path: Path, cameras: Sequence[Camera]) -> None:
    """Write `cameras` so that `read_camera_path` gives them back. Raises CameraError."""
    write_atomically(path, camera_path_text(cameras).encode())
