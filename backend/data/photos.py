# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a picture from anywhere into 8-bit sRGB, or says in one sentence why not."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..shared.color import linear_to_srgb
from ..shared.errors import InputError
from ..shared.reading import as_sentence
from .pictures import check_picture_size, is_exr, is_radiance, unreadable

MAX_SIDE = 4096
"""Longer pictures are scaled down to this on import."""
BAND = 256
"""Rows that are converted at a time."""
_EXIF_IFD, _FOCAL_35MM = 0x8769, 0xA405
_ICC_MODES = ("RGB", "CMYK", "L")


@dataclass(frozen=True, eq=False)
class Photo:
    """rgb: (H, W, 3) uint8 sRGB, upright. focal_35mm: EXIF's equivalent focal length, mm, or None.

    notes: sentences on what was changed on the way in, for the user.
    alpha: (H, W) uint8 opacity, None where all of the picture is opaque.
    xmp: the picture's XMP packet as it stands in the file, or nothing.
    """

    rgb: np.ndarray
    focal_35mm: float | None = None
    notes: list[str] = field(default_factory=list)
    alpha: np.ndarray | None = None
    xmp: bytes = b""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


def read_photo(
    path: Path, max_side: int = MAX_SIDE, min_side: int = 32, upright: bool = True
) -> Photo:
    """The picture at `path` in sRGB, no longer than `max_side`.

    upright: turned as EXIF says, as people see it; False gives the pixels as they are stored,
    which is what the cameras of a capture speak of. CMYK, 16-bit, palette, grey and transparent
    pictures become 8-bit RGB. Raises InputError when it is absent, unreadable, too small to hold
    a scene or larger than MAX_PIXELS.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no picture at '{path}'; check the path.")
    notes: list[str] = []
    check_picture_size(path)
    with as_sentence(lambda why: unreadable(path, why), cv2.error):
        photo = _read(path, max_side, upright, notes)
    if min(photo.size) < min_side:
        raise InputError(
            f"'{path.name}' has only {photo.size[0]} x {photo.size[1]} pixels; choose a picture of "
            f"at least {min_side} pixels a side."
        )
    return _fit(photo, max_side, path.name)


def _read(path: Path, max_side: int, upright: bool, notes: list[str]) -> Photo:
    if is_exr(path):
        return Photo(_read_exr(path), notes=notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                return _decode(image, path, max_side, upright, notes)
        except UnidentifiedImageError:
            return Photo(_decode_deep(path), notes=notes)  # 16-bit colour TIFF and the like


def _decode(
    image: Image.Image, path: Path, max_side: int, upright: bool, notes: list[str]
) -> Photo:
    width, height = image.size
    exif = image.getexif()
    focal = exif.get_ifd(_EXIF_IFD).get(_FOCAL_35MM)
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    image.draft("RGB", (max_side, max_side))  # JPEG only: decodes at 1/2, 1/4, 1/8 when enough
    if image.size != (width, height):
        notes.append(f"'{path.name}' of {width} x {height} pixels was scaled down.")
    if upright:
        ImageOps.exif_transpose(image, in_place=True)
    rgb, alpha = _to_srgb(image)
    focal = float(focal) if focal and 3.0 <= float(focal) <= 3000.0 else None
    return Photo(rgb, focal, notes, alpha, xmp.encode() if isinstance(xmp, str) else bytes(xmp))


def _to_srgb(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) uint8 and opacity (H, W) uint8, None where there is nothing transparent."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit and float grey
        values = np.asarray(image)
        white = 65535.0 if image.mode.startswith("I") else max(float(np.nanmax(values)), 1e-6)
        return by_bands(values, lambda band: _grey(band, white)), None
    alpha = None
    if image.has_transparency_data:
        alpha = _banded(image, lambda part: part.convert("RGBA").getchannel("A"), ())
        alpha = alpha if alpha.min() < 255 else None
    # a profile speaks of colours: not of palettes, not of alpha
    mode = image.mode
    if mode not in _ICC_MODES:
        mode = "L" if mode in ("LA", "La", "1") else "RGB"
    to_srgb = _profile_of(image, mode)

    def colours(part: Image.Image) -> Image.Image:
        part = part.convert(mode)
        made = None if to_srgb is None else ImageCms.applyTransform(part, to_srgb)
        return part.convert("RGB") if made is None else made

    return _banded(image, colours, (3,)), alpha


def _profile_of(image: Image.Image, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From the picture's own colours to sRGB; None where it says nothing of them."""
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None  # a broken profile: the numbers as they stand are the best guess


def _banded(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image], channels: tuple[int, ...]
) -> np.ndarray:
    """(H, W, *channels) uint8 of a decoded picture: whole copies of it would cost gigabytes."""
    width, height = image.size
    made = np.empty((height, width, *channels), np.uint8)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        made[top:bottom] = np.asarray(convert(image.crop((0, top, width, bottom))))
    return made


def by_bands(values: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(H, W, 3) uint8 of (H, W, ...), made some rows at a time."""
    made = np.empty((*values.shape[:2], 3), np.uint8)
    for top in range(0, len(values), BAND):
        made[top : top + BAND] = convert(values[top : top + BAND])
    return made


def _grey(values: np.ndarray, white: float) -> np.ndarray:
    shade = np.nan_to_num(values.astype(np.float32)) / np.float32(white)
    grey = np.clip(shade * np.float32(255.0) + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _decode_deep(path: Path) -> np.ndarray:
    """What only OpenCV reads: TIFF with 16-bit or float colours, Radiance."""
    deep = cv2.imread(
        str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if deep is None:
        raise InputError(
            f"'{path.name}' is not a picture that can be read; save it as PNG, JPEG or TIFF."
        )
    light = is_radiance(path)
    return by_bands(deep, lambda band: _bytes(band[..., ::-1], light))


def _bytes(deep: np.ndarray, light: bool) -> np.ndarray:
    """uint8 sRGB of colours of more bits. light: they are linear."""
    if deep.dtype == np.uint8:
        return deep
    if deep.dtype == np.uint16:
        return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    value = np.clip(np.nan_to_num(deep.astype(np.float32)), 0, 1)
    return _encoded(value) if light else (value * 255.0 + 0.5).astype(np.uint8)


def _read_exr(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 sRGB of an OpenEXR picture, which holds linear light."""
    import OpenEXR

    try:
        channels = OpenEXR.File(str(path)).channels()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    names = {name.rsplit(".", 1)[-1].upper(): name for name in channels}
    if "RGB" in names or "RGBA" in names:
        colours = channels[names.get("RGB") or names["RGBA"]].pixels
        planes = [colours[..., i] for i in range(3)]
    elif {"R", "G", "B"} <= names.keys():
        planes = [channels[names[c]].pixels for c in "RGB"]
    elif "Y" in names:
        planes = [channels[names["Y"]].pixels] * 3
    else:
        raise ValueError("it has no channels R, G and B")
    made = np.empty((*planes[0].shape, 3), np.uint8)
    for top in range(0, len(made), BAND):
        band = slice(top, top + BAND)
        made[band] = _encoded(np.stack([p[band] for p in planes], axis=2).astype(np.float32))
    return made


def _encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light as 8-bit sRGB; what is brighter than white is white."""
    return (linear_to_srgb(np.nan_to_num(linear, posinf=1.0)) * 255.0 + 0.5).astype(np.uint8)


def _fit(photo: Photo, max_side: int, name: str) -> Photo:
    width, height = photo.size
    scale = max_side / max(width, height)
    rgb, alpha, notes = photo.rgb, photo.alpha, photo.notes
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if not notes:
            notes.append(f"'{name}' of {width} x {height} pixels was scaled down.")
        notes[-1] = notes[-1].removesuffix(".") + f" to {size[0]} x {size[1]}."
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if alpha is not None:
            alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    return Photo(np.ascontiguousarray(rgb), photo.focal_35mm, notes, alpha, photo.xmp)
