# SPDX-License-Identifier: GPL-3.0-or-later
"""A world: anchors (points, and the surfaces of a scene) and memory frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from .anchors import Anchors
from .frame import MemoryFrame
from .scene import Scene


@dataclass(eq=False)
class World:
    """Metres, Z up.

    revision: changes whenever anchors or memory do. provenance: where from. scene: what Blender
    knows of it, None where points are all there is.
    """

    anchors: Anchors
    memory: list[MemoryFrame]
    revision: int = 0
    provenance: dict[str, str] = field(default_factory=dict)
    scene: Scene | None = None
