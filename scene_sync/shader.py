# SPDX-License-Identifier: GPL-3.0-or-later
"""A material or world as it was read: its program, and the pictures that the program looks up."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bpy

from .images import Picture
from .node_values import Value
from .unfollowed import Wanted

GREY = 0.8
"""Base colour where an object has no material, as in Cycles."""


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
    return Shader(name, ({"type": kind, "props": {}, "inputs": inputs},), link_to(0, out))


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
    return Shader("", (node,), link_to(0, "BSDF"))


def link_to(node: int, out: str) -> dict[str, Any]:
    """To an output of a node of the program."""
    return {"node": node, "out": out}
