# SPDX-License-Identifier: GPL-3.0-or-later
"""Past renders in the .blend: a PNG and a depth each, and of older ones a thumbnail."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import bpy
import numpy as np

from ..backend.shared.errors import InputError
from ..backend.shared.png import decode_png, encode_png
from ..backend.shared.reading import MALFORMED, as_sentence
from .packing import (
    PREFIX,
    decode_depth,
    encode_depth,
    packed_bytes,
    packed_image,
    remove_unused,
    set_thumbnail,
    smaller,
)


class Snapshot(NamedTuple):
    """A frame's colours as a PNG and its depth as it is packed; its name is of its content."""

    name: str
    picture: bytes
    depth: bytes
    small: np.ndarray


def snapshot(rgb: np.ndarray, depth: np.ndarray) -> Snapshot:
    """What `pack_snapshot` keeps of rgb (H, W, 3) uint8 and depth (H, W) float32. Any thread."""
    picture = encode_png(np.ascontiguousarray(rgb))
    name = hashlib.blake2b(picture, digest_size=8).hexdigest()
    small = np.ascontiguousarray(smaller(rgb))
    return Snapshot(name, picture, encode_depth(depth), small)


def pack_snapshot(item: bpy.types.PropertyGroup, made: Snapshot) -> None:
    """Keep it in the .blend, with `item`, which has `colour` and `depth`."""
    item.colour = packed_image(f"{PREFIX}{made.name} render", made.picture)
    set_thumbnail(item.colour, made.small)
    item.depth = packed_image(f"{PREFIX}{made.name} render depth", made.depth)


def shrink_snapshot(item: bpy.types.PropertyGroup) -> None:
    """Keep the thumbnail alone."""
    if item.colour is None or item.depth is None:
        return
    try:
        rgb = decode_png(packed_bytes(item.colour))
    except MALFORMED:  # of a file from elsewhere: it can be shown no more
        drop_pictures(item)
        return
    small = np.ascontiguousarray(smaller(rgb))
    name = item.colour.name.removesuffix(" render")
    drop_pictures(item)
    item.colour = packed_image(f"{name} thumbnail", encode_png(small))
    set_thumbnail(item.colour, small)


def drop_pictures(item: bpy.types.PropertyGroup) -> None:
    """Forget the pictures of an item of the history."""
    images = [image for image in (item.colour, item.depth) if image is not None]
    item.colour = item.depth = None
    remove_unused(images)


def read_snapshot(item: bpy.types.PropertyGroup) -> tuple[np.ndarray, np.ndarray]:
    """rgb (H, W, 3) uint8 and depth (H, W) float32. Raises InputError when they are not kept."""
    if item.depth is None or item.colour is None:
        raise InputError(
            f"Only a thumbnail of '{item.name}' is kept; recall its settings and render it again."
        )
    with as_sentence(
        lambda why: InputError(
            f"The picture of '{item.name}' cannot be read ({why}); recall its settings and render "
            "it again."
        )
    ):
        return decode_png(packed_bytes(item.colour)), decode_depth(packed_bytes(item.depth))
