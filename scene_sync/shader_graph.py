# SPDX-License-Identifier: GPL-3.0-or-later
"""Node trees as programs: what a material or world computes, as plain values and links.

docs/materials.md has the format. Groups, reroutes and muted nodes are gone from it, values that
change their kind on a link pass a CONVERT node, and only what the output reaches is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import bpy
import numpy as np

from ..backend.shared.scene import BAKE_LAYER
from .images import Picture, is_premultiplied, read_image, read_node_image
from .node_values import Value, node_settings, own_data, plain_value
from .shader import Shader, link_to, no_material, plain_shader
from .unfollowed import NEVER, Place, Wanted, title_of, wanted

_SINGLE = {"VALUE", "INT", "BOOLEAN"}
_PICTURES = {"TEX_IMAGE", "TEX_ENVIRONMENT"}

Found = tuple[Value, str]
"""A number, numbers or a link, and the kind of socket that it comes from."""


Baked = Mapping[Place, tuple[bpy.types.Image | str, bool]]
"""Pictures that stand for values of a material, or their names, and whether they are normals."""


def read_material(
    material: bpy.types.Material | None, frame: int, baked: Baked | None = None
) -> Shader:
    """A material as Cycles takes it, at a frame of the scene."""
    if material is None:
        return no_material()
    # always true from Blender 5 on, where asking warns
    if bpy.app.version < (5, 0, 0) and not material.use_nodes:
        return plain_shader(material.name_full, material.diffuse_color)
    made = read_tree(
        material.name_full,
        material.node_tree,
        frame,
        bump_only=getattr(material, "displacement_method", "BUMP") == "BUMP",
        baked=baked,
    )
    made = replace(made, problems=made.problems + _unfollowed(made))
    if made.wanted and baked is None:
        names = {one.place: (one.key, False) for one in made.wanted}
        made = replace(made, named=read_material(material, frame, names))
    return made


def _unfollowed(shader: Shader) -> tuple[str, ...]:
    """A sentence for what only Blender evaluates."""
    kinds = {node["type"] for node in shader.nodes}
    said = [
        f"Material '{shader.name}': {title} is not followed and counts as the same everywhere."
        for kind, title in NEVER.items()
        if kind in kinds
    ]
    titles = ", ".join(dict.fromkeys(one.title for one in shader.wanted))
    if titles:
        said.append(
            f"Material '{shader.name}': only Cycles evaluates {titles}; press Bake Materials."
        )
    return tuple(said)


def read_tree(
    name: str,
    tree: bpy.types.NodeTree | None,
    frame: int,
    bump_only: bool = True,
    kind: str = "Material",
    baked: Baked | None = None,
) -> Shader:
    """What a node tree's output for Cycles shows. kind: what sentences call it."""
    output = tree.get_output_node("CYCLES") if tree else None
    if output is None:
        return Shader(name)
    walk = _Walk(f"{kind} '{name}'", frame, baked or {})
    ends: dict[str, Value | None] = {}
    for end in ("Surface", "Volume", "Displacement"):
        socket = output.inputs.get(end)
        found = walk.linked(socket, ()) if socket is not None else None
        if found is not None and end != "Displacement":
            found = walk.converted(found, "SHADER")
        ends[end] = found[0] if found is not None and isinstance(found[0], dict) else None
    return Shader(
        name,
        tuple(walk.nodes),
        ends["Surface"],
        ends["Volume"],
        ends["Displacement"],
        bump_only,
        tuple(walk.pictures),
        tuple(dict.fromkeys(walk.problems)),
        tuple(walk.wanted.values()),
    )


_Path = tuple[bpy.types.Node, ...]
"""The group nodes that a tree is in, outermost first."""


@dataclass(eq=False)
class _Walk:
    """From an output back to all that it needs."""

    name: str
    frame: int
    baked: Baked
    wanted: dict[Place, Wanted] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _numbers: dict[tuple[int, ...], int | None] = field(default_factory=dict)

    def linked(self, socket: bpy.types.NodeSocket, path: _Path) -> Found | None:
        """What comes in by a link, None without one."""
        for link in socket.links if socket.is_linked else ():
            if link.is_valid and not link.is_muted:
                return self._output(link.from_node, link.from_socket, path)
        return None

    def _input(self, socket: bpy.types.NodeSocket, path: _Path) -> Found | None:
        """What a socket holds, in its own kind; None: what the node does without it."""
        found = self.linked(socket, path)
        if found is not None:
            return self.converted(found, socket.type)
        value = None if socket.hide_value else plain_value(getattr(socket, "default_value", None))
        return None if value is None else (value, socket.type)

    def _output(
        self, node: bpy.types.Node, socket: bpy.types.NodeSocket, path: _Path
    ) -> Found | None:
        if node.mute:
            inside = (i.from_socket for i in node.internal_links if i.to_socket == socket)
            through = next(inside, None)
            found = None if through is None else self._input(through, path)
            return None if found is None else self.converted(found, socket.type)
        if node.type == "REROUTE":
            return self.linked(node.inputs[0], path)
        if node.type == "GROUP":
            return self._group_output(node, socket, path)
        if node.type == "GROUP_INPUT":
            outer = path[-1].inputs.get(socket.identifier) if path else None
            outer = outer or _by_identifier(path[-1].inputs, socket) if path else None
            return None if outer is None else self._input(outer, path[:-1])
        if node.type in {"VALUE", "RGB"}:
            value = plain_value(node.outputs[0].default_value)
            return None if value is None else (value, socket.type)
        if title_of(node.type, socket.identifier) and socket.type != "SHADER":
            return self._blenders(node, socket, path)
        number = self._number(node, path)
        if number is not None and socket.identifier == "Alpha" and node.type in _PICTURES:
            self.nodes[number]["props"]["premultiply"] = False
        return None if number is None else (link_to(number, socket.identifier), socket.type)

    def _blenders(
        self, node: bpy.types.Node, socket: bpy.types.NodeSocket, path: _Path
    ) -> Found | None:
        """What only Blender evaluates: its picture, or else the node itself, which is noted."""
        place = (*(group.name for group in path), node.name, socket.identifier)
        if place in self.baked:
            return self.converted(self._picture(*self.baked[place]), socket.type)
        before = set(self.wanted)
        number = self._number(node, path)
        if number is None:
            return None
        # what is behind it is baked with it
        self.wanted = {p: w for p, w in self.wanted.items() if p in before}
        self.wanted[place] = wanted(
            self.nodes, number, socket.identifier, place, lambda i: self.pictures[i].content
        )
        return link_to(number, socket.identifier), socket.type

    def _picture(self, image: bpy.types.Image | str, normal: bool) -> Found:
        """Of a baked picture; normals are kept in the object's space."""
        if isinstance(image, str):
            return link_to(self._add("BAKED", {"key": image}, {}), "Color"), "RGBA"
        layer = self._add("UVMAP", {"uv_map": BAKE_LAYER}, {})
        picture, tiles = read_image(image), {}
        if picture is not None:
            tiles = {"0": len(self.pictures)}
            self.pictures.append(picture)
        props = {"tiles": tiles, "extension": "EXTEND", "alpha_mode": "NONE", "premultiply": False}
        found = link_to(self._add("TEX_IMAGE", props, {"Vector": link_to(layer, "UV")}), "Color")
        if not normal:
            return found, "RGBA"
        turned = {"vector_type": "NORMAL", "convert_from": "OBJECT", "convert_to": "WORLD"}
        number = self._add("VECT_TRANSFORM", turned, {"Vector": found})
        return link_to(number, "Vector"), "VECTOR"

    def _group_output(
        self, node: bpy.types.Node, socket: bpy.types.NodeSocket, path: _Path
    ) -> Found | None:
        tree = node.node_tree
        if tree is None or node in path:
            return None
        ends = [n for n in tree.nodes if n.type == "GROUP_OUTPUT" and n.is_active_output]
        inner = _by_identifier(ends[0].inputs, socket) if ends else None
        return None if inner is None else self._input(inner, (*path, node))

    def _number(self, node: bpy.types.Node, path: _Path) -> int | None:
        """Of a node in the program; None within a circle of links."""
        key = (node.as_pointer(), *(group.as_pointer() for group in path))
        if key not in self._numbers:
            self._numbers[key] = None
            inputs = {}
            for socket in node.inputs:
                found = self._input(socket, path) if socket.enabled else None
                if found is not None:
                    inputs[socket.identifier] = found[0]
            # in this order: programs are named by their text
            props = node_settings(node) | self._pictures_of(node) | own_data(node)
            self._numbers[key] = self._add(node.type, props, inputs)
        return self._numbers[key]

    def _add(self, kind: str, props: dict[str, Any], inputs: dict[str, Value]) -> int:
        self.nodes.append({"type": kind, "props": props, "inputs": inputs})
        return len(self.nodes) - 1

    def converted(self, found: Found, kind: str) -> Found:
        """The same in another kind of socket, as Cycles converts it."""
        value, own = found
        if kind == "SHADER" and own != "SHADER":
            inputs = {"Color": self.converted(found, "RGBA")[0], "Strength": 1.0}
            return link_to(self._add("EMISSION", {}, inputs), "Emission"), kind
        if kind in _SINGLE and own in {"RGBA", "VECTOR"}:
            if isinstance(value, list):
                weights = (0.2126, 0.7152, 0.0722) if own == "RGBA" else (1 / 3, 1 / 3, 1 / 3)
                return float(np.dot(value[:3], weights)), kind
            props = {"from": own, "to": "VALUE"}
            return link_to(self._add("CONVERT", props, {"Value": value}), "Value"), kind
        if kind in {"RGBA", "VECTOR"} and isinstance(value, float):
            return [value] * 3 + [1.0] * (kind == "RGBA"), kind
        return value, kind

    def _pictures_of(self, node: bpy.types.Node) -> dict[str, Any]:
        """What an image node shows."""
        if node.type not in _PICTURES:
            return {}
        tiles, problems = read_node_image(node, self.frame)
        self.problems += [f"{self.name}: {problem}" for problem in problems]
        first = len(self.pictures)
        self.pictures += tiles.values()
        return {
            "tiles": {str(tile): first + i for i, tile in enumerate(tiles)},
            "alpha_mode": getattr(node.image, "alpha_mode", "NONE"),
            "premultiply": is_premultiplied(node.image),
        }


def _by_identifier(
    sockets: bpy.types.NodeInputs, like: bpy.types.NodeSocket
) -> bpy.types.NodeSocket | None:
    return next((s for s in sockets if s.identifier == like.identifier), None)
