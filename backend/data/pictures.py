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
from ..shared.reading import as_sentence, open_plain

MAX_PIXELS = 160_000_000
"""More than this is refused: a few bytes on disk can be gigabytes in memory."""

_TIFF = (b"II*\0", b"MM\0*")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_RADIANCE = (b"#?RADIANCE", b"#?RGBE")
_RADIANCE_SIZE = re.compile(rb"\n[-+]Y (\d+) [-+]X (\d+)\n")
_RADIANCE_HEADER = 4096
_EXR = b"\x76\x2f\x31\x01"
_BOXES = {b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC",
          b"msf1": "HEIC", b"crx ": "camera raw"}  # fmt: skip
"""Brands of files made of ISO boxes that are not read here."""
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_RAW_ENDINGS = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
UNREAD_ENDINGS = (*_RAW_ENDINGS, ".heic", ".heif", ".jxl")
"""Of pictures that cameras and phones write and that are not read here."""
_DNG_VERSION = 50706


def check_picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture of any kind that can be read, 16-bit and float ones too.

    Raises InputError when it is no such picture or has more than MAX_PIXELS.
    """
    try:
        # of what is wrong with a picture one sentence is enough
        with as_sentence(lambda why: unreadable(path, why)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _refuse_unread(path)
            width, height = _pillow_size(path) or _deep_size(path)
    except Image.DecompressionBombError as error:
        raise too_large(path, None) from error
    if width * height > MAX_PIXELS:
        raise too_large(path, (width, height))
    return width, height


def is_cut_off(path: Path) -> bool:
    """Whether a picture begins as one but its pixels cannot be had, as after a copy that was broken
    off. What is no picture at all is for `check_picture_size` to say."""
    if path.stat().st_size == 0:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                if image.format == "JPEG":
                    image.draft("RGB", (64, 64))  # an eighth of its size: all of the file is read
                    image.load()
                else:
                    image.verify()
        except (UnidentifiedImageError, Image.DecompressionBombError):
            return False
        except (OSError, SyntaxError, ValueError, EOFError, struct.error):
            return True
    return False


def unreadable(path: Path, why: str) -> InputError:
    """What to say of a picture that cannot be read."""
    return InputError(
        f"'{path.name}' is damaged or not a picture that can be read; save it again as PNG or "
        f"JPEG ({why})."
    )


def too_large(path: Path, size: tuple[int, int] | None) -> InputError:
    """What to say of a picture of more than MAX_PIXELS."""
    shown = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
    return InputError(
        f"'{path.name}' has {shown}; scale it to at most {MAX_PIXELS // 1_000_000} megapixels."
    )


def is_exr(path: Path) -> bool:
    """Whether `path` is an OpenEXR picture: linear light, to be converted to sRGB."""
    with open_plain(path) as file:
        return file.read(4) == _EXR


def is_radiance(path: Path) -> bool:
    """Whether `path` is an .hdr picture: linear light, to be converted to sRGB."""
    with open_plain(path) as file:
        return file.read(16).startswith(_RADIANCE)


def _refuse_unread(path: Path) -> None:
    """Says of a kind of picture that is known and not read what to do instead."""
    with open_plain(path) as file:
        head = file.read(12)
    kind = _BOXES.get(head[8:12]) if head[4:8] == b"ftyp" else None
    if head.startswith(_JPEG_XL):
        kind = "JPEG XL"
    if path.suffix.lower() in _RAW_ENDINGS:
        kind = "camera raw"
    if kind:
        raise _unread(path, kind)


def _unread(path: Path, kind: str) -> InputError:
    return InputError(
        f"'{path.name}' is a {kind} picture, which is not read here; export it as JPEG, PNG or "
        "TIFF first."
    )


def _pillow_size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            if _DNG_VERSION in getattr(image, "tag_v2", {}):  # its first image is a thumbnail
                raise _unread(path, "camera raw")
            return image.size
    except UnidentifiedImageError:
        return None


def _deep_size(path: Path) -> tuple[int, int]:
    """Of what Pillow leaves to OpenCV: TIFF of 16-bit colours, Radiance."""
    with open_plain(path) as file:
        head = file.read(8)
        if head[:4] in _TIFF:
            directory = ImageFileDirectory_v2(head)
            file.seek(directory.next)
            directory.load(file)
            return int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
        if head.startswith(_EXR):
            return _exr_size(path)
        if head.startswith(b"#?"):
            found = _RADIANCE_SIZE.search(head + file.read(_RADIANCE_HEADER))
            if found:
                return int(found[2]), int(found[1])
    raise ValueError("its format is not known")


def _exr_size(path: Path) -> tuple[int, int]:
    import OpenEXR

    try:
        header = OpenEXR.File(str(path), header_only=True).header()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    low, high = header["dataWindow"]
    return int(high[0]) - int(low[0]) + 1, int(high[1]) - int(low[1]) + 1
