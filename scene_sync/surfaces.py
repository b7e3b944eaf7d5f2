# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as Blender knows it: exact surfaces, materials, lamps, background and film."""

from __future__ import annotations

import bpy

from ..backend.shared.scene import Scene
from .scene_reader import SceneReader


def read_scene(
    depsgraph: bpy.types.Depsgraph,
    local_view: bpy.types.SpaceView3D | None = None,
    problems: list[str] | None = None,
) -> Scene:
    """What `depsgraph` shows, read at once.

    local_view: leave out what this viewport does not show. problems: a sentence for each thing
    that is left out is appended to it. A `SceneReader` reads again and again what changed.
    """
    scene, said = SceneReader().read_exact(depsgraph, local_view)
    if problems is not None:
        problems += said
    return scene
