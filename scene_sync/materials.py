# SPDX-License-Identifier: GPL-3.0-or-later
"""What colour a material gives a surface, as far as one colour per point can say it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..backend.shared.color import linear_to_srgb
from ..backend.shared.scene import Mesh
from .rgb import rgb_of
from .sampling import Samples
from .textures import Texture, image_texture, pixels_at

GREY = (0.8, 0.8, 0.8)
_PASS_THROUGH = {
    "MIX_RGB", "MIX", "HUE_SAT", "BRIGHTCONTRAST", "GAMMA", "INVERT", "CURVE_RGB", "REROUTE",
    "VALTORGB", "CLAMP", "SEPARATE_COLOR", "COMBINE_COLOR",
}  # fmt: skip
_MAX_DEPTH = 32


@dataclass(frozen=True, eq=False)
class BaseColor:
    """Base colour of one material slot.

    colour: linear RGB used where nothing else says more. texture: an image laid out by `uv`
    (a layer name, "" = the active one) after the affine `mapping` (2, 3). attribute: a colour
    attribute's name ("" = the active one), or None. cut: drop points where the image's alpha is
    below one half. mean_of: an image whose mean stands for `colour`.
    """

    colour: tuple[float, float, float] = GREY
    texture: Texture | None = None
    uv: str = ""
    mapping: np.ndarray | None = None
    attribute: str | None = None
    cut: bool = False
    mean_of: Texture | None = None

    def linear(self) -> tuple[float, float, float]:
        """Linear RGB where nothing else says more. May take its time: not for a draw."""
        return self.mean_of.mean if self.mean_of else self.colour

    def fingerprint(self) -> tuple[object, ...]:
        """Equal for those that colour alike."""
        texture = self.texture.fingerprint if self.texture else b""
        mapping = b"" if self.mapping is None else self.mapping.tobytes()
        return (self.linear(), texture, self.uv, mapping, self.attribute, self.cut)


def base_color_of(material: bpy.types.Material | None) -> BaseColor:
    """That of a material; grey without one."""
    if material is None:
        return BaseColor()
    tree = material.node_tree
    output = tree.get_output_node("ALL") if tree else None
    surface = output.inputs["Surface"] if output else None
    if surface is None or not surface.is_linked:
        return BaseColor(rgb_of(material.diffuse_color[:3]))
    return _shader_color(surface.links[0].from_node, 0) or BaseColor(
        rgb_of(material.diffuse_color[:3])
    )


def _shader_color(node: bpy.types.Node, depth: int) -> BaseColor | None:
    if depth > _MAX_DEPTH:
        return None
    if node.type == "BSDF_PRINCIPLED":
        return _principled_color(node)
    if node.type == "EMISSION":
        strength = min(float(node.inputs["Strength"].default_value), 1.0)
        return _socket_color(node.inputs["Color"], strength)
    if node.type in {"MIX_SHADER", "ADD_SHADER", "REROUTE"}:
        linked = [s.links[0].from_node for s in node.inputs if s.is_linked and s.type == "SHADER"]
        solid = [n for n in linked if n.type not in {"BSDF_TRANSPARENT", "HOLDOUT"}]
        colors = (_shader_color(n, depth + 1) for n in solid)
        return next((base for base in colors if base is not None), None)
    colour = node.inputs.get("Color") or node.inputs.get("Base Color")
    return _socket_color(colour, 1.0) if colour else None


def _principled_color(node: bpy.types.Node) -> BaseColor:
    base = _socket_color(node.inputs["Base Color"], 1.0)
    glow, strength = node.inputs["Emission Color"], node.inputs["Emission Strength"].default_value
    if strength > 0 and not node.inputs["Emission Strength"].is_linked:
        if glow.is_linked:
            return _socket_color(glow, min(strength, 1.0))
        if base.texture is None and base.attribute is None:
            emitted = np.array(base.linear()) + strength * np.array(glow.default_value[:3])
            emitted = np.minimum(emitted, 1)
            return BaseColor(rgb_of(emitted))
    alpha = node.inputs["Alpha"]
    if alpha.is_linked and alpha.links[0].from_node.type == "TEX_IMAGE" and base.texture:
        return replace(base, cut=True)
    return base


def _socket_color(socket: bpy.types.NodeSocket, strength: float) -> BaseColor:
    base = _traced(socket, 0) if socket.is_linked else None
    if base is not None:
        return base
    return BaseColor(rgb_of(float(c) * strength for c in socket.default_value[:3]))


def _traced(socket: bpy.types.NodeSocket, depth: int) -> BaseColor | None:
    """What colours a linked socket, or None where only a renderer could tell."""
    node = socket.links[0].from_node
    if depth > _MAX_DEPTH:
        return None
    if node.type == "TEX_IMAGE":
        return _image_color(node)
    if node.type == "VERTEX_COLOR":
        return BaseColor(attribute=node.layer_name)
    if node.type == "ATTRIBUTE":
        return BaseColor(attribute=node.attribute_name)
    if node.type == "RGB":
        return BaseColor(rgb_of(node.outputs[0].default_value[:3]))
    if node.type in {"TEX_CHECKER", "TEX_BRICK"}:
        pair = [np.array(node.inputs[n].default_value[:3]) for n in ("Color1", "Color2")]
        return BaseColor(rgb_of((pair[0] + pair[1]) / 2))
    if node.type in _PASS_THROUGH:
        linked = [s for s in node.inputs if s.is_linked and s.enabled]
        colors = [base for s in linked if (base := _traced(s, depth + 1)) is not None]
        textured = [base for base in colors if base.texture or base.attribute is not None]
        if textured or node.type != "VALTORGB":
            return next(iter(textured or colors), None)
        middle = node.color_ramp.evaluate(0.5)
        return BaseColor(tuple(middle[:3]))
    return None


def _image_color(node: bpy.types.ShaderNodeTexImage) -> BaseColor | None:
    texture = image_texture(node.image, node.extension) if node.image else None
    if texture is None:
        return None
    vector = node.inputs["Vector"]
    uv, mapping, flat = "", None, node.projection == "FLAT"
    source = vector.links[0] if vector.is_linked else None
    if source and source.from_node.type == "MAPPING":
        mapping = _affine(source.from_node)
        inner = source.from_node.inputs["Vector"]
        source = inner.links[0] if inner.is_linked else None
    if source and source.from_node.type == "UVMAP":
        uv = source.from_node.uv_map
    elif source and not (source.from_node.type == "TEX_COORD" and source.from_socket.name == "UV"):
        flat = False
    if not flat:  # laid out by something other than UV: its mean is the honest answer
        return BaseColor(mean_of=texture)
    return BaseColor(texture=texture, uv=uv, mapping=mapping, mean_of=texture)


def _affine(node: bpy.types.ShaderNodeMapping) -> np.ndarray:
    """(2, 3) map of (u, v, 1) that a point Mapping node makes of UV coordinates."""
    location, rotation, scale = (
        np.array(node.inputs[n].default_value[:]) if n in node.inputs else d
        for n, d in (("Location", np.zeros(3)), ("Rotation", np.zeros(3)), ("Scale", np.ones(3)))
    )
    c, s = np.cos(rotation[2]), np.sin(rotation[2])
    return np.array(
        [[c * scale[0], -s * scale[1], location[0]], [s * scale[0], c * scale[1], location[1]]]
    )


def colours_of(
    mesh: Mesh, colors: list[BaseColor], samples: Samples, area: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) uint8 sRGB of sampled points, and (N,) bool which of them are solid.

    area: (T,) float of the mesh's triangles where they stand, square metres.
    """
    slots = np.clip(mesh.slots, 0, len(colors) - 1)
    plain = np.array([_bytes(np.array(base.linear())) for base in colors])
    rgb = plain[slots[samples.parent]]
    solid = np.ones(len(rgb), bool)
    for slot, base in enumerate(colors):
        if base.texture is None and base.attribute is None:
            continue
        mine = slice(None) if len(colors) == 1 else np.flatnonzero(slots[samples.parent] == slot)
        parent, uv = samples.parent[mine], samples.uv[mine]
        if base.texture is not None:
            layer = mesh.uv.get(base.uv or mesh.active_uv)
            if layer is None:
                continue
            rgba = _textured(layer, base, base.texture, samples, mine, area)
            rgb[mine] = rgba[:, :3]
            if base.cut:
                solid[mine] = rgba[:, 3] >= 128
        else:
            layer = mesh.colors.get(base.attribute or mesh.active_color)
            if layer is not None:
                rgb[mine] = _bytes(_interpolate(layer, parent, uv)[:, :3])
    rgb[~rgb.any(axis=1)] = 1  # 0 would be a colour that nobody knows
    return rgb, solid


def _textured(
    layer: np.ndarray,
    base: BaseColor,
    texture: Texture,
    samples: Samples,
    mine: slice | np.ndarray,
    area: np.ndarray,
) -> np.ndarray:
    """(N, 4) uint8 of its texture at the points `mine`."""
    if base.mapping is not None:
        m = base.mapping.astype(np.float32)
        layer = layer @ m[:, :2].T + m[:, 2]
    parent = samples.parent[mine]
    a, b = layer[:, 1] - layer[:, 0], layer[:, 2] - layer[:, 0]
    height, width = texture.levels[0].shape[:2]
    pixels = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) * np.float32(0.5 * width * height)
    pixels_per_metre = np.sqrt(pixels / np.maximum(area, 1e-12)).astype(np.float32)
    footprint = samples.spacing[mine] * pixels_per_metre[parent]
    return pixels_at(texture, _interpolate(layer, parent, samples.uv[mine]), footprint)


def _interpolate(layer: np.ndarray, parent: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, C) values at barycentric (u, v) of triangles with corner values (T, 3, C)."""
    a, b, c = layer[parent, 0], layer[parent, 1], layer[parent, 2]
    u, v = uv[:, :1], uv[:, 1:]
    return a + u * (b - a) + v * (c - a)


def _bytes(linear: np.ndarray) -> np.ndarray:
    return np.rint(linear_to_srgb(linear) * 255).astype(np.uint8)
