# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's world as what lies behind everything: a picture of directions, and thin fog."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..backend.shared.scene import (
    CAMERA,
    DIFFUSE,
    EVERYWHERE,
    GLOSSY,
    TRANSMISSION,
    VOLUME,
    Background,
)
from .shader_graph import Shader, plain_shader, read_tree

_FLAGS = {
    "camera": CAMERA,
    "diffuse": DIFFUSE,
    "glossy": GLOSSY,
    "transmission": TRANSMISSION,
    "scatter": VOLUME,
}


@dataclass(frozen=True, eq=False)
class Sky:
    """What is read of a world. shader: None without a world."""

    shader: Shader | None
    visible: int = EVERYWHERE


def read_world(world: bpy.types.World | None, frame: int) -> Sky:
    """An (evaluated) world as Cycles takes it."""
    if world is None:
        return Sky(None)
    flags = getattr(world, "cycles_visibility", None)
    hidden = sum(bit for name, bit in _FLAGS.items() if not getattr(flags, name, True))
    # always true from Blender 5 on, where asking warns
    if bpy.app.version < (5, 0, 0) and not world.use_nodes:
        return Sky(
            plain_shader(world.name_full, (*world.color, 1.0), "BACKGROUND"), EVERYWHERE & ~hidden
        )
    return Sky(read_tree(world.name_full, world.node_tree, frame), EVERYWHERE & ~hidden)


def constant_radiance(shader: Shader | None) -> np.ndarray | None:
    """(3,) of a world that is the same in all directions, None of any other."""
    if shader is None or shader.surface is None:
        return np.zeros(3, np.float32)
    node = shader.nodes[shader.surface["node"]]
    if node["type"] not in {"BACKGROUND", "EMISSION"}:
        return None
    color, strength = node["inputs"].get("Color"), node["inputs"].get("Strength", 1.0)
    if isinstance(color, dict) or isinstance(strength, dict) or color is None:
        return None
    return np.array(color[:3], np.float32) * np.float32(strength)


def constant_background(sky: Sky) -> Background | None:
    """The background of a world that is the same in all directions, None of any other."""
    radiance = constant_radiance(sky.shader)
    return None if radiance is None else Background(radiance.reshape(1, 1, 3), sky.visible)
