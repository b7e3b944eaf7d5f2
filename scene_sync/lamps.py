# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's lights as lamps, in the units that Cycles gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..backend.shared.scene import EVERYWHERE, Lamp
from .rgb import rgb_of
from .shader import Shader
from .shader_graph import read_tree

_THIN = 1e-9


@dataclass(frozen=True)
class Light:
    """A light's own settings, in Blender's units. power: before what its size does to it.

    spread_out: whether power is that of the whole light (else of a unit of its area).
    """

    kind: str
    power: tuple[float, float, float]
    radius: float = 0.0
    angle: float = 0.0
    size: tuple[float, float] = (0.0, 0.0)
    shape: str = "SQUARE"
    spread: float = math.pi
    cone: float = 0.0
    blend: float = 0.0
    soft_falloff: bool = False
    casts_shadow: bool = True
    met: bool = True
    spread_out: bool = True
    problems: tuple[str, ...] = ()

    def placed(
        self, key: str, matrix: np.ndarray, scale_length: float, visible: int = EVERYWHERE
    ) -> Lamp | None:
        """The lamp where it stands; None where its transform cannot be used.

        matrix: (4, 4) in Blender's units. scale_length: metres in one of them. Cycles counts
        distances in Blender's units, so watts grow with the square of it.
        """
        frame, scale = _rigid(matrix)
        if frame is None:
            return None
        frame[:3, 3] *= scale_length
        size = (self.size[0] * scale[0], self.size[1] * scale[1])
        factor = 1.0 if self.spread_out else self._area(size)
        if self.kind != "SUN":
            factor *= scale_length**2
        return Lamp(
            key,
            self.kind,
            frame,
            rgb_of(factor * p for p in self.power),
            self.radius * scale_length,
            self.angle,
            (size[0] * scale_length, size[1] * scale_length),
            self.shape,
            self.spread,
            self.cone,
            self.blend,
            self.soft_falloff,
            self.casts_shadow,
            visible,
            self.met,
        )

    def _area(self, size: tuple[float, float]) -> float:
        """What makes the power of a light that is not normalized that of one that is."""
        if self.kind == "SUN":
            return math.pi * math.sin(self.angle / 2) ** 2 if self.angle > 0 else 1.0
        if self.kind == "AREA":
            round_ = self.shape in {"DISK", "ELLIPSE"}
            return size[0] * size[1] * (math.pi / 4 if round_ else 1.0)
        return 4 * (math.pi * self.radius**2 if self.radius > 0 else 1.0)


def read_light(data: bpy.types.Light, frame: int) -> Light | None:
    """An (evaluated) light; None where it gives none (a portal)."""
    cycles = getattr(data, "cycles", None)
    if data.type == "AREA" and getattr(cycles, "is_portal", False):
        return None
    power, problems = _power(data, frame)
    common: dict[str, Any] = {
        "kind": data.type,
        "power": power,
        "casts_shadow": bool(getattr(cycles, "cast_shadow", data.use_shadow)),
        "met": bool(getattr(cycles, "use_multiple_importance_sampling", True)),
        "spread_out": getattr(data, "normalize", True),
        "problems": problems,
    }
    if data.type == "SUN":
        return Light(**common, angle=data.angle)
    if data.type == "AREA":
        second = data.size if data.shape in {"SQUARE", "DISK"} else data.size_y
        return Light(
            **common,
            size=(data.size, second),
            shape=data.shape,
            spread=getattr(data, "spread", math.pi),
        )
    common |= {
        "radius": data.shadow_soft_size,
        "soft_falloff": getattr(data, "use_soft_falloff", True),
    }
    if data.type == "SPOT":
        return Light(**common, cone=data.spot_size, blend=data.spot_blend)
    return Light(**common)


def _power(data: bpy.types.Light, frame: int) -> tuple[tuple[float, float, float], tuple[str, ...]]:
    """Colour x energy, and sentences about what was not understood of it."""
    color = np.array(data.color, float) * data.energy * 2.0 ** getattr(data, "exposure", 0.0)
    if getattr(data, "use_temperature", False):
        color = color * np.array(data.temperature_color)
    problems: tuple[str, ...] = ()
    if data.use_nodes and data.node_tree is not None:
        shader = read_tree(data.name_full, data.node_tree, frame, kind="Light")
        factor = _emitted(shader)
        if factor is None:
            problems = (
                f"The nodes of the light '{data.name}' are more than a constant Emission; "
                "its own colour and power are used.",
            )
        else:
            color = color * factor
    color = np.where(np.isfinite(color), color, 0.0)
    return rgb_of(color), problems


def _emitted(shader: Shader) -> np.ndarray | None:
    """(3,) that a light's nodes multiply it by; None where that isn't one constant."""
    if shader.surface is None:
        return np.zeros(3)
    node = shader.nodes[shader.surface["node"]]
    if node["type"] != "EMISSION":
        return None
    color, strength = node["inputs"].get("Color"), node["inputs"].get("Strength")
    if isinstance(strength, dict):
        falloff = shader.nodes[strength["node"]]
        # a lamp's own falloff, unless Smooth takes its peak away
        if falloff["type"] != "LIGHT_FALLOFF" or strength["out"] != "Quadratic":
            return None
        strength = falloff["inputs"].get("Strength")
    if not isinstance(color, list) or not isinstance(strength, float):
        return None
    return np.array(color[:3]) * strength


def _rigid(matrix: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """A lamp's matrix without scale and shear, and the scale of its X and Y; None: unusable."""
    scale = np.linalg.norm(matrix[:3, :2], axis=0)
    frame = np.eye(4)
    if not np.isfinite(matrix).all():
        return None, scale
    frame[:3, 3] = matrix[:3, 3]
    turn = matrix[:3, :3]
    back = np.linalg.norm(turn[:, 2])
    if back < _THIN or scale[0] < _THIN:
        return None, scale
    z = turn[:, 2] / back
    x = turn[:, 0] - z * (z @ turn[:, 0])
    if np.linalg.norm(x) < _THIN:
        return None, scale
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    if y @ turn[:, 1] < 0:  # mirrored: an area lamp looks the same from behind its mirror
        x, y = x, np.cross(z, x)
    frame[:3, 0], frame[:3, 1], frame[:3, 2] = x, y, z
    return frame, scale
