# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered frames as files: PNG with metadata, depth as EXR, and films. Nothing half-written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .shared.errors import InputError
from .shared.files import replacing, write_atomically
from .shared.reading import MALFORMED

_EXR_PREFIX = "worldfm/"
_UNREADABLE: tuple[type[Exception], ...] = (
    RuntimeError,
    Image.DecompressionBombError,
    *MALFORMED,
)


def write_png(path: Path, picture: np.ndarray, metadata: Mapping[str, str]) -> None:
    """`picture` (H, W, 3) or (H, W) uint8 with `metadata` in text chunks. No time stamp in it."""
    info = PngInfo()
    for key, value in metadata.items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", pnginfo=info, compress_level=4)
    write_atomically(path, buffer.getvalue())


def read_metadata(path: Path) -> dict[str, str]:
    """What was written with a PNG or EXR; empty when there is no such file or it is damaged."""
    if not path.is_file():
        return {}
    if path.suffix == ".exr":
        return _read_exr_metadata(path)
    try:
        with Image.open(path) as image:
            image.load()
            text: dict[str, str] = getattr(image, "text", {})  # other formats have none
            return dict(text)
    except _UNREADABLE:
        return {}


def read_png(path: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_depth_exr(path: Path, depth: np.ndarray, metadata: Mapping[str, str]) -> None:
    """`depth` (H, W) float32 metres, +inf = sky, 0 = unknown, as the float channel Z."""
    exr = _openexr()
    header = {
        "compression": exr.ZIP_COMPRESSION,
        "type": exr.scanlineimage,
        **{_EXR_PREFIX + key: value for key, value in metadata.items()},
    }
    with replacing(path) as beside:
        exr.File(header, {"Z": np.ascontiguousarray(depth, np.float32)}).write(str(beside))


def _read_exr_metadata(path: Path) -> dict[str, str]:
    try:
        with _openexr().File(str(path)) as file:
            header = dict(file.header())
    except _UNREADABLE:
        return {}
    cut = len(_EXR_PREFIX)
    return {key[cut:]: value for key, value in header.items() if key.startswith(_EXR_PREFIX)}


def _openexr() -> ModuleType:
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError(
            "The depth pass needs the package OpenEXR; install it with 'pip install OpenEXR' or "
            "leave depth out of --passes."
        ) from error
    return OpenEXR


def write_film(path: Path, frames: Sequence[Path], fps: int) -> None:
    """The PNG files `frames`, all of one size, as an H.264 film; odd sides lose one pixel."""
    import av

    with (
        replacing(path) as beside,
        av.open(str(beside), "w", format="mp4", options={"movflags": "faststart"}) as film,
    ):
        first = read_png(frames[0])
        stream = film.add_stream("libx264", rate=fps, options={"crf": "17"})
        stream.height, stream.width = (side - side % 2 for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        for file in frames:
            picture = read_png(file)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
