# SPDX-License-Identifier: GPL-3.0-or-later
"""What a memory frame keeps of the scene that it saw, so that it still fits when that changes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from .content import content_hash
from .errors import WorldError
from .scene import Instance, Lamp, Material, Mesh, Scene, Texture


@dataclass(frozen=True, eq=False)
class Moment:
    """Of N instances: where they stood, and names of what they looked like.

    keys: (B,) uint8, their keys as UTF-8 lines. matrices: (N, 4, 4) float64 own space to world.
    bounds: (N, 2, 3) float32 corners of boxes around them in world space.
    shapes, looks: (N, 2) int32, the names of their vertices and of all else about them. lamps: all
    of them. around: name of background, fog and film. vertices: shape name as hex digits ->
    (V, 3) float32, of those that deform.
    """

    keys: np.ndarray
    matrices: np.ndarray
    bounds: np.ndarray
    shapes: np.ndarray
    looks: np.ndarray
    lamps: tuple[Lamp, ...] = ()
    around: str = ""
    vertices: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.matrices)
        if (
            not _is(self.keys, np.uint8, self.keys.shape[:1])
            or not _is(self.matrices, np.float64, (count, 4, 4))
            or not _is(self.bounds, np.float32, (count, 2, 3))
            or not _is(self.shapes, np.int32, (count, 2))
            or not _is(self.looks, np.int32, (count, 2))
            or len(self.names()) != count
            or not all(_is(v, np.float32, (len(v), 3)) for v in self.vertices.values())
        ):
            raise WorldError(
                "What a memory frame keeps of its scene does not fit together; capture it again."
            )

    def names(self) -> list[str]:
        """The keys of the instances."""
        return self.keys.tobytes().decode("utf-8", "replace").split("\n")[:-1]

    @classmethod
    def of(cls, scene: Scene, deforming: frozenset[str] | set[str] = frozenset()) -> Moment:
        """Of a scene; deforming: keys of instances whose vertices are to be kept as well."""
        names = Names(scene)
        shapes = [names.shape(one) for one in scene.instances]
        vertices = {
            shape.tobytes().hex(): scene.meshes[one.mesh].vertices
            for one, shape in zip(scene.instances, shapes, strict=True)
            if one.key in deforming
        }
        count = len(scene.instances)
        lines = "".join(_line(one) for one in scene.instances)
        matrices = [np.asarray(one.matrix, np.float64) for one in scene.instances]
        bounds = [_bounds(scene.meshes[one.mesh], one.matrix) for one in scene.instances]
        looks = [names.look(one) for one in scene.instances]
        return cls(
            np.frombuffer(lines.encode(), np.uint8),
            np.array(matrices, np.float64).reshape(count, 4, 4),
            np.array(bounds, np.float32).reshape(count, 2, 3),
            np.array(shapes, np.int32).reshape(count, 2),
            np.array(looks, np.int32).reshape(count, 2),
            scene.lamps,
            names.around,
            vertices,
        )


class Names:
    """Names of what a scene's instances are, equal where that is equal."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.around = _around(scene)
        self._programs = [_program(one, scene.textures) for one in scene.materials]

    def shape(self, one: Instance) -> np.ndarray:
        """(2,) int32 of an instance's vertices."""
        return _mesh_names(self.scene.meshes[one.mesh])[0]

    def look(self, one: Instance) -> np.ndarray:
        """(2,) int32 of its triangles, their coordinates, and its materials."""
        programs = [self._programs[number] if number >= 0 else "" for number in one.materials]
        flags = (one.holdout, one.shadow_catcher, tuple(one.color), one.random)
        rest = json.dumps([programs, flags])
        return _named(_mesh_names(self.scene.meshes[one.mesh])[1].tobytes(), rest.encode())


_meshes: WeakKeyDictionary[Mesh, tuple[np.ndarray, np.ndarray]] = WeakKeyDictionary()
_textures: WeakKeyDictionary[Texture, str] = WeakKeyDictionary()


def _bounds(mesh: Mesh, matrix: np.ndarray) -> np.ndarray:
    """(2, 3) float32 corners of the box around a mesh that stands somewhere."""
    if not len(mesh.vertices):
        return np.repeat(matrix[None, :3, 3], 2, axis=0).astype(np.float32)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    placed = corners @ matrix[:3, :3].T + matrix[:3, 3]
    return np.stack([placed.min(axis=0), placed.max(axis=0)]).astype(np.float32)


def _is(array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> bool:
    return array.dtype == dtype and array.shape == shape and bool(np.isfinite(array).all())


def _line(one: Instance) -> str:
    return one.key.replace("\n", " ") + "\n"


def _named(*parts: bytes) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return np.frombuffer(digest.digest(), np.int32)


def _mesh_names(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Of vertices, and of all else but the normals, which follow them."""
    known = _meshes.get(mesh)
    if known is None:
        rest = [content_hash(mesh.triangles), content_hash(mesh.slots), mesh.active_uv]
        for layers in (mesh.uv, mesh.colors):
            rest += [part for name in layers for part in (name, content_hash(layers[name]))]
        rest.append(mesh.active_color)
        known = (
            _named(content_hash(mesh.vertices).encode()),
            _named(*(part.encode() for part in rest)),
        )
        _meshes[mesh] = known
    return known


def _program(material: Material, textures: tuple[Texture, ...]) -> str:
    """A material's program with the contents of its pictures instead of their numbers."""
    program = json.loads(material.program)
    for node in program.get("nodes", ()):
        number = node.get("props", {}).get("texture", -1)
        if isinstance(number, int) and 0 <= number < len(textures):
            tiles = [one for one in textures if one.name == textures[number].name]
            node["props"]["texture"] = [_picture(one) for one in tiles]
    return json.dumps(program, sort_keys=True)


def _picture(texture: Texture) -> str:
    known = _textures.get(texture)
    if known is None:
        known = _textures[texture] = f"{content_hash(texture.pixels)} {texture.srgb} {texture.tile}"
    return known


def _around(scene: Scene) -> str:
    sky = scene.background
    pixels = "" if sky is None else f"{content_hash(sky.pixels)} {sky.visible}"
    fog = (scene.fog_density, tuple(scene.fog_color), scene.fog_anisotropy)
    text = json.dumps([pixels, fog, scene.film.exposure])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
