# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames in the .blend: packed images that never change, named by what is in them.

Colours of photos are a PNG, so that Blender shows them; those of renders are compressed half floats
beside a small PNG; depth is a compressed .npy of exact float32. Frames of a world that is kept in a
folder are read from there, and only a thumbnail is packed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.errors import InputError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.moment import Moment
from ..backend.shared.png import decode_png, encode_png
from ..backend.shared.reading import MALFORMED, as_sentence, parse_json
from .moments import NONE, Moments, decode_moment, moment_name
from .packing import (
    PREFIX,
    decode_depth,
    decode_halves,
    encode_depth,
    encode_halves,
    packed_bytes,
    packed_image,
    remove_unused,
    set_thumbnail,
    smaller,
)
from .world_folder import folder_frame

_UNREADABLE: tuple[type[Exception], ...] = (*MALFORMED, WorldFMError)

_SHOWN = 512
"""Longest side of the PNG beside half floats."""
_cache: dict[str, MemoryFrame] = {}
_moments: dict[str, Moment | None] = {}
"""By the names of the images that hold them, which say what is in them."""
_seen: dict[tuple[str, str], MemoryFrame] = {}
"""Frames with their moments, by their id and the name of the moment's image."""


def frame_id(camera: Camera, picture: np.ndarray, depth: np.ndarray | None) -> str:
    """16 hex digits of all a memory frame is: (H, W, 3) picture and (H, W) depth, metres."""
    digest = hashlib.blake2b(json.dumps(camera.to_json()).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(picture).data)
    if depth is not None:
        digest.update(np.ascontiguousarray(depth).data)
    return digest.hexdigest()


def store_frame(
    scene: bpy.types.Scene,
    name: str,
    camera: Camera,
    picture: np.ndarray,
    depth: np.ndarray | None,
    moments: Moments = NONE,
    estimated: bool = False,
) -> bpy.types.PropertyGroup:
    """Add a memory frame to the scene, or return the one that holds the same already.

    picture: (H, W, 3) uint8 sRGB, or float16 scene-linear. moments: of the scene that it saw.
    estimated: see `MemoryFrame`.
    """
    linear = picture.dtype == np.float16
    colours: dict[str, Any] = {"radiance": picture} if linear else {"rgb": picture}
    identity = frame_id(camera, picture, depth)
    frame = MemoryFrame(identity, name, camera, depth=depth, estimated=estimated, **colours)
    items = scene.worldfm.memory
    for item in items:
        if item.id == frame.id:
            _pack_moments(item, moments)
            return item
    item = items.add()
    item.id, item.name, item.estimated = frame.id, name, estimated
    item.camera_json = json.dumps(camera.to_json())
    pack_frame(item, frame)
    _pack_moments(item, moments)
    scene.worldfm.memory_index = len(items) - 1
    return item


def pack_frame(item: bpy.types.PropertyGroup, frame: MemoryFrame) -> None:
    """Keep the frame of a list item in the .blend."""
    _drop_images(item)
    item.folder = ""
    shown = frame.rgb
    if frame.radiance is not None:
        shown = np.ascontiguousarray(smaller(frame.rgb, _SHOWN))
        packed = encode_halves(frame.radiance)
        item.radiance = packed_image(f"{PREFIX}{frame.id} radiance", packed)
    item.colour = packed_image(f"{PREFIX}{frame.id}", encode_png(shown))
    set_thumbnail(item.colour, shown)
    if frame.depth is not None:
        item.depth = packed_image(f"{PREFIX}{frame.id} depth", encode_depth(frame.depth))


def unpack_frame(item: bpy.types.PropertyGroup, frame: MemoryFrame, folder: str) -> None:
    """Keep only a thumbnail in the .blend; the frame is in the world's folder `folder`."""
    _drop_images(item)
    item.folder = folder
    small = np.ascontiguousarray(smaller(frame.rgb))
    item.colour = packed_image(f"{PREFIX}{frame.id} thumbnail", encode_png(small))
    set_thumbnail(item.colour, small)


def images_of(item: bpy.types.PropertyGroup) -> list[bpy.types.Image]:
    """The packed images of a list item; frames that saw the same scene share those of that."""
    images = (item.colour, item.radiance, item.depth, item.moment, item.moment_view)
    return list(dict.fromkeys(image for image in images if image is not None))


def _pack_moments(item: bpy.types.PropertyGroup, moments: Moments) -> None:
    before = [image for image in (item.moment, item.moment_view) if image is not None]
    item.moment = None if moments.render is None else _moment_image(moments.render)
    item.moment_view = None if moments.view is None else _moment_image(moments.view)
    remove_unused(before)


def _moment_image(data: bytes) -> bpy.types.Image:
    """The image that holds these bytes, which other frames may use too."""
    name = f"{PREFIX}{moment_name(data)} moment"
    known = bpy.data.images.get(name)
    if known is not None and known.packed_file is not None and packed_bytes(known) == data:
        return known
    return packed_image(name, data)


def _drop_images(item: bpy.types.PropertyGroup) -> None:
    images = [image for image in (item.colour, item.radiance, item.depth) if image is not None]
    item.colour = item.radiance = item.depth = None
    remove_unused(images)


def camera_of(item: bpy.types.PropertyGroup) -> Camera:
    """The camera of a memory frame or a render. Raises InputError when it cannot be read."""
    with as_sentence(
        lambda why: InputError(
            f"The camera of '{item.name}' cannot be read ({why}); remove it from the list."
        ),
        WorldFMError,
    ):
        return Camera.from_json(parse_json(item.camera_json))


def read_frames(scene: bpy.types.Scene, final: bool = False) -> tuple[list[MemoryFrame], list[str]]:
    """The enabled memory frames, and one sentence for each that cannot be read.

    final: with what they saw as final renders have it, instead of as viewports do.
    """
    frames, problems = [], []
    for item in scene.worldfm.memory:
        if not item.enabled:
            continue
        try:
            frames.append(read_frame(item, final))
        except WorldFMError as error:
            problems.append(str(error))
    return frames, problems


def is_kept(item: bpy.types.PropertyGroup) -> bool:
    """Whether `read_frame` has it at hand."""
    return item.id in _cache and item.colour is not None


def read_frame(item: bpy.types.PropertyGroup, final: bool = False) -> MemoryFrame:
    """The memory frame of a list item. final: as in `read_frames`.

    Raises InputError when its image is gone or damaged.
    """
    frame = _read_picture(item)
    image = item.moment if final else item.moment_view
    if image is None:
        return frame
    key = item.id, image.name
    seen = _seen.get(key)
    if seen is None:
        seen = _seen[key] = frame.seen_at(_read_moment(item, image))
    return seen


FrameKey = tuple[str, str]
"""Names a memory frame and what is known of the scene that it saw."""


def frame_key(item: bpy.types.PropertyGroup) -> FrameKey:
    """Of a list item."""
    return item.id, item.moment_view.name if item.moment_view is not None else ""


def moment_reader(
    item: bpy.types.PropertyGroup,
) -> Callable[[], tuple[Moment | None, Camera] | None] | None:
    """What reads a list item's moment and camera in any thread; None without a moment. It gives
    None where these are damaged, which is said where the frame is read."""
    image = item.moment_view
    if image is None or image.packed_file is None:
        return None
    name, data, camera = image.name, packed_bytes(image), item.camera_json

    def read() -> tuple[Moment | None, Camera] | None:
        try:
            if name not in _moments:
                _moments[name] = decode_moment(data)
            return _moments[name], Camera.from_json(parse_json(camera))
        except _UNREADABLE:
            return None

    return read


def _read_moment(item: bpy.types.PropertyGroup, image: bpy.types.Image) -> Moment | None:
    if image.name not in _moments:
        with _readable(item):
            _moments[image.name] = decode_moment(packed_bytes(image))
    return _moments[image.name]


def _readable(item: bpy.types.PropertyGroup) -> AbstractContextManager[None]:
    return as_sentence(
        lambda why: InputError(
            f"The memory frame '{item.name}' cannot be read ({why}); remove it from the list and "
            "capture it again."
        ),
        WorldFMError,
    )


def _read_picture(item: bpy.types.PropertyGroup) -> MemoryFrame:
    kept = _cache.get(item.id)
    if kept is not None and item.colour is not None:
        return kept
    if item.folder:
        frame = replace(folder_frame(item.folder, item.id), id=item.id, name=item.name)
        _cache[item.id] = frame
        return frame
    with _readable(item):
        camera = Camera.from_json(parse_json(item.camera_json))
        depth = decode_depth(packed_bytes(item.depth)) if item.depth else None
        colours: dict[str, Any]
        if item.radiance:
            colours = {"radiance": decode_halves(packed_bytes(item.radiance))}
        else:
            size = (camera.width, camera.height)
            colours = {"rgb": decode_png(packed_bytes(item.colour), size)}
        told = item.estimated
        frame = MemoryFrame(item.id, item.name, camera, depth=depth, estimated=told, **colours)
    _cache[item.id] = frame
    return frame


def forget_frames() -> None:
    """Empty the cache: another file was loaded."""
    _cache.clear()
    _moments.clear()
    _seen.clear()
