# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's world as what lies behind everything: a picture of directions, and thin fog.

Worlds of one colour and worlds of one environment texture are known at once; any other is rendered
by Cycles in a Blender beside this one, once for the same nodes and pictures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..backend.shared.color import srgb_to_linear
from ..backend.shared.content import kept_hash
from ..backend.shared.errors import WorldFMError
from ..backend.shared.scene import (
    CAMERA,
    DIFFUSE,
    EVERYWHERE,
    GLOSSY,
    TRANSMISSION,
    VOLUME,
    Background,
    Texture,
)
from .shader import Shader, plain_shader
from .shader_graph import read_tree
from .world_render import WorldRender, render_of

_FLAGS = {
    "camera": CAMERA,
    "diffuse": DIFFUSE,
    "glossy": GLOSSY,
    "transmission": TRANSMISSION,
    "scatter": VOLUME,
}
_ROWS = 256
"""Rows of a turned picture that are looked up in one go."""
_KEPT = 4
STAND_IN = 0.5
"""Radiance of a world that nothing is known of yet."""
_Node = dict[str, Any]
_pictures: dict[tuple[str, ...], np.ndarray] = {}


@dataclass(frozen=True, eq=False)
class Sky:
    """What is read of a world. shader: None without a world. render: where Cycles is needed."""

    shader: Shader | None
    visible: int = EVERYWHERE
    render: WorldRender | None = None

    @property
    def waits(self) -> bool:
        """Whether its picture is still being rendered."""
        return self.render is not None and not self.render.done

    def background(self, wait: bool = True) -> tuple[Background, list[str]]:
        """The picture, and sentences about what it lacks. Takes its time: not for a draw.

        wait: for a picture that Cycles still renders; else a grey one stands in for it.
        """
        pixels, problems = self._pixels(wait)
        return Background(pixels, self.visible, _identity(self.shader)), problems

    def _pixels(self, wait: bool) -> tuple[np.ndarray, list[str]]:
        if self.shader is None:
            return np.zeros((1, 1, 3), np.float32), []
        radiance = _constant(self.shader)
        if radiance is not None:
            return radiance.reshape(1, 1, 3), []
        simple = _environment(self.shader)
        if simple is not None:
            return _kept_picture(self.shader, *simple), []
        if self.render is None or (self.waits and not wait):
            return np.full((1, 1, 3), STAND_IN, np.float32), []
        try:
            return self.render.pixels(), []
        except WorldFMError as error:
            return np.zeros((1, 1, 3), np.float32), [str(error)]


def read_world(world: bpy.types.World | None, frame: int, render: bool = True) -> Sky:
    """An (evaluated) world as Cycles takes it.

    render: have it rendered where that takes Cycles; else a grey picture stands in for it.
    """
    if world is None:
        return Sky(None)
    flags = getattr(world, "cycles_visibility", None)
    hidden = sum(bit for name, bit in _FLAGS.items() if not getattr(flags, name, True))
    visible = EVERYWHERE & ~hidden
    # always true from Blender 5 on, where asking warns
    if bpy.app.version < (5, 0, 0) and not world.use_nodes:
        return Sky(plain_shader(world.name_full, (*world.color, 1.0), "BACKGROUND"), visible)
    shader = read_tree(world.name_full, world.node_tree, frame, kind="World")
    known = _constant(shader) is not None or _environment(shader) is not None
    return Sky(
        shader, visible, None if known or not render else render_of(world.original, shader, frame)
    )


def _identity(shader: Shader | None) -> str:
    """16 hex digits of a world's nodes and the contents of its pictures, the same in any session.

    May take its time: not for a draw.
    """
    if shader is None:
        return ""
    pictures = [kept_hash(picture.texture.pixels) for picture in shader.pictures]
    text = "\n".join([shader.program(list(range(len(pictures)))), *pictures])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _constant(shader: Shader | None) -> np.ndarray | None:
    """(3,) float32 of a world that is the same in all directions, None of any other."""
    if shader is None or shader.surface is None:
        return np.zeros(3, np.float32)
    node = shader.nodes[shader.surface["node"]]
    if node["type"] not in {"BACKGROUND", "EMISSION"}:
        return None
    color, strength = node["inputs"].get("Color"), node["inputs"].get("Strength", 1.0)
    if isinstance(color, dict) or isinstance(strength, dict) or color is None:
        return None
    return np.array(color[:3], np.float32) * np.float32(strength)


def _environment(shader: Shader) -> tuple[_Node, list[_Node], float] | None:
    """The image node, the mappings before it (last first) and the strength of a simple world."""
    end = shader.nodes[shader.surface["node"]]
    color, strength = end["inputs"].get("Color"), end["inputs"].get("Strength", 1.0)
    if end["type"] != "BACKGROUND" or not isinstance(color, dict) or isinstance(strength, dict):
        return None
    image = shader.nodes[color["node"]]
    if image["type"] != "TEX_ENVIRONMENT" or image["props"]["projection"] != "EQUIRECTANGULAR":
        return None
    if "texture_mapping" in image["props"] or not image["props"]["tiles"]:
        return None
    mappings: list[_Node] = []
    place = image["inputs"].get("Vector")
    while place is not None:
        node = shader.nodes[place["node"]]
        if node["type"] == "TEX_COORD" and place["out"] == "Generated":
            break
        fixed = (node["inputs"].get(name) for name in ("Location", "Rotation", "Scale"))
        if node["type"] != "MAPPING" or any(isinstance(value, dict) for value in fixed):
            return None
        mappings.append(node)
        place = node["inputs"].get("Vector")
        if not isinstance(place, dict):
            return None
    return image, mappings, strength


def _kept_picture(
    shader: Shader, image: _Node, mappings: list[_Node], strength: float
) -> np.ndarray:
    """`_looked_up`; the one at hand where nodes and image are the same."""
    pictures = [picture.fingerprint.hex() for picture in shader.pictures]
    key = (shader.program(list(range(len(pictures)))), *pictures)
    made = _pictures.pop(key, None)
    if made is None:
        made = _looked_up(shader, image, mappings, strength)
    _pictures[key] = made  # the newest last
    while len(_pictures) > _KEPT:
        _pictures.pop(next(iter(_pictures)), None)
    return made


def _looked_up(shader: Shader, image: _Node, mappings: list[_Node], strength: float) -> np.ndarray:
    """(H, W, 3) float32 radiance in every direction."""
    number = next(iter(image["props"]["tiles"].values()))
    light = linear_light(shader.pictures[number].texture) * np.float32(strength)
    if not mappings:
        return light
    height, width = light.shape[:2]
    made = np.empty_like(light)
    for top in range(0, height, _ROWS):
        rows = np.arange(top, min(top + _ROWS, height))
        at = directions(rows, height, width)
        for node in reversed(mappings):
            at = mapped(node, at)
        made[rows] = _sampled(light, at)
    return made


def linear_light(texture: Texture) -> np.ndarray:
    """(H, W, 3) float32 of a texture's colours."""
    values = texture.pixels[..., :3].astype(np.float32)
    if texture.pixels.dtype == np.uint8:
        values /= np.float32(255)
    return srgb_to_linear(values) if texture.srgb else values


def directions(rows: np.ndarray, height: int, width: int) -> np.ndarray:
    """(R, W, 3) float32 unit vectors of the middles of a `Background`'s pixels."""
    polar = ((rows + 0.5) / height * np.pi).astype(np.float32)[:, None]
    turn = ((0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi).astype(np.float32)
    across = np.sin(polar)
    up = np.broadcast_to(np.cos(polar), (len(rows), width))
    return np.stack([across * np.cos(turn), across * np.sin(turn), up], axis=-1)


def mapped(node: _Node, at: np.ndarray) -> np.ndarray:
    """What a Mapping node of fixed values makes of vectors (..., 3)."""
    read = node["inputs"].get
    location = np.array(read("Location", [0.0] * 3), np.float32)
    scale = np.array(read("Scale", [1.0] * 3), np.float32)
    turn = _rotation(read("Rotation", [0.0] * 3))
    kind = node["props"]["vector_type"]
    if kind == "TEXTURE":
        return ((at - location) @ turn) / np.where(scale == 0, 1, scale)
    if kind == "NORMAL":
        made = (at / np.where(scale == 0, 1, scale)) @ turn.T
        return made / np.maximum(np.linalg.norm(made, axis=-1, keepdims=True), 1e-12)
    made = (at * scale) @ turn.T
    return made + location if kind == "POINT" else made


def _rotation(angles: list[float]) -> np.ndarray:
    """(3, 3) about X, then Y, then Z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (z @ y @ x).astype(np.float32)


def _sampled(light: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Bilinear look-up of directions (..., 3) in (H, W, 3)."""
    height, width = light.shape[:2]
    length = np.maximum(np.linalg.norm(at, axis=-1), 1e-12)
    x = (0.5 - np.arctan2(at[..., 1], at[..., 0]) / (2 * np.pi)) * width - 0.5
    y = np.arccos(np.clip(at[..., 2] / length, -1, 1)) / np.pi * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right = ((x - left)[..., None]).astype(np.float32)
    down = ((y - top)[..., None]).astype(np.float32)
    first, second = left % width, (left + 1) % width
    above, below = np.clip(top, 0, height - 1), np.clip(top + 1, 0, height - 1)
    upper = light[above, first] * (1 - right) + light[above, second] * right
    lower = light[below, first] * (1 - right) + light[below, second] * right
    return upper * (1 - down) + lower * down
