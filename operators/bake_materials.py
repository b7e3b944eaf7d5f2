# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake Materials: what of materials only Blender evaluates, as pictures kept with the objects."""

from __future__ import annotations

import math
from collections.abc import Generator

import bpy
from bpy.props import BoolProperty, IntProperty

from ..backend.shared.errors import InputError, WorldFMError
from ..backend.shared.part_names import alike
from ..scene_sync.bakes import Made, find, forget, keep
from ..scene_sync.baking import LEAST_SIDE, Target, bake_value, targets_of, targets_of_renders
from .steps import Step, StepOperator


class WORLDFM_OT_bake_materials(StepOperator, bpy.types.Operator):
    """Have Cycles bake what it alone evaluates, such as Ambient Occlusion, Bevel and Pointiness"""

    bl_idname = "worldfm.bake_materials"
    bl_label = "Bake Materials"
    bl_options = {"REGISTER", "UNDO"}

    size: IntProperty(
        name="Size",
        description="Pixels a side of the largest object's pictures; small objects get fewer",
        default=1024,
        min=LEAST_SIDE,
        max=8192,
    )
    samples: IntProperty(name="Samples", default=16, min=1, max=4096)
    again: BoolProperty(
        name="All",
        description="Also what is baked already: objects around it may have moved",
    )

    keeps = True
    stopped = "Stopped; what was baked until then is kept."

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Meshes are as they are shown in Object Mode only."""
        cls.poll_message_set("Leave Edit Mode first")
        return context.mode == "OBJECT"

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """One value of one object after the other. An object that fails is left out."""
        scene, layer = context.scene.name, context.view_layer.name
        if not hasattr(context.scene, "cycles"):
            raise InputError("Cycles is turned off; turn it on in Preferences > Add-ons to bake.")
        yield Step("Reading the scene")
        found = targets_of(context.evaluated_depsgraph_get())
        found = _each_once(found + targets_of_renders(bpy.data.scenes[scene], layer))
        missing = [one for one in found if self._is_missing(one)]
        if not missing:
            self.report({"INFO"}, "Nothing has to be baked: all of it is followed, or baked.")
            return
        largest, total = max(one.area for one in found), sum(len(one.values) for one in missing)
        made: list[tuple[Target, Made]] = []
        done = 0
        for target in missing:
            equal = next((m for t, m in made if _alike(t, target)), None)
            try:
                if equal is None:
                    side = _side(target.area, largest, self.size)
                    uv, values = target.layer(side), {}
                    for number, (key, one) in enumerate(target.values.items()):
                        at = (done + number) / total
                        yield Step(f"Baking {one.title} of {target.name}", at)
                        values[key] = bake_value(
                            bpy.data.scenes[scene], layer, target, uv, key, side, self.samples
                        )
                    equal = Made(target.surface, uv, values)
                    made.append((target, equal))
                self._keep(target, equal, found)
            except WorldFMError as error:
                self.report({"WARNING"}, str(error))
            done += len(target.values)
        yield Step(f"Baked {len(made)} objects", 1.0)

    def _is_missing(self, target: Target) -> bool:
        ob = bpy.data.objects.get(target.name)
        if ob is None or ob.library is not None or ob.override_library is not None:
            self.report(
                {"WARNING"},
                f"'{target.name}' is linked from another file, which would not keep what is baked: "
                "bake it there.",
            )
            return False
        if self.again:
            return True
        fit = find(ob, target.surface, target.values, target.bends)
        return fit.item is None or bool(fit.said)

    def _keep(self, target: Target, made: Made, found: list[Target]) -> None:
        """With the object, in the place of what fits none of its shapes any more."""
        ob = bpy.data.objects.get(target.name)
        if ob is None:
            return
        keep(ob, made)
        shapes = {one.surface.topology for one in found if one.name == target.name}
        forget(ob, {item.topology for item in ob.worldfm.bakes} - shapes)


def _each_once(targets: list[Target]) -> list[Target]:
    """Viewports and renders mostly show the same shape."""
    return list({(one.name, one.surface.topology): one for one in targets}.values())


def _alike(one: Target, other: Target) -> bool:
    """Whether what was baked of one serves the other: copies of a mesh, alone in the world."""
    if any(value.own for value in one.values.values()) or one.values.keys() != other.values.keys():
        return False
    shapes = [target.surface.mesh.names.shape[None] for target in (one, other)]
    same = one.surface.topology == other.surface.topology and one.wanted == other.wanted
    return same and bool(alike(*shapes)[0])


def _side(area: float, largest: float, size: int) -> int:
    """Pixels a side, a power of two: as fine on all objects, but none below half of `size`."""
    share = math.sqrt(area / largest) if largest > 0 else 1.0
    wanted = size * max(share, 0.5)
    return max(LEAST_SIDE, min(size, 2 ** math.ceil(math.log2(wanted))))


CLASSES = (WORLDFM_OT_bake_materials,)
