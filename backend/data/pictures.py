# SPDX-License-Identifier: GPL-3.0-or-later
"""The size that a picture claims, read from its header: before anything is decoded."""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ..shared.errors import InputError

MAX_PIXELS = 160_000_000
"""More than this is refused: a few bytes on disk can be gigabytes in memory."""

_TIFF = (b"II*\0", b"MM\0*")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_RADIANCE = (b"#?RADIANCE", b"#?RGBE")
_RADIANCE_SIZE = re.compile(rb"\n[-+]Y (\d+) [-+]X (\d+)\n")
_RADIANCE_HEADER = 4096


def check_picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture of any kind that can be read, 16-bit and float ones too.

    Raises InputError when it is no such picture or has more than MAX_PIXELS.
    """
    try:
        with warnings.catch_warnings():  # of what is wrong with a picture one sentence is enough
            warnings.simplefilter("ignore")
            width, height = _pillow_size(path) or _deep_size(path)
    except Image.DecompressionBombError as error:
        raise too_large(path, None) from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, struct.error) as error:
        raise InputError(
            f"'{path.name}' is damaged or not a picture that can be read; save it again as PNG or "
            f"JPEG ({error})."
        ) from error
    if width * height > MAX_PIXELS:
        raise too_large(path, (width, height))
    return width, height


def too_large(path: Path, size: tuple[int, int] | None) -> InputError:
    """What to say of a picture of more than MAX_PIXELS."""
    shown = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
    return InputError(
        f"'{path.name}' has {shown}; scale it to at most {MAX_PIXELS // 1_000_000} megapixels."
    )


def is_radiance(path: Path) -> bool:
    """Whether `path` is an .hdr picture: linear light, to be converted to sRGB."""
    with path.open("rb") as file:
        return file.read(16).startswith(_RADIANCE)


def _pillow_size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except UnidentifiedImageError:
        return None


def _deep_size(path: Path) -> tuple[int, int]:
    """Of what Pillow leaves to OpenCV: TIFF of 16-bit colours, Radiance."""
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] in _TIFF:
            directory = ImageFileDirectory_v2(head)
            file.seek(directory.next)
            directory.load(file)
            return int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
        if head.startswith(b"#?"):
            found = _RADIANCE_SIZE.search(head + file.read(_RADIANCE_HEADER))
            if found:
                return int(found[2]), int(found[1])
    raise ValueError("its format is not known")
