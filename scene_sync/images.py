# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images as textures: copied once in Blender's thread, made ready where first asked for.

What is read is kept until `forget_pictures`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from threading import Lock

import bpy
import numpy as np

from ..backend.shared.color import linear_to_srgb, srgb_to_linear
from ..backend.shared.scene import Texture

MAX_SIDE = 4096
"""Pixels a side; larger images are averaged down to it."""
_MOST_WAITING = 512 * 2**20
"""Bytes of copied pixels that may wait for a thread; beyond, they are worked on at once."""
_STRIP = 2**24
"""Pixels that are averaged in one go."""
_DATA = {"Non-Color", "Raw", "data"}
_LINEAR = {"Linear Rec.709", "Linear", "scene_linear"} | _DATA
_MOST_HALF = 65504.0
_Key = tuple[object, ...]


class Picture:
    """One image file, tile or frame. Equal ones are the same object until they are forgotten.

    values: (H, W, C) float32, row 0 at the bottom.
    """

    def __init__(self, name: str, values: np.ndarray, kind: _Kind) -> None:
        self.name = name
        self._values: np.ndarray | None = values
        self._kind = kind
        self._made: Texture | None = None
        self._fingerprint: bytes | None = None
        self._lock = Lock()

    @property
    def known(self) -> bool:
        """Whether a texture can have the image's colour space."""
        return self._kind.known

    @property
    def waiting(self) -> int:
        """Bytes of copied pixels that nothing was made of yet."""
        values = self._values
        return 0 if values is None else values.nbytes

    @property
    def fingerprint(self) -> bytes:
        """Tells pictures apart, also when one was forgotten and read anew."""
        with self._lock:
            if self._fingerprint is None:
                values = self._values if self._made is None else self._made.pixels
                digest = hashlib.blake2b(repr(self._kind).encode(), digest_size=16)
                digest.update(np.ascontiguousarray(values).data)
                self._fingerprint = digest.digest()
            return self._fingerprint

    @property
    def content(self) -> str:
        """Names the pixels, in any session. Takes its time when first asked, as `texture` does."""
        return self.texture.content

    @property
    def texture(self) -> Texture:
        """The pixels. Takes its time when first asked: not for a draw."""
        with self._lock:
            if self._made is None:
                assert self._values is not None  # they go when they are made into it
                self._made = self._kind.texture(self.name, self._values)
                self._values = None
            return self._made


@dataclass(frozen=True)
class _Kind:
    """How an image's stored values are meant. known: whether a texture has such colours."""

    half: bool
    srgb: bool
    known: bool
    opaque: bool
    premultiplied: bool
    tile: int

    @classmethod
    def of(cls, image: bpy.types.Image, tile: int) -> _Kind:
        space = image.colorspace_settings.name
        half, linear = image.is_float, space in _LINEAR
        return cls(
            half,
            # the pixels of byte images stand as they are stored, those of float images are linear
            not half and not linear,
            half or linear or space in {"sRGB", ""},
            image.alpha_mode == "NONE",
            half and image.alpha_mode in {"STRAIGHT", "PREMUL"},
            tile,
        )

    def texture(self, name: str, values: np.ndarray) -> Texture:
        """Of values (H, W, C) float32, row 0 at the bottom."""
        rgba = _four_channels(np.nan_to_num(values[::-1], posinf=_MOST_HALF, neginf=-_MOST_HALF))
        if self.opaque:
            rgba[..., 3] = 1
        if self.premultiplied:
            alpha = rgba[..., 3:]
            np.divide(rgba[..., :3], alpha, out=rgba[..., :3], where=alpha > 0)
        if self.half:
            pixels = np.clip(rgba, -_MOST_HALF, _MOST_HALF).astype(np.float16)
        else:
            pixels = (np.clip(rgba, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        full = np.float16(1) if self.half else np.uint8(255)
        transparent = bool((pixels[..., 3] < full).any())
        return Texture(name, pixels, self.srgb, transparent, self.tile)


def _four_channels(values: np.ndarray) -> np.ndarray:
    """(H, W, 4) of one to four channels: grey, grey and alpha, colour, colour and alpha."""
    height, width, channels = values.shape
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = values[..., :3] if channels >= 3 else values[..., :1]
    if channels in {2, 4}:
        rgba[..., 3] = values[..., -1]
    return rgba


_cache: dict[_Key, Picture] = {}


def forget_pictures(names: set[str] | None = None) -> None:
    """Read images anew, all or those of these full names: they were painted or loaded."""
    for key in list(_cache):
        if names is None or key[0] in names:
            _cache.pop(key, None)


def read_node_image(
    node: bpy.types.ShaderNodeTexImage, frame: int
) -> tuple[dict[int, Picture], list[str]]:
    """The tiles of an image node's picture by number (0: it has none), and what went wrong.

    frame: the scene's. Without a picture Cycles shows pink, and so does a world.
    """
    image = node.image
    if image is None:
        return {}, []
    if image.source == "TILED":
        found = {tile.number: read_tile(image, tile.number) for tile in image.tiles}
    elif image.source == "SEQUENCE":
        found = {0: read_sequence(image, frame_of(node.image_user, frame))}
    else:
        found = {0: read_image(image)}
    problems = []
    if None in found.values():
        path = PurePath(image.filepath.replace("\\", "/")).name or image.name
        problems.append(f"the image '{path}' cannot be read and is shown pink; find its file.")
    if any(picture is not None and not picture.known for picture in found.values()):
        problems.append(
            f"the colour space '{image.colorspace_settings.name}' of the image '{image.name}' "
            "is taken for sRGB; choose sRGB, Linear Rec.709 or Non-Color."
        )
    if image.source == "MOVIE":
        problems.append(
            f"the movie '{image.name}' shows its first frame only; use an image sequence."
        )
    return {tile: picture for tile, picture in found.items() if picture is not None}, problems


def frame_of(user: bpy.types.ImageUser, frame: int) -> int:
    """The number of a sequence's file at a frame of the scene."""
    place = frame - user.frame_start
    if user.use_cyclic and user.frame_duration:
        place %= user.frame_duration
    return min(max(place, 0), max(user.frame_duration, 1) - 1) + 1 + user.frame_offset


def tile_path(path: str, tile: int) -> str:
    """The file of a UDIM tile."""
    row, column = divmod(tile - 1001, 10)
    return path.replace("<UDIM>", str(tile)).replace("<UVTILE>", f"u{column + 1}_v{row + 1}")


def sequence_path(path: str, number: int) -> str:
    """The file of a frame: the last digits of the name are its number."""
    folder, name = os.path.split(path)
    digits = re.search(r"(\d+)(?=\D*$)", name)
    if digits is None:
        return path
    start, end = digits.span()
    return os.path.join(folder, f"{name[:start]}{number:0{end - start}d}{name[end:]}")


def read_tile(image: bpy.types.Image, tile: int) -> Picture | None:
    """One UDIM tile, None when it cannot be read."""
    path = tile_path(bpy.path.abspath(image.filepath, library=image.library), tile)
    packed = next(
        (p for p in image.packed_files if getattr(p, "tile_number", 0) == tile),
        None,
    )
    return _read_file(image, path, packed, tile)


def read_sequence(image: bpy.types.Image, number: int) -> Picture | None:
    """One frame of a sequence, None when it cannot be read."""
    path = sequence_path(bpy.path.abspath(image.filepath, library=image.library), number)
    return _read_file(image, path, None, 0)


def _read_file(
    image: bpy.types.Image, path: str, packed: bpy.types.ImagePackedFile | None, tile: int
) -> Picture | None:
    """A file that an image is made of; Blender gives the pixels of whole images only."""
    key = (*_key(image), path)
    if key in _cache:
        return _cache[key]
    if packed is None and not os.path.isfile(path):
        return None
    with _opened(path, packed) as other:
        other.colorspace_settings.name = image.colorspace_settings.name
        other.alpha_mode = image.alpha_mode
        return _read(other, key, tile)


@contextmanager
def _opened(path: str, packed: bpy.types.ImagePackedFile | None) -> Iterator[bpy.types.Image]:
    """A file as an image of its own, for a moment."""
    if packed is None:
        image = bpy.data.images.load(path)
    else:
        image = bpy.data.images.new("WorldFM", 1, 1)
        data = packed.packed_file.data
        image.pack(data=data, data_len=len(data))
        image.source = "FILE"
    try:
        yield image
    finally:
        bpy.data.images.remove(image)


def is_premultiplied(image: bpy.types.Image | None) -> bool:
    """Whether Cycles multiplies an image's colours by its alpha where nothing else uses that."""
    if image is None or image.colorspace_settings.name in _DATA:
        return False
    return image.alpha_mode in {"STRAIGHT", "PREMUL"}


def read_image(image: bpy.types.Image) -> Picture | None:
    """The pixels of a single image, or None when it cannot be read."""
    key = _key(image)
    return _cache[key] if key in _cache else _read(image, key, 0)


def _key(image: bpy.types.Image) -> _Key:
    space = image.colorspace_settings.name
    return (image.name_full, image.filepath, space, image.alpha_mode)


def _read(image: bpy.types.Image, key: _Key, tile: int) -> Picture | None:
    # asking an image for its size has Blender decode it, and again once it let go of the pixels
    width, height = image.size
    if width == 0 or height == 0 or image.channels not in {1, 2, 3, 4}:
        return None
    waiting = sum(kept.waiting for kept in list(_cache.values()))
    kind = _Kind.of(image, tile)
    picture = _cache[key] = Picture(str(key[0]), _copied(image, kind, MAX_SIDE), kind)
    if waiting > _MOST_WAITING:
        picture.texture  # noqa: B018 made at once, for the sake of memory
    return picture


def whole_texture(image: bpy.types.Image) -> Texture:
    """Every pixel of an image, however large; nothing is kept."""
    kind = _Kind.of(image, 0)
    return kind.texture(image.name_full, _copied(image, kind, max(image.size)))


def _copied(image: bpy.types.Image, kind: _Kind, most: int) -> np.ndarray:
    """(H, W, C) float32 as Blender gives them, at most `most` a side."""
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    values = flat.reshape(height, width, image.channels)
    step = -(-max(width, height) // most)
    return values if step == 1 else averaged(values, step, kind.srgb)


def averaged(values: np.ndarray, step: int, encoded: bool) -> np.ndarray:
    """(H, W, C) to means of blocks of `step` x `step` pixels; those at the far edges may be less.

    encoded: as sRGB; the mean is taken of light.
    """
    height, width, channels = values.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    made = np.empty((len(rows), len(columns), channels), np.float32)
    count = np.diff(np.append(columns, width)).astype(np.float32)[:, None]
    strip = max(1, _STRIP // (width * step)) * step
    for start in range(0, height, strip):
        part = values[start : start + strip]
        light = np.concatenate([srgb_to_linear(part[..., :3]), part[..., 3:]], axis=2)
        part = light if encoded else part
        own = np.arange(0, len(part), step)
        high = np.diff(np.append(own, len(part))).astype(np.float32)[:, None, None]
        sums = np.add.reduceat(np.add.reduceat(part, own, axis=0), columns, axis=1)
        made[start // step : start // step + len(own)] = sums / (count * high)
    if encoded:
        made[..., :3] = linear_to_srgb(made[..., :3])
    return made
