# SPDX-License-Identifier: GPL-3.0-or-later
"""The material of a mesh file's part as a program of nodes (see docs/materials.md).

glTF 2.0, 3.9: the base colour is texture x factor x the corners' colours; factors and corners are
linear, textures sRGB; alpha counts as `alphaMode` says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...shared.color import srgb_to_linear
from ...shared.scene import Material, Texture
from .meshes import COLORS, base_factor, corner_colors, is_gltf, picture_of

LONGEST = 8192
"""Pixels of a side of a texture above which it is made smaller."""

CLEAR = ("MASK", "BLEND")
"""glTF's `alphaMode`s whose alpha counts."""
_CUTOFF = 0.5
_WHITE = (1.0, 1.0, 1.0, 1.0)


@dataclass(eq=False)
class _Program:
    """Nodes, each of which links to those before it; textures go to the scene's."""

    name: str
    textures: list[Texture]
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, out: str, props: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        self.nodes.append({"type": kind, "props": props, "inputs": inputs})
        return {"node": len(self.nodes) - 1, "out": out}

    def picture(self, picture: Any, srgb: bool = True, with_alpha: bool = False) -> dict[str, Any]:
        small = picture.copy()
        small.thumbnail((LONGEST, LONGEST))
        props = {"texture": len(self.textures), "interpolation": "Linear", "extension": "REPEAT",
                 "projection": "FLAT"}  # fmt: skip
        pixels = np.asarray(small.convert("RGBA" if with_alpha else "RGB").convert("RGBA"))
        self.textures.append(Texture(self.name, pixels, srgb, with_alpha))
        return self.add("TEX_IMAGE", "Color", props)

    def times(self, one: Any, other: Any) -> Any:
        """The product of two colours, a link or a number each; None stands for white."""
        if one is None or other is None:
            return other if one is None else one
        return self.add("MIX_RGB", "Color", {"blend_type": "MULTIPLY"}, Fac=1.0, Color1=one,
                        Color2=other)  # fmt: skip

    def number(self, operation: str, one: Any, other: Any) -> dict[str, Any]:
        return self.add("MATH", "Value", {"operation": operation}, Value=one, Value_001=other)


def material_of(name: str, part: Any, textures: list[Texture]) -> Material:
    """A Principled BSDF of a trimesh; its pictures are added to `textures`."""
    material = getattr(part.visual, "material", None)
    program = _Program(name, textures)
    uv = getattr(part.visual, "uv", None)
    mapped = uv is not None and len(uv) == len(part.vertices)
    picture = picture_of(material) if mapped else None
    clear = getattr(material, "alphaMode", None) in CLEAR
    texture = None if picture is None else program.picture(picture, with_alpha=clear)
    corners = None
    if corner_colors(part) is not None:
        corners = program.add("VERTEX_COLOR", "Color", {"layer_name": COLORS})
    factor = base_factor(material)
    plain = [*map(float, factor[:3]), 1.0]
    # an OBJ's colour stands in for its texture, a glTF's is a factor of it
    counts = (texture is None and corners is None) or is_gltf(material)
    base = program.times(texture, corners)
    if counts and (base is None or tuple(plain) != _WHITE):
        base = program.times(base, plain)
    inputs: dict[str, Any] = {"Roughness": 1.0, "Base Color": base}
    if is_gltf(material):
        _add_alpha(program, inputs, material, float(factor[3]), texture, corners)
        _add_emission(program, inputs, material, mapped)
        _add_metal(program, inputs, material, mapped)
    surface = program.add("BSDF_PRINCIPLED", "BSDF", {}, **inputs)
    return Material(name, json.dumps({"nodes": program.nodes, "surface": surface}))


def _add_alpha(
    program: _Program,
    inputs: dict[str, Any],
    material: Any,
    factor: float,
    texture: dict[str, Any] | None,
    corners: dict[str, Any] | None,
) -> None:
    if material.alphaMode not in CLEAR:
        return
    alpha: Any = factor
    for link in (texture, corners):
        if link is not None:
            alpha = program.number("MULTIPLY", alpha, {**link, "out": "Alpha"})
    if material.alphaMode == "MASK":
        cutoff = _CUTOFF if material.alphaCutoff is None else float(material.alphaCutoff)
        alpha = program.number("GREATER_THAN", alpha, cutoff)
    inputs["Alpha"] = alpha


def _add_emission(program: _Program, inputs: dict[str, Any], material: Any, mapped: bool) -> None:
    factor = np.zeros(3) if material.emissiveFactor is None else material.emissiveFactor
    factor = np.nan_to_num(np.asarray(factor, np.float64)[:3])
    if factor.shape != (3,) or not (factor > 0).any():
        return
    glow: Any = [*map(float, factor), 1.0]
    if mapped and material.emissiveTexture is not None:
        glow = program.times(program.picture(material.emissiveTexture), glow)
    inputs |= {"Emission Color": glow, "Emission Strength": 1.0}


def _add_metal(program: _Program, inputs: dict[str, Any], material: Any, mapped: bool) -> None:
    """Factors, times green (roughness) and blue (metallic) of their texture."""
    texture = material.metallicRoughnessTexture if mapped else None
    split: dict[str, Any] | None = None
    if texture is not None:
        color = program.picture(texture, srgb=False)
        split = program.add("SEPARATE_COLOR", "Green", {"mode": "RGB"}, Color=color)
    for socket, name, out in (
        ("Metallic", "metallicFactor", "Blue"),
        ("Roughness", "roughnessFactor", "Green"),
    ):
        value = getattr(material, name, None)
        if split is not None:
            factor = 1.0 if value is None or not np.isfinite(value) else float(np.clip(value, 0, 1))
            inputs[socket] = program.number("MULTIPLY", factor, {**split, "out": out})
        elif value is not None and np.isfinite(value):
            inputs[socket] = float(np.clip(value, 0, 1))


def linear_corners(part: Any) -> np.ndarray | None:
    """(T, 3, 4) float32 linear colours of a trimesh's corners with alpha, if it has some."""
    found = corner_colors(part)
    if found is None:
        return None
    values, is_linear = found
    if not is_linear:
        values[..., :3] = srgb_to_linear(values[..., :3])
    return values
