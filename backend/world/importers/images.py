# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a picture from anywhere into 8-bit sRGB, or says in one sentence why not."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ...data.pictures import check_picture_size, is_radiance
from ...shared.errors import InputError

MAX_SIDE = 4096
"""Longer pictures are scaled down to this on import."""
_EXIF_IFD, _FOCAL_35MM = 0x8769, 0xA405


@dataclass(frozen=True, eq=False)
class Photo:
    """rgb: (H, W, 3) uint8 sRGB, upright. focal_35mm: EXIF's equivalent focal length, mm, or None.

    notes: sentences on what was changed on the way in, for the user.
    """

    rgb: np.ndarray
    focal_35mm: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


def read_photo(path: Path, max_side: int = MAX_SIDE, min_side: int = 32) -> Photo:
    """The picture at `path`: turned as EXIF says, in sRGB, no longer than `max_side`.

    CMYK, 16-bit, palette, grey and transparent pictures become 8-bit RGB. Raises InputError when
    it is absent, unreadable, too small to hold a scene or larger than MAX_PIXELS.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no picture at '{path}'; check the path.")
    notes: list[str] = []
    check_picture_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                rgb, focal = _decode(image, path, max_side, notes)
    except UnidentifiedImageError:
        rgb, focal = _decode_deep(path), None  # 16-bit colour TIFF and the like
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            f"'{path.name}' is damaged or not a picture that can be read; save it again as PNG or "
            f"JPEG ({error})."
        ) from error
    if min(rgb.shape[:2]) < min_side:
        raise InputError(
            f"'{path.name}' has only {rgb.shape[1]} x {rgb.shape[0]} pixels; choose a picture of "
            f"at least {min_side} pixels a side."
        )
    return Photo(_fit(rgb, max_side, path.name, notes), focal, notes)


def _decode(
    image: Image.Image, path: Path, max_side: int, notes: list[str]
) -> tuple[np.ndarray, float | None]:
    width, height = image.size
    exif = image.getexif()
    focal = exif.get_ifd(_EXIF_IFD).get(_FOCAL_35MM)
    image.draft("RGB", (max_side, max_side))  # JPEG only: decodes at 1/2, 1/4, 1/8 when enough
    if image.size != (width, height):
        notes.append(f"'{path.name}' of {width} x {height} pixels was scaled down.")
    image = _to_srgb(ImageOps.exif_transpose(image))
    focal = float(focal) if focal and 3.0 <= float(focal) <= 3000.0 else None
    return image, focal


def _to_srgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit and float grey
        values = np.asarray(image, dtype=np.float32)
        white = 65535.0 if image.mode.startswith("I") else max(float(np.nanmax(values)), 1e-6)
        grey = np.clip(np.nan_to_num(values) / white * 255.0 + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile: the numbers as they stand are the best guess
    return np.array(image.convert("RGB"))


def _decode_deep(path: Path) -> np.ndarray:
    """What only OpenCV reads: TIFF with 16-bit or float colours, Radiance."""
    deep = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if deep is None:
        raise InputError(
            f"'{path.name}' is not a picture that can be read; save it as PNG, JPEG or TIFF."
        )
    if deep.dtype == np.uint16:
        deep = (deep.astype(np.uint32) + 128) // 257
    elif deep.dtype != np.uint8:
        value = np.clip(np.nan_to_num(deep.astype(np.float32)), 0, 1)
        if is_radiance(path):
            value = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
        deep = value * 255.0 + 0.5
    return np.ascontiguousarray(deep[..., ::-1].astype(np.uint8))


def _fit(rgb: np.ndarray, max_side: int, name: str, notes: list[str]) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = max_side / max(width, height)
    if scale >= 1.0:
        return np.ascontiguousarray(rgb)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if not notes:
        notes.append(f"'{name}' of {width} x {height} pixels was scaled down.")
    notes[-1] = notes[-1].removesuffix(".") + f" to {size[0]} x {size[1]}."
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
