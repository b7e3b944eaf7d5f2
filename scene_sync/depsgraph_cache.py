# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked up while a scene stands still: within one of Blender's own calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import bpy

from ..backend.shared.scene import (
    CAMERA,
    DIFFUSE,
    EVERYWHERE,
    GLOSSY,
    SHADOW,
    TRANSMISSION,
    VOLUME,
)
from .anchor_points import Points
from .bakes import pictures_of
from .contents import Found, Kind
from .geometry import Instance, Surface
from .materials import BaseColor, base_color_of
from .shader import Shader
from .shader_graph import read_material

_FLAGS = {
    "visible_camera": CAMERA,
    "visible_diffuse": DIFFUSE,
    "visible_glossy": GLOSSY,
    "visible_transmission": TRANSMISSION,
    "visible_volume_scatter": VOLUME,
    "visible_shadow": SHADOW,
}
_WORD = 0xFFFFFFFF


def rays_that_meet(ob: bpy.types.Object) -> int:
    """The kinds of rays that an (evaluated) object lets hit it, as bits."""
    return EVERYWHERE & ~sum(bit for name, bit in _FLAGS.items() if not getattr(ob, name))


@dataclass(eq=False)
class DepsgraphCache:
    """Of one depsgraph, as it is now. Never kept: Blender's data may go after the call."""

    depsgraph: bpy.types.Depsgraph
    sources: dict[tuple[str, int], Surface | Points | None] = field(default_factory=dict)
    _materials: dict[bpy.types.Material | None, tuple[BaseColor, Shader]] = field(
        default_factory=dict
    )
    _baked: dict[tuple[bpy.types.Material, int], Shader] = field(default_factory=dict)
    _owners: dict[int, tuple[int, bool]] = field(default_factory=dict)

    @property
    def frame(self) -> int:
        """The scene's."""
        return self.depsgraph.scene.frame_current

    def materials(self, ob: bpy.types.Object) -> tuple[list[BaseColor], list[Shader]]:
        """Of each slot, at least of one."""
        materials = self._slots(ob)
        for material in materials:
            if material not in self._materials:
                self._materials[material] = (
                    base_color_of(material),
                    read_material(material, self.frame),
                )
        found = [self._materials[material] for material in materials]
        return [color for color, _ in found], [shader for _, shader in found]

    def baked(self, ob: bpy.types.Object, item: bpy.types.PropertyGroup) -> list[Shader]:
        """The shaders of each slot, with the pictures of a bake that fits."""
        return [self._with_pictures(material, item) for material in self._slots(ob)]

    def _with_pictures(
        self, material: bpy.types.Material | None, item: bpy.types.PropertyGroup
    ) -> Shader:
        shader = self._materials[material][1]
        if material is None or not shader.wanted:
            return shader
        key = material, item.as_pointer()
        if key not in self._baked:
            made = read_material(material, self.frame, pictures_of(item, shader))
            self._baked[key] = replace(made, named=shader.named)
        return self._baked[key]

    def _slots(self, ob: bpy.types.Object) -> list[bpy.types.Material | None]:
        override = self.depsgraph.view_layer_eval.material_override
        return [override or slot.material for slot in ob.material_slots] or [override]

    @property
    def render(self) -> bool:
        """Whether this is a final render's."""
        return self.depsgraph.mode == "RENDER"

    def found(self, one: Instance, kind: Kind) -> list[Found]:
        """An instance and its hair beside what its collections and what makes it say of them."""
        owner = one.owner.as_pointer()
        if owner not in self._owners:
            self._owners[owner] = self._owner(one.owner)
        visible, holdout = self._owners[owner]
        number = _random_id(one.object.name) if one.random_id is None else one.random_id
        named = [(one.key, kind)]
        named += [(f"{one.key}/hair {i}", hair) for i, hair in enumerate(kind.hair)]
        visible, holdout = visible & kind.visible, holdout or kind.holdout
        random = (number & _WORD) / (_WORD + 1)
        return [
            Found(key, each, one.matrix, visible, holdout, random)
            for key, each in named
            if each.source is not None or each.problems
        ]

    def _owner(self, ob: bpy.types.Object) -> tuple[int, bool]:
        """The rays that meet what an object makes, and whether its collections cut it out."""
        layer = self.depsgraph.view_layer_eval
        holdout = ob.holdout_get(view_layer=layer)
        visible = rays_that_meet(ob)
        if ob.indirect_only_get(view_layer=layer) and not holdout:
            visible &= ~CAMERA
        return visible, holdout


def _random_id(name: str) -> int:
    """What Cycles makes of an object's name: a polynomial of 37, then Jenkins' lookup3."""
    number = 0
    for byte in name.encode():
        number = (number * 37 + byte) & _WORD
    a = b = c = (0xDEADBEEF + (2 << 2) + 13) & _WORD
    a = (a + number) & _WORD
    for x, turn in ((0, 14), (1, 11), (2, 25), (0, 16), (1, 4), (2, 14), (0, 24)):
        a, b, c = _mixed(a, b, c, x, turn)
    return c


def _mixed(a: int, b: int, c: int, which: int, turn: int) -> tuple[int, int, int]:
    """One step of lookup3's end: c by b, a by c or b by a."""
    if which == 0:
        return a, b, ((c ^ b) - _turned(b, turn)) & _WORD
    if which == 1:
        return ((a ^ c) - _turned(c, turn)) & _WORD, b, c
    return a, ((b ^ a) - _turned(a, turn)) & _WORD, c


def _turned(word: int, by: int) -> int:
    return ((word << by) | (word >> (32 - by))) & _WORD
