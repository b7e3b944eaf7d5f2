# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that only Blender itself evaluates, and whether what was baked of them still fits.

What such a node gives is baked, not the whole material: all that stands behind it goes on being
evaluated exactly. A bake is named by the node and all that it depends on, so that a change of any
of it is another name. Needs no Blender.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

BAKED = {
    "AMBIENT_OCCLUSION": "Ambient Occlusion",
    "BEVEL": "Bevel",
    "MATERIAL_RAYCAST": "Raycast",
    "SCRIPT": "Script",
    "ShaderNodeRadialTiling": "Radial Tiling",
    "SQUEEZE": "Squeeze Value",
    "TEX_GABOR": "Gabor Texture",
    "TEX_IES": "IES Texture",
    "TEX_POINTDENSITY": "Point Density",
    "TEX_SKY": "Sky Texture",
    "WIREFRAME": "Wireframe",
}
"""By `node.type`, and what artists call them."""
BAKED_OUTPUTS = {
    ("NEW_GEOMETRY", "Pointiness"): "Pointiness",
    ("NEW_GEOMETRY", "Random Per Island"): "Random Per Island",
}
"""Outputs of nodes that are followed else."""
NEVER = {
    "HAIR_INFO": "Hair Info",
    "LIGHT_FALLOFF": "Light Falloff",
    "PARTICLE_INFO": "Particle Info",
    "POINT_INFO": "Point Info",
    "UVALONGSTROKE": "UV Along Stroke",
    "VECTOR_DISPLACEMENT": "Vector Displacement",
}
"""What differs from ray to ray, from instance to instance or along a strand: no picture of a
surface holds it."""
NORMALS = {"BEVEL"}
"""What they give are normals in world space."""
_LOOKS_AROUND = {"AMBIENT_OCCLUSION", "MATERIAL_RAYCAST", "SCRIPT"}
_OWN = {"OBJECT_INFO", "ATTRIBUTE", "TEX_COORD"} | _LOOKS_AROUND
"""Nodes whose result is one object's own, also where others share its mesh."""

Place = tuple[str, ...]
"""Where a value stands in a material: the names of groups' nodes, the node's, the output's."""


class Wanted(NamedTuple):
    """A value that a bake is wanted of.

    key: names it and all that it depends on. title: what artists call it. normal: whether it is a
    normal in world space. around: whether other objects count. own: whether objects of the same
    mesh differ in it.
    """

    key: str
    place: Place
    title: str
    normal: bool = False
    around: bool = False
    own: bool = False


def title_of(kind: str, out: str) -> str:
    """What artists call a value that can be baked; "": it is followed, or nothing helps."""
    return BAKED.get(kind) or BAKED_OUTPUTS.get((kind, out), "")


def wanted(
    nodes: Sequence[dict[str, Any]],
    number: int,
    out: str,
    place: Place,
    picture: Callable[[int], str],
) -> Wanted:
    """Of output `out` of node `number` of a program. picture: names the content of one of its
    own."""
    kinds: set[str] = set()
    hashes: dict[int, str] = {}

    def named(index: int) -> str:
        if index not in hashes:
            node = nodes[index]
            local = node["type"] == "AMBIENT_OCCLUSION" and node["props"].get("only_local")
            if not local:
                kinds.add(node["type"])
            inputs = {name: linked(value) for name, value in node["inputs"].items()}
            props = dict(node["props"])
            if "tiles" in props:
                props["tiles"] = {k: picture(v) for k, v in props["tiles"].items()}
            hashes[index] = _hash([node["type"], props, inputs])
        return hashes[index]

    def linked(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value["out"] == "Position":
            kinds.add("OBJECT_INFO")
        return [named(value["node"]), value["out"]]

    key = _hash([named(number), out])
    kind = nodes[number]["type"]
    around, own = bool(kinds & _LOOKS_AROUND), bool(kinds & _OWN)
    return Wanted(key, place, title_of(kind, out), kind in NORMALS, around, own)


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


class Bake(NamedTuple):
    """What is kept of a shape of an object. topology: names its triangles and their slots."""

    topology: str
    keys: frozenset[str]


def fitting(bakes: Iterable[Bake], topology: str, keys: Iterable[str]) -> int | None:
    """The number of the bake that has all that is wanted of a shape."""
    needed = set(keys)
    for number, bake in enumerate(bakes):
        if bake.topology == topology and needed <= bake.keys:
            return number
    return None
