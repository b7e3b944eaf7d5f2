# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds of points in Solid, Wireframe and Material Preview shading: dots in their own colours.

Blender draws nothing of a mesh that has neither faces nor edges to speak of. In Rendered shading
frames show the points, and no dot lies over them.
"""

from __future__ import annotations

import time
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..scene_sync.anchor_points import COLOUR, is_anchors

MOST = 150_000
"""Dots of one object; where it has more points, as many are drawn, spread over all of them."""
_PIXELS = 3.0
"""Of a dot, at a resolution scale of one."""
_LOOK_AGAIN = 2.0
"""Seconds after which all objects are looked through, which may be thousands: some were renamed or
removed."""
_SHADINGS = {"WIREFRAME", "SOLID", "MATERIAL"}
_SHADERS = ("POINT_FLAT_COLOR", "FLAT_COLOR")
"""Blender's own for points in a colour each: newer versions have one for them alone."""


class _Worlds:
    """Names of the file's objects that hold points, and their dots on the GPU."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.batches: dict[str, Any] = {}
        self._looked = -_LOOK_AGAIN

    def of(self, layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
        """Those of a view layer that are there now."""
        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN:
            self._looked = now
            self.names = [ob.name for ob in bpy.data.objects if is_anchors(ob)]
            self.batches = {k: v for k, v in self.batches.items() if k in self.names}
        found = (layer.objects.get(name) for name in self.names)
        return [ob for ob in found if ob is not None and is_anchors(ob)]

    def note(self, ob: bpy.types.Object) -> None:
        """An object's shape changed, or it came in."""
        self.batches.pop(ob.name, None)
        if ob.name not in self.names and is_anchors(ob):
            self._looked = -_LOOK_AGAIN

    def forget(self) -> None:
        """Whatever there was may be something else."""
        self.batches.clear()
        self._looked = -_LOOK_AGAIN


_worlds = _Worlds()
_handles: list[Any] = []


def attach() -> None:
    """Draw from now on; without a window there is nothing to draw with."""
    if not bpy.app.background:
        add = bpy.types.SpaceView3D.draw_handler_add
        _handles.append(add(_draw, (), "WINDOW", "POST_VIEW"))


def detach() -> None:
    """No longer."""
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    _worlds.forget()


def forget(depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Points may have changed: those that `depsgraph` names, or all of them."""
    if depsgraph is None:
        _worlds.forget()
    elif _worlds.batches or depsgraph.id_type_updated("MESH"):
        for update in depsgraph.updates:
            if update.is_updated_geometry and isinstance(update.id, bpy.types.Object):
                _worlds.note(update.id)


def drawn_points(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 3) and display-referred colours (N, 4), float32, of MOST points or fewer."""
    count = len(mesh.vertices)
    step = max(1, -(-count // MOST))
    xyz, colours = np.empty(count * 3, np.float32), np.ones(count * 4, np.float32)
    mesh.vertices.foreach_get("co", xyz)
    layer = mesh.color_attributes.get(COLOUR)
    if layer is not None and len(layer.data) == count:
        layer.data.foreach_get("color_srgb", colours)
    return xyz.reshape(count, 3)[::step], colours.reshape(count, 4)[::step]


def _draw() -> None:
    context = bpy.context
    space = context.space_data
    if space.shading.type not in _SHADINGS or not space.overlay.show_overlays:
        return
    shown = [ob for ob in _worlds.of(context.view_layer) if ob.visible_get(viewport=space)]
    shown = [ob for ob in shown if ob.mode == "OBJECT"]  # else Blender shows its vertices
    if not shown:
        return
    shader = _shader()
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.point_size_set(_PIXELS * context.preferences.system.ui_scale)
    for ob in shown:
        if ob.name not in _worlds.batches:
            places, colours = drawn_points(ob.evaluated_get(context.view_layer.depsgraph).data)
            content = {"pos": np.ascontiguousarray(places), "color": np.ascontiguousarray(colours)}
            _worlds.batches[ob.name] = batch_for_shader(shader, "POINTS", content)
        with gpu.matrix.push_pop():
            gpu.matrix.multiply_matrix(ob.matrix_world)
            _worlds.batches[ob.name].draw(shader)
    gpu.state.point_size_set(1.0)
    gpu.state.depth_test_set("NONE")


def _shader() -> gpu.types.GPUShader:
    for name in _SHADERS[:-1]:
        try:
            return gpu.shader.from_builtin(name)
        except ValueError:  # not in this Blender
            continue
    return gpu.shader.from_builtin(_SHADERS[-1])
