# SPDX-License-Identifier: GPL-3.0-or-later
"""Part panoramas: where the picture lies on the whole sphere, as its GPano metadata says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2
import numpy as np

from ...data.capture_views import filled
from ...shared.errors import InputError

_FIELDS = (
    "FullPanoWidthPixels",
    "FullPanoHeightPixels",
    "CroppedAreaImageWidthPixels",
    "CroppedAreaImageHeightPixels",
    "CroppedAreaLeftPixels",
    "CroppedAreaTopPixels",
)
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Crop:
    """Pixels of the whole panorama and of the part that the picture is."""

    full: tuple[int, int]
    size: tuple[int, int]
    left: int
    top: int


def read_crop(xmp: bytes) -> Crop | None:
    """What a picture's XMP packet says of it; None where it says nothing of a part.

    Raises InputError for a part that lies outside its whole.
    """
    values = []
    for name in _FIELDS:
        found = re.search(rb"GPano:" + name.encode() + rb"\s*(?:=\s*[\"']|>)\s*(-?\d{1,9})", xmp)
        if found is None:
            return None
        values.append(int(found[1]))
    full_w, full_h, width, height, left, top = values
    whole = 0 < full_w <= _LARGEST and 0 < full_h <= _LARGEST
    if not (whole and width > 0 and height > 0 and 0 <= top <= full_h - height
            and left >= 0 and width <= full_w):  # fmt: skip
        raise InputError(
            "The panorama's metadata (GPano) places it outside of its own sphere; remove the "
            "metadata or export the panorama again."
        )
    return Crop((full_w, full_h), (width, height), left % full_w, top)


def on_sphere(rgb: np.ndarray, crop: Crop, max_width: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, 2 H, 3) uint8, the picture in its place, and (H, 2 H) bool where it is.

    What it does not show takes the colours around.
    """
    scale = min(rgb.shape[1] / crop.size[0], max_width / crop.full[0])
    width = max(4, 2 * round(crop.full[0] * scale / 2))
    height = width // 2
    across, down = width / crop.full[0], height / crop.full[1]
    size = max(1, round(crop.size[0] * across)), max(1, round(crop.size[1] * down))
    picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    top = min(round(crop.top * down), height - 1)
    picture = picture[: height - top, :width]
    columns = (round(crop.left * across) + np.arange(picture.shape[1])) % width
    sphere, known = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    sphere[top : top + picture.shape[0], columns] = picture
    known[top : top + picture.shape[0], columns] = True
    return filled(sphere, known), known
