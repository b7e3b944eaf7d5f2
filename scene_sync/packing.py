# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures and depths as bytes in the .blend: images that only carry them, and their thumbnails.

They are read from the packed bytes and never through Blender's colour management.
"""

from __future__ import annotations

import io
import zlib

import bpy
import numpy as np

from ..backend.shared.arrays import checked, read_npy, unpacked
from ..backend.shared.camera import MAX_SIZE

PREFIX = "WorldFM "
"""Begins the names of such images."""
_THUMBNAIL, _ICON = 128, 32
_MOST_BYTES = MAX_SIZE * MAX_SIZE * 6 + 4096
"""Of a frame's colours or depth, unpacked."""


def packed_image(name: str, data: bytes) -> bpy.types.Image:
    """An image that keeps these bytes in the .blend."""
    image = bpy.data.images.new(name, 1, 1)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    return image


def packed_bytes(image: bpy.types.Image | None) -> bytes:
    """What `packed_image` keeps. Raises ValueError when it is gone."""
    if image is None or image.packed_file is None:
        raise ValueError("its image was deleted")
    return bytes(image.packed_file.data)


def remove_unused(images: list[bpy.types.Image]) -> None:
    """Take those out of the file that nothing shows any more."""
    for image in dict.fromkeys(images):
        if not image.users:
            bpy.data.images.remove(image)


def smaller(rgb: np.ndarray, side: int = _THUMBNAIL) -> np.ndarray:
    """Every so manieth pixel of (H, W, 3), `side` of them at most along a side."""
    step = max(1, -(-max(rgb.shape[:2]) // side))
    return rgb[::step, ::step]


def set_thumbnail(image: bpy.types.Image, rgb: np.ndarray) -> None:
    """Blender makes previews of its own only where it shows assets; 4.3's lists show the icon."""
    preview = image.preview_ensure()
    for kind, side in (("image", _THUMBNAIL), ("icon", _ICON)):
        small = smaller(rgb, side)[::-1]
        rgba = np.ones((*small.shape[:2], 4), np.float32)
        rgba[..., :3] = small / np.float32(255)
        setattr(preview, f"{kind}_size", small.shape[1::-1])
        getattr(preview, f"{kind}_pixels_float").foreach_set(rgba.ravel())


def encode_halves(picture: np.ndarray) -> bytes:
    """Of (H, W, 3). All upper bytes before all lower ones: those are alike, and so a third
    smaller together."""
    halves = np.ascontiguousarray(picture, np.float16)
    planes = np.moveaxis(halves.view(np.uint8).reshape(*halves.shape, 2), -1, 0)
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(planes), allow_pickle=False)
    return zlib.compress(buffer.getvalue(), 3)


def decode_halves(data: bytes) -> np.ndarray:
    """(H, W, 3) float16. Raises what `reading.MALFORMED` lists."""
    planes = read_npy(unpacked(data, _MOST_BYTES))
    if planes.dtype != np.uint8 or planes.ndim != 4 or planes.shape[0] != 2:
        raise ValueError("its picture is not one of half floats")
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view(np.float16)[..., 0]


def encode_depth(depth: np.ndarray) -> bytes:
    """Of (H, W) metres."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(depth, np.float32), allow_pickle=False)
    return zlib.compress(buffer.getvalue(), 3)


def decode_depth(data: bytes) -> np.ndarray:
    """(H, W) float32 metres. Raises what `reading.MALFORMED` lists."""
    depth = read_npy(unpacked(data, _MOST_BYTES))
    return checked(depth, "its depth", np.float32, (None, None), least=0, infinite=True)
