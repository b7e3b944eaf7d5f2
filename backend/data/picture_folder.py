# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of pictures that training takes textures from, read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import cv2
import numpy as np

from ..shared.errors import InputError
from .pictures import check_picture_size

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
SMALLEST = 16
"""Pixels a side below which a picture has no texture to give."""
KEPT = 64
"""Pictures that stay in memory."""


class PictureFolder(Sequence[np.ndarray]):
    """The pictures in a folder and the folders in it, in the order of their names.

    Each is (H, W, 3) uint8 sRGB. Only headers are read at first, so that thousands may lie there.
    """

    def __init__(self, folder: Path) -> None:
        """Raises InputError when there is no picture, or one that cannot be used."""
        found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
        self.paths = sorted(path for path in found if path.is_file())
        if not self.paths:
            raise InputError(f"There is no picture in '{folder}'; put .jpg or .png files there.")
        for path in self.paths:
            if min(check_picture_size(path)) < SMALLEST:
                raise _unusable(path)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(index, slice):
            return [_read(path) for path in self.paths[index]]
        return _read(self.paths[index])


@lru_cache(KEPT)
def _read(path: Path) -> np.ndarray:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise _unusable(path)
    return np.ascontiguousarray(picture[:, :, ::-1])


def _unusable(path: Path) -> InputError:
    return InputError(
        f"'{path}' is not a picture of {SMALLEST} x {SMALLEST} pixels or more; remove it."
    )
