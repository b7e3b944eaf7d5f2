# SPDX-License-Identifier: GPL-3.0-or-later
"""The volume of a world or of a box, where it is the same everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .rgb import rgb_of
from .shader import Shader

_NOT_EVEN = (
    "The fog of the world '{}' is not the same everywhere and is not shown; use a Volume Scatter, "
    "Volume Absorption or Principled Volume of fixed values."
)

UNSHOWN_VOLUME = "The volume in '{}' is not shown."
_CORNERS = 8


@dataclass(frozen=True, eq=False)
class Fog:
    """density: extinction per unit of length. color: what part of it is scattered light.

    anisotropy: of Henyey and Greenstein, -1 backward to 1 forward. box: (4, 4) from the world to
    where it lies, between -1 and 1 on each axis; None = everywhere.
    """

    density: float = 0.0
    color: tuple[float, float, float] = (0.0, 0.0, 0.0)
    anisotropy: float = 0.0
    box: np.ndarray | None = None

    def hides(self) -> float:
        """How many mean free ways it is across, in the mean of its sides."""
        if self.box is None:
            return math.inf
        return self.density * float(np.mean(2 / np.linalg.norm(self.box[:3, :3], axis=1)))


def fog_of(shader: Shader | None) -> tuple[Fog, list[str]]:
    """The fog of a world per Blender's unit, and a sentence where it cannot be told."""
    if shader is None or shader.volume is None:
        return Fog(), []
    found = _even(shader)
    return (Fog(), [_NOT_EVEN.format(shader.name)]) if found is None else (found, [])


def fog_in(shader: Shader, vertices: np.ndarray, matrix: np.ndarray) -> Fog | None:
    """The fog of an object of nothing else, as its material tells; None where that is not the same
    everywhere, or the object is no box.

    vertices: (V, 3) of its own. matrix: (4, 4) from there to the world.
    """
    found = _even(shader) if shader.volume is not None else None
    if found is None or not len(vertices):
        return None
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    half = 0.5 * (high - low)
    if half.min() <= 0:
        return None
    inside = (vertices - 0.5 * (low + high)) / half
    if not np.allclose(np.abs(inside).max(axis=1), 1, atol=1e-3):
        return None
    corners = np.unique(np.round(inside), axis=0)
    if (np.abs(corners).min(axis=1) == 1).sum() != _CORNERS:
        return None
    own = np.eye(4)
    own[:3, :3], own[:3, 3] = np.diag(half), 0.5 * (low + high)
    return replace(found, box=np.linalg.inv(matrix @ own))


def _even(shader: Shader) -> Fog | None:
    """What a volume's links say; None where it is not the same everywhere."""
    found = _summed(shader, shader.volume)
    if found is None:
        return None
    scattered, removed, forward = found
    density = float(removed.mean())
    if density <= 0:
        return Fog()
    color = rgb_of(scattered / density)
    return Fog(density, color, float(forward / max(scattered.mean(), 1e-12)))


_Sum = tuple[np.ndarray, np.ndarray, float]
"""(3,) scattered and (3,) removed per unit of length, and anisotropy times what is scattered."""


def _summed(shader: Shader, link: dict[str, Any]) -> _Sum | None:
    node = shader.nodes[link["node"]]
    inputs = node["inputs"]
    if node["type"] == "ADD_SHADER":
        total = np.zeros(3), np.zeros(3), 0.0
        for part in (_summed(shader, part) for part in inputs.values()):
            if part is None:
                return None
            total = total[0] + part[0], total[1] + part[1], total[2] + part[2]
        return total
    if any(isinstance(value, dict) for value in inputs.values()):
        return None
    density = inputs.get("Density", 0.0)
    color = np.clip(np.array(inputs.get("Color", [0.0] * 4)[:3], float), 0, None)
    forward = inputs.get("Anisotropy", 0.0)
    if node["type"] == "VOLUME_ABSORPTION":
        return np.zeros(3), np.clip(1 - color, 0, None) * density, 0.0
    if node["type"] == "VOLUME_SCATTER" and node["props"].get("phase", "HENYEY_GREENSTEIN") in {
        "HENYEY_GREENSTEIN"
    }:
        return color * density, color * density, forward * float((color * density).mean())
    if node["type"] == "PRINCIPLED_VOLUME":
        if inputs.get("Emission Strength", 0.0) > 0 or inputs.get("Blackbody Intensity", 0.0) > 0:
            return None
        absorbed = np.sqrt(np.clip(np.array(inputs["Absorption Color"][:3], float), 0, None))
        scattered = color * density
        removed = scattered + np.clip(1 - color, 0, None) * np.clip(1 - absorbed, 0, None) * density
        return scattered, removed, forward * float(scattered.mean())
    return None
