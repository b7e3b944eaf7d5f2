# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of what a scene's instances are: alike where those are, in any session and machine.

Vertices and coordinates are named by sums that are compared with a tolerance, for modifiers round
their last bits differently from one session and processor to the next; the rest by hashes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from .content import content_hash
from .scene import BAKE_LAYER, Instance, Material, Mesh, Scene, Texture

SHAPE = 2 + 9
"""Numbers that name the vertices of a mesh: count, extent, and three sums of each coordinate."""
LAYERS = 2 + 3
"""Numbers that name the values of all its layers: count, extent, and three sums."""
_TOLERANCE = {SHAPE: 1e-5, LAYERS: 1e-4}
_ROWS = 1 << 18
_OWN = ("OBJECT_INFO", "ATTRIBUTE", "HAIR_INFO", "PARTICLE_INFO")
"""Nodes that ask for what one object has for its own."""


@dataclass(frozen=True, eq=False)
class Names:
    """Of N instances.

    shapes: (N, SHAPE) float64 of their vertices. layers: (N, LAYERS) float64 of UV coordinates and
    colour attributes. looks: (N, 2) int32 of triangles, materials and all else. sky: of the
    background. around: of fog and film.
    """

    keys: list[str]
    shapes: np.ndarray
    layers: np.ndarray
    looks: np.ndarray
    sky: str
    around: str

    @classmethod
    def of(cls, scene: Scene) -> Names:
        """The names of what is in a scene."""
        programs = _Programs(scene)
        count = len(scene.instances)
        sums = [_mesh_names(scene.meshes[one.mesh]) for one in scene.instances]
        looks = [programs.look(one) for one in scene.instances]
        fog = (scene.fog_density, *scene.fog_color, scene.fog_anisotropy, scene.film.exposure)
        return cls(
            [one.key.replace("\n", " ") for one in scene.instances],
            np.array([one.shape for one in sums], np.float64).reshape(count, SHAPE),
            np.array([one.layers for one in sums], np.float64).reshape(count, LAYERS),
            np.array(looks, np.int32).reshape(count, 2),
            _sky(scene),
            " ".join(f"{value:.5g}" for value in fog),
        )


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) bool: whether rows (N, SHAPE) or (N, LAYERS) name the same."""
    most = _TOLERANCE[one.shape[1]] * np.maximum(one[:, 1], other[:, 1])
    near = np.abs(one[:, 2:] - other[:, 2:]) <= most[:, None]
    return (one[:, 0] == other[:, 0]) & near.all(axis=1)


def shape_of(mesh: Mesh) -> np.ndarray:
    """(SHAPE,) float64, a row of `Names.shapes`."""
    return _mesh_names(mesh).shape


def shape_key(shape: np.ndarray) -> str:
    """16 hex digits of a row (SHAPE,) of `Names.shapes`, bit for bit."""
    return hashlib.blake2b(np.ascontiguousarray(shape).tobytes(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class _MeshNames:
    shape: np.ndarray
    layers: np.ndarray
    rest: bytes


_meshes: WeakKeyDictionary[Mesh, _MeshNames] = WeakKeyDictionary()
_textures: WeakKeyDictionary[Texture, str] = WeakKeyDictionary()
_programs: WeakKeyDictionary[Material, tuple[tuple[str, ...], str]] = WeakKeyDictionary()


def _mesh_names(mesh: Mesh) -> _MeshNames:
    known = _meshes.get(mesh)
    if known is None:
        layers = [(kind, n) for kind in ("uv", "colors") for n in sorted(getattr(mesh, kind))]
        layers = [layer for layer in layers if layer[1] != BAKE_LAYER]  # no look of its own
        values = [getattr(mesh, kind)[name].reshape(-1, 1) for kind, name in layers]
        named = [content_hash(mesh.triangles), content_hash(mesh.slots), layers]
        named += [mesh.active_uv, mesh.active_color]
        known = _meshes[mesh] = _MeshNames(
            _sums([mesh.vertices], 3), _sums(values, 1), json.dumps(named).encode()
        )
    return known


def _sums(arrays: list[np.ndarray], width: int) -> np.ndarray:
    """(2 + 3 x width,) float64: how many rows, the largest size of a value, and the rows' sum with
    three kinds of weights, over the root of their number."""
    count = sum(len(array) for array in arrays)
    sums, extent, first = np.zeros((3, width)), 0.0, 0
    for array in arrays:
        for start in range(0, len(array), _ROWS):
            part = array[start : start + _ROWS].astype(np.float64)
            turn = np.arange(first, first + len(part), dtype=np.float64)
            weights = np.stack([np.ones_like(turn), np.cos(turn), np.sin(2.3 * turn)])
            sums += weights @ part
            extent = max(extent, float(np.abs(part).max(initial=0)))
            first += len(part)
    sums /= np.sqrt(max(count, 1))
    return np.concatenate([[count, extent], sums.ravel()])


class _Programs:
    """Names of how a scene's instances look, but for their layers."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        pictures = tuple(_picture(one) for one in scene.textures)
        self._programs = [_program(one, pictures) for one in scene.materials]
        self._own = [any(f'"{kind}"' in one.program for kind in _OWN) for one in scene.materials]
        self._known: dict[tuple[object, ...], np.ndarray] = {}

    def look(self, one: Instance) -> np.ndarray:
        """(2,) int32."""
        own: tuple[str, ...] = ()
        if any(n >= 0 and self._own[n] for n in one.materials):
            own = tuple(f"{value:.5g}" for value in (*one.color, one.random))
        key = (one.mesh, one.materials, one.holdout, one.shadow_catcher, own)
        if key not in self._known:
            programs = [self._programs[n] if n >= 0 else "" for n in one.materials]
            mesh = _mesh_names(self._scene.meshes[one.mesh]).rest
            self._known[key] = _named(mesh, json.dumps([programs, *key[2:]]).encode())
        return self._known[key]


def _named(*parts: bytes) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return np.frombuffer(digest.digest(), np.int32)


def _program(material: Material, pictures: tuple[str, ...]) -> str:
    """A material's program with the contents of its pictures instead of their numbers."""
    if material.look:
        return material.look
    known = _programs.get(material)
    if known is not None and known[0] == pictures:
        return known[1]
    program = json.loads(material.program, parse_float=lambda text: f"{float(text):.5g}")
    for node in program.get("nodes", ()):
        props = node.get("props", {})
        props |= {"texture": _content(props["texture"], pictures)} if "texture" in props else {}
        tiles = props.get("tiles")
        if isinstance(tiles, dict):
            props["tiles"] = {name: _content(number, pictures) for name, number in tiles.items()}
    text = json.dumps(program, sort_keys=True)
    name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    _programs[material] = pictures, name
    return name


def _content(number: object, pictures: tuple[str, ...]) -> str:
    known = type(number) is int and 0 <= number < len(pictures)
    return pictures[number] if known else ""  # type: ignore[index,call-overload]


def _picture(texture: Texture) -> str:
    known = _textures.get(texture)
    if known is None:
        known = _textures[texture] = f"{content_hash(texture.pixels)} {texture.srgb} {texture.tile}"
    return known


def _sky(scene: Scene) -> str:
    sky = scene.background
    if sky is None:
        return ""
    return f"{sky.identity or content_hash(sky.pixels)} {sky.visible}"
