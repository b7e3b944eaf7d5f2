# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found in a scene put together as a `Scene`. Reads nothing of Blender's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.scene import Film, Instance, Lamp, Material, Mesh, Scene, Texture
from .background import Sky, read_world
from .budget import within_budget
from .contents import SKIPPED, Found, unusable
from .film import read_film
from .fog import UNSHOWN_VOLUME, Fog, fog_in, fog_of
from .geometry import Surface
from .images import Picture
from .lamps import Light
from .shader import Shader


@dataclass(frozen=True, eq=False)
class SceneSettings:
    """What belongs to the whole scene."""

    sky: Sky
    film: Film


def read_settings(depsgraph: bpy.types.Depsgraph, render_sky: bool = True) -> SceneSettings:
    """Of the (evaluated) scene, with its view layer's world. render_sky: as in `read_world`."""
    scene = depsgraph.scene
    layer = depsgraph.view_layer_eval
    world = getattr(layer, "world_override", None) or scene.world
    return SceneSettings(read_world(world, scene.frame_current, render_sky), read_film(scene))


def assemble(
    found: list[Found],
    scale_length: float,
    settings: SceneSettings,
    viewpoints: tuple[Camera, ...] = (),
    wait: bool = True,
) -> tuple[Scene, list[str]]:
    """The scene, and a sentence for each thing that is left out of it.

    viewpoints: as in `Scene`. wait: see `Sky.background`. The order is that of the keys, whatever
    the depsgraph's.
    """
    parts = _Parts(scale_length)
    found = sorted(found, key=lambda one: one.key)
    matrices = np.array([np.array(one.matrix) for one in found], float).reshape(-1, 4, 4)
    for one, matrix, problem in zip(found, matrices, unusable(matrices), strict=True):
        parts.problems += one.kind.problems
        if isinstance(one.kind.source, Light):
            parts.lamp(one, one.kind.source, matrix)
        elif isinstance(one.kind.source, Surface):
            parts.instance(one, one.kind.source, matrix, problem)
    background, said = settings.sky.background(wait)
    fog, unclear = fog_of(settings.sky.shader)
    if fog.density <= 0:
        fog = parts.fog or fog
    elif parts.fog is not None:  # a scene has one
        unclear.append(UNSHOWN_VOLUME.format(parts.fog_name))
    meshes, instances, coarser = within_budget(parts.meshes, _met(parts.instances))
    parts.problems += [*said, *unclear, *coarser]
    scene = Scene(
        tuple(meshes),
        tuple(instances),
        tuple(parts.materials),
        tuple(parts.textures),
        tuple(parts.lamps),
        background,
        settings.film,
        viewpoints,
        fog_density=fog.density / scale_length,
        fog_color=fog.color,
        fog_anisotropy=fog.anisotropy,
        fog_box=fog.box,
        units=scale_length,
    )
    return scene, list(dict.fromkeys(parts.problems))


def _met(instances: list[Instance]) -> list[Instance]:
    """Those that rays of Cycles meet: it takes them to the space of a mesh that several instances
    share, and of what has no depth at all there is none."""
    uses = Counter(one.mesh for one in instances)
    if uses.total() == len(uses):
        return instances
    matrices = np.array([one.matrix[:3, :3] for one in instances])
    depth = np.linalg.det(matrices) != 0
    return [one for one, deep in zip(instances, depth, strict=True) if deep or uses[one.mesh] == 1]


@dataclass(eq=False)
class _Parts:
    """The lists of a scene, each thing once."""

    scale_length: float
    meshes: list[Mesh] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    textures: list[Texture] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fog: Fog | None = None
    fog_name: str = ""
    _mesh_numbers: dict[int, int] = field(default_factory=dict)
    _texture_numbers: dict[int, int] = field(default_factory=dict)
    _shader_numbers: dict[int, int] = field(default_factory=dict)
    _material_numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def lamp(self, one: Found, light: Light, matrix: np.ndarray) -> None:
        """Add a light where it stands."""
        self.problems += light.problems
        placed = light.placed(one.key, matrix, self.scale_length, one.visible)
        if placed is None:
            problem = "its transform has NaN values or no scale"
            self.problems.append(SKIPPED.format(one.kind.name, problem))
        else:
            self.lamps.append(placed)

    def instance(self, one: Found, surface: Surface, matrix: np.ndarray, problem: str) -> None:
        """Add a mesh where it stands, or say why not."""
        kind = one.kind
        if not surface.finite:
            problem = problem or "it has NaN coordinates"
        if problem:
            self.problems.append(SKIPPED.format(kind.name, problem))
            return
        used = np.unique(np.clip(surface.slots, 0, len(kind.shaders) - 1))
        if all(kind.shaders[slot].only_volume for slot in used):
            self._volume(kind.name, [kind.shaders[slot] for slot in used], surface, matrix)
            return
        matrix = self._metres(matrix)
        self.instances.append(
            Instance(
                one.key,
                kind.name,
                self._mesh(surface.mesh),
                matrix,
                tuple(self._material(shader) for shader in kind.shaders),
                one.visible,
                one.holdout,
                kind.catcher,
                kind.color,
                one.random,
            )
        )

    def _metres(self, matrix: np.ndarray) -> np.ndarray:
        """(4, 4) to metres of what is to Blender's units."""
        matrix = matrix.copy()
        matrix[:3] *= self.scale_length
        return matrix

    def _volume(
        self, name: str, shaders: list[Shader], surface: Surface, matrix: np.ndarray
    ) -> None:
        """Of boxes of even fog the one that hides most is kept; others are named."""
        found = None
        if len(shaders) == 1:
            found = fog_in(shaders[0], surface.mesh.vertices, self._metres(matrix))
        left_out = name
        if found is not None and found.hides() > (self.fog.hides() if self.fog else 0):
            left_out = self.fog_name
            self.fog, self.fog_name = found, name
        if left_out:
            self.problems.append(UNSHOWN_VOLUME.format(left_out))

    def _mesh(self, mesh: Mesh) -> int:
        if id(mesh) not in self._mesh_numbers:
            self._mesh_numbers[id(mesh)] = len(self.meshes)
            self.meshes.append(mesh)
        return self._mesh_numbers[id(mesh)]

    def _material(self, shader: Shader) -> int:
        if id(shader) not in self._shader_numbers:
            self.problems += shader.problems
            program = shader.program([self._texture(picture) for picture in shader.pictures])
            number = self._material_numbers.get((shader.name, program))
            if number is None:
                number = self._material_numbers[shader.name, program] = len(self.materials)
                self.materials.append(Material(shader.name, program, shader.look))
            self._shader_numbers[id(shader)] = number
        return self._shader_numbers[id(shader)]

    def _texture(self, picture: Picture) -> int:
        if id(picture) not in self._texture_numbers:
            self._texture_numbers[id(picture)] = len(self.textures)
            self.textures.append(picture.texture)
        return self._texture_numbers[id(picture)]
