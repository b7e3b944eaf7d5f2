# SPDX-License-Identifier: GPL-3.0-or-later
"""How the small trees are built, and their list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

Socket = bpy.types.NodeSocket


class Tree:
    """Builds a material's nodes."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(self, kind: str, inputs: dict[str, Any] | None = None, **props: Any) -> Any:
        """A node; inputs by identifier are values or sockets to link."""
        made = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in props.items():
            setattr(made, name, value)
        for name, value in (inputs or {}).items():
            socket = next(s for s in made.inputs if s.identifier == name)
            if isinstance(value, Socket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return made

    def out(
        self, kind: str, out: str, inputs: dict[str, Any] | None = None, **props: Any
    ) -> Socket:
        """An output of a new node, by identifier."""
        made = self.add(kind, inputs, **props)
        return next(s for s in made.outputs if s.identifier == out)

    def uv(self, scale: float = 1.0, move: tuple[float, float, float] = (0, 0, 0)) -> Socket:
        """Coordinates over the tile."""
        at = self.out("TexCoord", "UV")
        return self.out(
            "Mapping", "Vector", {"Vector": at, "Scale": (scale,) * 3, "Location": move}
        )

    def space(self, scale: float = 1.0) -> Socket:
        """Coordinates that vary in all three dimensions."""
        at = self.out("TexCoord", "Object")
        return self.out(
            "Mapping", "Vector", {"Vector": at, "Scale": (scale,) * 3, "Rotation": (0.3, 0.5, 0.2)}
        )

    def axis(self, which: str, low: float = 0.0, high: float = 1.0) -> Socket:
        """X or Y of the UV, from `low` to `high`."""
        part = self.out("SeparateXYZ", which, {"Vector": self.out("TexCoord", "UV")})
        return self.out(
            "Math",
            "Value",
            {"Value": part, "Value_001": high - low, "Value_002": low},
            operation="MULTIPLY_ADD",
        )

    def colors(self) -> Socket:
        """Colours that vary in all three parts."""
        return self.out("VertexColor", "Color", layer_name="Col")

    def show(self, socket: Socket, scale: float = 1.0, move: float = 0.0) -> None:
        """Shine with the value x scale + move."""
        if scale != 1 or move != 0:
            socket = self.out(
                "VectorMath",
                "Vector",
                {
                    "Vector": socket,
                    "Vector_001": (scale,) * 3,
                    "Vector_002": (move,) * 3,
                },
                operation="MULTIPLY_ADD",
            )
        self.surface(self.out("Emission", "Emission", {"Color": socket}))

    def surface(self, shader: Socket) -> None:
        """Plug in the output."""
        self.add("OutputMaterial", {"Surface": shader})


CASES: dict[str, Callable[[Tree], None]] = {}


def case(name: str) -> Callable:
    """Register a case under its name."""

    def register(build: Callable[[Tree], None]) -> Callable[[Tree], None]:
        assert name not in CASES
        CASES[name] = build
        return build

    return register


def choices(kind: str, prop: str) -> list[str]:
    """All values that a node\'s setting may have."""
    items = getattr(bpy.types, "ShaderNode" + kind).bl_rna.properties[prop].enum_items
    return [item.identifier for item in items]


def noise_image(name: str, size: tuple[int, int], alpha: bool = False, data: bool = False) -> Any:
    """An image of random pixels, the same for the same name."""
    made = bpy.data.images.get(name)
    if made is None:
        width, height = size
        made = bpy.data.images.new(name, width, height, alpha=alpha)
        rng = np.random.default_rng(len(name))
        pixels = rng.random((height, width, 4), dtype=np.float32)
        if not alpha:
            pixels[..., 3] = 1
        made.colorspace_settings.name = "Non-Color" if data else "sRGB"
        made.pixels.foreach_set(pixels.ravel())
        made.pack()
    return made


def fill(t: Tree, node: Any, inputs: dict[str, Any]) -> None:
    """Set those inputs that the node has and uses."""
    for name, value in inputs.items():
        socket = next((s for s in node.inputs if s.identifier == name and s.enabled), None)
        if socket is not None and isinstance(value, Socket):
            t.tree.links.new(value, socket)
        elif socket is not None:
            socket.default_value = value
