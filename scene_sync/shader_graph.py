# SPDX-License-Identifier: GPL-3.0-or-later
"""Node trees as programs: what a material or world computes, as plain values and links.

docs/materials.md has the format. Groups, reroutes and muted nodes are gone from it, values that
change their kind on a link pass a CONVERT node, and only what the output reaches is there.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import bpy
import numpy as np

from ..backend.shared.scene import BAKE_LAYER
from .images import Picture, is_premultiplied, read_image, read_node_image
from .unfollowed import NEVER, Place, Wanted, title_of, wanted

_TABLE = 257
"""Samples of a ramp or curve, as many as Cycles takes."""
_SINGLE = {"VALUE", "INT", "BOOLEAN"}
_PICTURES = {"TEX_IMAGE", "TEX_ENVIRONMENT"}
_VORONOI_PCG = (5, 0, 0)
"""The first version whose Voronoi cells are placed by another hash."""
GREY = 0.8
"""Base colour where an object has no material, as in Cycles."""

Value = float | list[float] | str | dict[str, Any]
Found = tuple[Value, str]
"""A number, numbers or a link, and the kind of socket that it comes from."""


@dataclass(frozen=True, eq=False)
class Shader:
    """A material or world. nodes: with numbers of `pictures` where the program has textures'.

    problems: one sentence each of what could not be read. wanted: values that only Blender
    evaluates, which stand for something near until they are baked. named: the same with the names
    of these values, baked or not; None: there are none.
    """

    name: str
    nodes: tuple[dict[str, Any], ...] = ()
    surface: Any = None
    volume: Any = None
    displacement: Value | None = None
    bump_only: bool = True
    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    named: Shader | None = None

    def program(self, numbers: list[int]) -> str:
        """The JSON of `Material.program`. numbers: in `Scene.textures`, of each picture."""
        nodes = [_renumbered(node, numbers) for node in self.nodes]
        made = {"nodes": nodes, "surface": self.surface, "volume": self.volume}
        if self.displacement is not None:
            made |= {"displacement": self.displacement, "bump_only": self.bump_only}
        return json.dumps(made, separators=(",", ":"), allow_nan=False)

    @functools.cached_property
    def attributes(self) -> frozenset[str]:
        """The attributes of meshes that it names."""
        asking = (node["props"] for node in self.nodes if node["type"] == "ATTRIBUTE")
        named = (p["attribute_name"] for p in asking if p.get("attribute_type") == "GEOMETRY")
        return frozenset(named)

    @property
    def look(self) -> str:
        """`Material.look`. Takes its time: not for a draw."""
        if self.named is None:
            return ""
        pictures = self.named.pictures
        digest = hashlib.blake2b(self.named.program([*range(len(pictures))]).encode())
        for picture in pictures:
            digest.update(picture.content.encode())
        return digest.hexdigest()[:32]

    @property
    def only_volume(self) -> bool:
        """Whether nothing is on the surface itself."""
        return self.surface is None and self.volume is not None


def _renumbered(node: dict[str, Any], numbers: list[int]) -> dict[str, Any]:
    tiles = node["props"].get("tiles")
    if tiles is None:
        return node
    named = {tile: numbers[number] for tile, number in tiles.items()}
    texture = next(iter(named.values()), -1)
    props = {**node["props"], "texture": texture, "tiles": {} if "0" in named else named}
    return {**node, "props": props}


def plain_shader(name: str, color: Iterable[float], kind: str = "BSDF_DIFFUSE") -> Shader:
    """A shader of one closure."""
    inputs = {"Color": [*map(float, color)]}
    out = "Background" if kind == "BACKGROUND" else "BSDF"
    return Shader(name, ({"type": kind, "props": {}, "inputs": inputs},), _link(0, out))


def no_material() -> Shader:
    """What Cycles shows where an object has no material: Principled from Blender 5 on."""
    if bpy.app.version < (5, 0, 0):
        return plain_shader("", (GREY, GREY, GREY, 1.0))
    inputs = {
        "Base Color": [GREY, GREY, GREY, 1.0],
        "Roughness": 0.5,
        "IOR": 1.5,
        "Alpha": 1.0,
        "Specular IOR Level": 0.5,
    }
    node = {"type": "BSDF_PRINCIPLED", "props": {"distribution": "MULTI_GGX"}, "inputs": inputs}
    return Shader("", (node,), _link(0, "BSDF"))


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
        value = None if socket.hide_value else _value(getattr(socket, "default_value", None))
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
            value = _value(node.outputs[0].default_value)
            return None if value is None else (value, socket.type)
        if title_of(node.type, socket.identifier) and socket.type != "SHADER":
            return self._blenders(node, socket, path)
        number = self._number(node, path)
        if number is not None and socket.identifier == "Alpha" and node.type in _PICTURES:
            self.nodes[number]["props"]["premultiply"] = False
        return None if number is None else (_link(number, socket.identifier), socket.type)

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
        return _link(number, socket.identifier), socket.type

    def _picture(self, image: bpy.types.Image | str, normal: bool) -> Found:
        """Of a baked picture; normals are kept in the object's space."""
        if isinstance(image, str):
            return _link(self._add("BAKED", {"key": image}, {}), "Color"), "RGBA"
        layer = self._add("UVMAP", {"uv_map": BAKE_LAYER}, {})
        picture, tiles = read_image(image), {}
        if picture is not None:
            tiles = {"0": len(self.pictures)}
            self.pictures.append(picture)
        props = {"tiles": tiles, "extension": "EXTEND", "alpha_mode": "NONE", "premultiply": False}
        found = _link(self._add("TEX_IMAGE", props, {"Vector": _link(layer, "UV")}), "Color")
        if not normal:
            return found, "RGBA"
        turned = {"vector_type": "NORMAL", "convert_from": "OBJECT", "convert_to": "WORLD"}
        number = self._add("VECT_TRANSFORM", turned, {"Vector": found})
        return _link(number, "Vector"), "VECTOR"

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
            props = _props(node) | self._special(node)
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
            return _link(self._add("EMISSION", {}, inputs), "Emission"), kind
        if kind in _SINGLE and own in {"RGBA", "VECTOR"}:
            if isinstance(value, list):
                weights = (0.2126, 0.7152, 0.0722) if own == "RGBA" else (1 / 3, 1 / 3, 1 / 3)
                return float(np.dot(value[:3], weights)), kind
            props = {"from": own, "to": "VALUE"}
            return _link(self._add("CONVERT", props, {"Value": value}), "Value"), kind
        if kind in {"RGBA", "VECTOR"} and isinstance(value, float):
            return [value] * 3 + [1.0] * (kind == "RGBA"), kind
        return value, kind

    def _special(self, node: bpy.types.Node) -> dict[str, Any]:
        """What of a node is kept in data of its own."""
        props: dict[str, Any] = {}
        if node.type in _PICTURES:
            tiles, problems = read_node_image(node, self.frame)
            self.problems += [f"{self.name}: {problem}" for problem in problems]
            first = len(self.pictures)
            self.pictures += tiles.values()
            props["tiles"] = {str(tile): first + i for i, tile in enumerate(tiles)}
            props["alpha_mode"] = getattr(node.image, "alpha_mode", "NONE")
            props["premultiply"] = is_premultiplied(node.image)
        elif node.type == "VALTORGB":
            ramp = node.color_ramp
            props["ramp"] = [_rounded(ramp.evaluate(i / (_TABLE - 1))) for i in range(_TABLE)]
            props["interpolate"] = ramp.interpolation != "CONSTANT"
        elif node.type in {"CURVE_RGB", "CURVE_VEC", "CURVE_FLOAT"}:
            props |= _curves(node.mapping)
        elif node.type == "TEX_VORONOI" and bpy.app.version < _VORONOI_PCG:
            props["older_hash"] = True
        elif node.type == "NORMAL":
            props["direction"] = _value(node.outputs[0].default_value)
        elif node.type == "TEX_COORD" and node.object is not None:
            inverse = np.linalg.pinv(np.array(node.object.matrix_world, float))
            props["world_to_object"] = [[float(v) for v in row] for row in inverse]
        mapping = getattr(node, "texture_mapping", None)
        if mapping is not None and not _is_identity(mapping):
            props["texture_mapping"] = {
                "vector_type": mapping.vector_type,
                "translation": _value(mapping.translation),
                "rotation": _value(mapping.rotation),
                "scale": _value(mapping.scale),
                "axes": [mapping.mapping_x, mapping.mapping_y, mapping.mapping_z],
            }
        return props


def _link(node: int, out: str) -> dict[str, Any]:
    return {"node": node, "out": out}


def _by_identifier(
    sockets: bpy.types.NodeInputs, like: bpy.types.NodeSocket
) -> bpy.types.NodeSocket | None:
    return next((s for s in sockets if s.identifier == like.identifier), None)


def _value(value: Any) -> Value | None:
    """Of a property of Blender's; None of what is neither numbers nor text."""
    if isinstance(value, (bool, int, float)):
        return _finite(float(value))
    if isinstance(value, str):
        return value
    try:
        return [_finite(float(part)) for part in value]
    except TypeError:
        return None


def _finite(value: float) -> float:
    return value if abs(value) < np.inf else 0.0  # false for NaN as well


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(_finite(float(v)), 6) for v in values]


_COMMON = {p.identifier for p in bpy.types.ShaderNode.bl_rna.properties}


def _props(node: bpy.types.Node) -> dict[str, Any]:
    """The settings that a kind of node has beside what all have."""
    props: dict[str, Any] = {}
    for rna in node.bl_rna.properties:
        name = rna.identifier
        if name in _COMMON or rna.type in {"POINTER", "COLLECTION"}:
            continue
        value = getattr(node, name)
        if rna.type in {"BOOLEAN", "STRING"} or (rna.type == "ENUM" and not rna.is_enum_flag):
            props[name] = value
        elif rna.type in {"INT", "FLOAT"}:
            props[name] = _value(value)
    return props


def _curves(mapping: bpy.types.CurveMapping) -> dict[str, Any]:
    """A table of all curves, each after the combined one where there is one."""
    mapping.initialize()
    curves = list(mapping.curves)
    combined = curves.pop() if len(curves) == 4 else None
    ends = [p.location[0] for curve in mapping.curves for p in curve.points]
    low, high = min([0.0, *ends]), max([1.0, *ends])
    rows = []
    for place in np.linspace(low, high, _TABLE):
        at = float(place) if combined is None else mapping.evaluate(combined, float(place))
        rows.append(_rounded(mapping.evaluate(curve, at) for curve in curves))
    extend = mapping.extend == "EXTRAPOLATED"
    return {"curve": rows, "range": [low, high], "extrapolate": extend}


def _is_identity(mapping: bpy.types.TexMapping) -> bool:
    return (
        not any(mapping.translation)
        and not any(mapping.rotation)
        and all(s == 1 for s in mapping.scale)
        and (mapping.mapping_x, mapping.mapping_y, mapping.mapping_z) == ("X", "Y", "Z")
        and not mapping.use_min
        and not mapping.use_max
    )
