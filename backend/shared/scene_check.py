# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a scene that came from outside can be used: types, shapes, finite numbers, ranges."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .errors import WorldError
from .frame import MemoryFrame
from .reading import MALFORMED, parse_json
from .scene import Background, Instance, Lamp, Material, Mesh, Scene, Texture

MAX_TEXTURE_SIDE = 16384
_LAMPS = {"SUN", "POINT", "SPOT", "AREA"}
_SHAPES = {"SQUARE", "RECTANGLE", "DISK", "ELLIPSE"}
_FILTERS = {"BLACKMAN_HARRIS", "GAUSSIAN", "BOX"}


class SceneCheck:
    """Looks at each part once and at how they refer to one another each time."""

    def __init__(self) -> None:
        self._last_texture: WeakKeyDictionary[Material, int] = WeakKeyDictionary()

    def part(self, part: Any) -> None:
        """A part of a world or a memory frame. Raises WorldError when it cannot be used."""
        match part:
            case Mesh():
                _check_mesh(part)
            case Texture():
                _check_texture(part)
            case Background():
                _check_array(part.pixels, "the background", (np.float32,), (None, None, 3))
            case MemoryFrame() if part.moment is not None:
                self.lamps(part.moment.lamps)
            case Material():
                self._last_texture[part] = _last_texture(part)

    def lamps(self, lamps: tuple[Lamp, ...]) -> None:
        """Raises WorldError when one cannot be used."""
        for lamp in lamps:
            _check_lamp(lamp)

    def scene(self, scene: Scene) -> None:
        """All that refers to its parts, which were looked at. Raises WorldError."""
        for one in scene.instances:
            _check_instance(one, scene)
        self.lamps(scene.lamps)
        for material in scene.materials:
            if self._last_texture[material] >= len(scene.textures):
                raise _unusable(f"the material '{material.name}'", "names a picture it lacks")
        if scene.film.filter not in _FILTERS or scene.film.width <= 0:
            raise _unusable("the film", "has an unknown pixel filter")


def _unusable(what: str, why: str) -> WorldError:
    return WorldError(
        f"The scene cannot be used: {what} {why}; mend it in Blender and send or export it again."
    )


def _check_array(
    array: np.ndarray, what: str, dtypes: tuple[type, ...], shape: tuple[int | None, ...]
) -> None:
    """None in `shape` stands for any number from 1 on."""
    fits = array.ndim == len(shape) and all(
        size == wanted if wanted is not None else size > 0
        for size, wanted in zip(array.shape, shape, strict=True)
    )
    if array.dtype not in dtypes or not fits:
        raise _unusable(what, f"has an array of {array.dtype} {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _unusable(what, "has numbers that are not finite")


def _check_mesh(mesh: Mesh) -> None:
    what = f"a mesh of {len(mesh.vertices)} vertices"
    count, f4 = len(mesh.triangles), (np.float32,)
    _check_array(mesh.vertices, what, f4, (len(mesh.vertices), 3))
    _check_array(mesh.triangles, what, (np.int32,), (count, 3))
    _check_array(mesh.slots, what, (np.int32,), (count,))
    if mesh.normals is not None:
        _check_array(mesh.normals, what, f4, (count, 3, 3))
    for layer in mesh.uv.values():
        _check_array(layer, what, f4, (count, 3, 2))
    for layer in mesh.colors.values():
        _check_array(layer, what, f4, (count, 3, 4))
    if mesh.bounds is not None:
        _check_array(mesh.bounds, what, f4, (2, 3))
    if count and not 0 <= mesh.triangles.min() <= mesh.triangles.max() < len(mesh.vertices):
        raise _unusable(what, "has triangles whose corners do not exist")
    if count and mesh.slots.min() < 0:
        raise _unusable(what, "has a negative material slot")


def _check_texture(texture: Texture) -> None:
    what = f"the picture '{texture.name}'"
    _check_array(texture.pixels, what, (np.uint8, np.float16), (None, None, 4))
    if max(texture.pixels.shape) > MAX_TEXTURE_SIDE:
        raise _unusable(what, f"has more than {MAX_TEXTURE_SIDE} pixels a side")


def _check_instance(one: Instance, scene: Scene) -> None:
    what = f"the object '{one.object}'"
    _check_array(one.matrix, what, (np.float64,), (4, 4))
    if not 0 <= one.mesh < len(scene.meshes):
        raise _unusable(what, "has a mesh that does not exist")
    if not all(-1 <= number < len(scene.materials) for number in one.materials):
        raise _unusable(what, "has a material that does not exist")
    if len(one.color) != 4:
        raise _unusable(what, "has a colour that is no RGBA")


def _check_lamp(lamp: Lamp) -> None:
    what = f"the lamp '{lamp.key}'"
    _check_array(lamp.matrix, what, (np.float64,), (4, 4))
    if lamp.kind not in _LAMPS or lamp.shape not in _SHAPES:
        raise _unusable(what, "is of an unknown kind")


def _last_texture(material: Material) -> int:
    """Highest number of a texture that a program names, -1 when it names none."""
    what = f"the material '{material.name}'"
    try:
        nodes = parse_json(material.program)["nodes"]
        numbers = [node.get("props", {}).get("texture", -1) for node in nodes]
        links = [
            (i, value["node"])
            for i, node in enumerate(nodes)
            for value in node.get("inputs", {}).values()
            if isinstance(value, dict)
        ]
    except MALFORMED as error:
        raise _unusable(what, "has a program that cannot be read") from error
    whole = all(type(number) is int for number in numbers)
    if not whole or not all(type(to) is int and 0 <= to < i for i, to in links):
        raise _unusable(what, "has a program that cannot be read")
    return max(numbers, default=-1)
