# SPDX-License-Identifier: GPL-3.0-or-later
"""Baked pictures that are kept with objects: what fits a shape, and the shape with their UV layer.

The user's meshes and materials stay as they are: the layer is read beside the mesh, and the
pictures stand in the programs of the materials alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import bpy
import numpy as np

from ..backend.shared.arrays import checked, read_npy, unpacked
from ..backend.shared.content import content_hash
from ..backend.shared.part_names import SHAPE, alike
from ..backend.shared.reading import MALFORMED, parse_json
from ..backend.shared.scene import BAKE_LAYER
from .geometry import Surface
from .packing import PREFIX, packed_bytes, packed_image
from .shader import Shader
from .shader_graph import Baked
from .unfollowed import Bake, fitting

_MOST_BYTES = 1 << 30
_STEPS = np.float32(65535)
_layers: dict[str, np.ndarray] = {}
"""UV layers that were read, by the names of their images, which say what is in them."""


class Fitting(NamedTuple):
    """What of an object's bakes is to be used. said: what is wrong with it, "" if nothing is."""

    item: bpy.types.PropertyGroup | None
    said: str


def find(ob: bpy.types.Object, surface: Surface, keys: Iterable[str], bends: bool) -> Fitting:
    """Of an object, for a surface of it. keys: of what is wanted. bends: its vertices may stand
    anywhere."""
    items = ob.worldfm.bakes
    number = fitting([_bake(item) for item in items], surface.topology, keys)
    if number is None:
        return Fitting(None, _CHANGED.format(ob.name) if len(items) else "")
    item = items[number]
    if read_layer(item, len(surface.mesh.triangles)) is None:
        return Fitting(None, f"What was baked of '{ob.name}' is damaged: press Bake Materials.")
    moved = not bends and not same_shape(item, surface)
    return Fitting(item, _CHANGED.format(ob.name) if moved else "")


_CHANGED = "'{}' changed since its materials were baked: press Bake Materials."


def _bake(item: bpy.types.PropertyGroup) -> Bake:
    return Bake(item.topology, frozenset(v.key for v in item.values if v.image is not None))


def same_shape(item: bpy.types.PropertyGroup, surface: Surface) -> bool:
    """Whether a surface stands as it did when it was baked."""
    try:
        row = np.array(parse_json(item.shape), np.float64)
    except MALFORMED:
        return False
    return row.shape == (SHAPE,) and bool(alike(row[None], surface.mesh.names.shape[None])[0])


def pictures_of(item: bpy.types.PropertyGroup, shader: Shader) -> Baked:
    """What stands for the values of a material."""
    images = {value.key: value.image for value in item.values}
    return {w.place: (images[w.key], w.normal) for w in shader.wanted if w.key in images}


def dressed(surface: Surface, item: bpy.types.PropertyGroup) -> Surface:
    """A surface with the UV layer of a bake that fits it."""
    layer = read_layer(item, len(surface.mesh.triangles))
    if layer is None:
        return surface
    mesh = replace(surface.mesh, uv={**surface.mesh.uv, BAKE_LAYER: layer})
    name = item.uv.name.encode()  # says what is in it
    return Surface(mesh, hashlib.blake2b(surface.digest + name, digest_size=16).digest())


def read_layer(item: bpy.types.PropertyGroup, count: int) -> np.ndarray | None:
    """(count, 3, 2) float32 coordinates of a bake; None when they are damaged."""
    image = item.uv
    if image is None:
        return None
    try:
        if image.name not in _layers:
            steps = read_npy(unpacked(packed_bytes(image), _MOST_BYTES))
            checked(steps, "its coordinates", np.uint16, (None, 3, 2))
            _layers[image.name] = steps.astype(np.float32) / _STEPS
    except MALFORMED:
        return None
    layer = _layers[image.name]
    return layer if len(layer) == count else None


def forget_layers() -> None:
    """Another file was loaded."""
    _layers.clear()


@dataclass(frozen=True, eq=False)
class Made:
    """What was baked of one shape. uv: (T, 3, 2). values: (H, W, 3) float32 by key, row 0 at the
    bottom."""

    surface: Surface
    uv: np.ndarray
    values: dict[str, np.ndarray]


def _layer_image(uv: np.ndarray) -> bpy.types.Image:
    """Coordinates (T, 3, 2) in [0, 1], packed in steps of 1 / 65535."""
    steps = np.rint(np.clip(uv, 0, 1) * _STEPS).astype(np.uint16)
    buffer = io.BytesIO()
    np.save(buffer, steps, allow_pickle=False)
    name, data = f"{PREFIX}{content_hash(steps)[:16]} coordinates", zlib.compress(buffer.getvalue())
    known = bpy.data.images.get(name)
    if known is not None and known.packed_file is not None and packed_bytes(known) == data:
        return known
    return packed_image(name, data)


def _value_image(pixels: np.ndarray) -> bpy.types.Image:
    """(H, W, 3) float32, row 0 at the bottom, packed as they are."""
    height, width = pixels.shape[:2]
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels
    name = f"{PREFIX}{content_hash(rgba)[:16]} bake"
    known = bpy.data.images.get(name)
    if known is not None and known.packed_file is not None and [*known.size] == [width, height]:
        return known
    image = bpy.data.images.new(name, width, height, float_buffer=True, is_data=True)
    image.alpha_mode = "NONE"
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


def keep(ob: bpy.types.Object, made: Made) -> None:
    """Keep with an object what was baked of it, in the place of what was kept of that shape."""
    forget(ob, {made.surface.topology})
    item = ob.worldfm.bakes.add()
    item.topology = made.surface.topology
    item.shape = json.dumps([float(v) for v in made.surface.mesh.names.shape])
    item.uv = _layer_image(made.uv)
    for key, pixels in made.values.items():
        value = item.values.add()
        value.key, value.image = key, _value_image(pixels)
    ob.update_tag()


def forget(ob: bpy.types.Object, topologies: set[str]) -> None:
    """Remove what was kept of these shapes, and pictures that nothing uses any more."""
    bakes = ob.worldfm.bakes
    for number in range(len(bakes) - 1, -1, -1):
        item = bakes[number]
        if item.topology in topologies:
            images = [item.uv, *(value.image for value in item.values)]
            bakes.remove(number)
            for image in dict.fromkeys(i for i in images if i is not None):
                if not image.users:
                    bpy.data.images.remove(image)
