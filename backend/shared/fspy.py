# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads projects of the camera matching program fSpy (.fspy files).

Layout: little-endian uint32 "fspy", version 1, length of the JSON state, length of the picture;
then the state and the picture. Plane coordinates run from -1 to 1 over the longer side, y up.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .camera import Camera
from .errors import CameraError, InputError
from .reading import as_sentence, parse_json, read_bytes

_HEADER = struct.Struct("<4sIII")
_MOST_BYTES = 1 << 30
MAX_STATE = 16 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class FspyProject:
    """camera: as matched. image: bytes of the picture file inside, possibly empty."""

    camera: Camera
    image: bytes


def read_fspy(path: Path) -> FspyProject:
    """Raises InputError when the file is no project, is damaged, or was never solved."""
    path = Path(path)
    try:
        data = read_bytes(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read; check the path.") from error
    if len(data) < _HEADER.size or data[:4] != b"fspy":
        raise InputError(f"'{path.name}' is not an fSpy project; choose a file saved by fSpy.")
    _, version, state_size, image_size = _HEADER.unpack_from(data)
    if version != 1:
        raise InputError(
            f"'{path.name}' is an fSpy project of version {version}; only version 1 can be read."
        )
    end = _HEADER.size + state_size
    if state_size > MAX_STATE or end + image_size != len(data):
        raise InputError(f"'{path.name}' is cut off or damaged; save it again in fSpy.")
    unsolved = f"'{path.name}' holds no solved camera; place its vanishing points in fSpy first."
    with as_sentence(lambda _: InputError(unsolved), CameraError):
        camera = _camera(parse_json(data[_HEADER.size : end])["cameraParameters"])
    return FspyProject(camera, data[end:])


def _camera(parameters: dict[str, Any]) -> Camera:
    width, height = int(parameters["imageWidth"]), int(parameters["imageHeight"])
    half = max(width, height) / 2
    focal = width / 2 / math.tan(float(parameters["horizontalFieldOfView"]) / 2)
    principal = parameters["principalPoint"]
    K = np.array(
        [
            [focal, 0, width / 2 + float(principal["x"]) * half],
            [0, focal, height / 2 - float(principal["y"]) * half],
            [0, 0, 1],
        ]
    )
    c2w = np.array(parameters["cameraTransform"]["rows"], dtype=np.float64)
    return Camera.from_opengl(K, c2w, width, height)
