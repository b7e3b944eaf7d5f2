# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of every kind as the textures of a scene."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes

FOLDER = Path(tempfile.mkdtemp())


def saved(name: str, value: float, side: int = 4) -> str:
    """A grey PNG of one stored value."""
    image = bpy.data.images.new(name, side, side)
    rgba = np.full((side, side, 4), value, np.float32)
    rgba[..., 3] = 1
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw, image.file_format = str(FOLDER / name), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return str(FOLDER / name)


def shown(name: str, image: Any, alpha: bool = False) -> Any:
    """A material of one image; its image node."""
    look = scenes.material(name, (0, 0, 0))
    tree = look.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = tree.nodes["Principled BSDF"]
    tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    if alpha:
        tree.links.new(node.outputs["Alpha"], shader.inputs["Alpha"])
    scenes.add_square(name, 1, 0, look)
    return node


def read() -> tuple[Any, dict[str, dict[str, Any]], list[str]]:
    """The scene, each material's image node and all sentences."""
    bpy.context.view_layer.update()
    problems: list[str] = []
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)
    nodes = {}
    for material in found.materials:
        for node in json.loads(material.program)["nodes"]:
            if node["type"] == "TEX_IMAGE":
                nodes[material.name] = node["props"]
    return found, nodes, problems


def kinds() -> dict[str, Any]:
    """Bytes, data, floats, alpha; the same image twice; a missing one and none."""
    scenes.empty()
    plain = bpy.data.images.new("Plain", 2, 3, alpha=True)
    rgba = np.arange(24, dtype=np.float32).reshape(3, 2, 4) / 255 * 8
    plain.pixels.foreach_set(rgba.ravel())
    shown("Plain", plain)
    shown("Cut", plain, alpha=True)
    data = bpy.data.images.new("Data", 2, 2, is_data=True)
    shown("Data", data)
    bright = bpy.data.images.new("Bright", 2, 2, float_buffer=True, alpha=False)
    bright.pixels.foreach_set(np.array([5, 0.5, 0.25, 1] * 4, np.float32))
    shown("Bright", bright)
    shown("Missing", bpy.data.images.load(saved("gone.png", 0.5)))
    (FOLDER / "gone.png").unlink()
    bpy.data.images["gone.png"].reload()
    shown("None", None)
    found, nodes, problems = read()
    texture = {name: found.textures[n["texture"]] for name, n in nodes.items() if n["texture"] >= 0}
    return {
        "bytes": texture["Plain"].pixels.tolist(),
        "expected": np.rint(rgba[::-1] * 255).astype(int).tolist(),
        "flags": {name: [t.srgb, t.has_alpha, str(t.pixels.dtype)] for name, t in texture.items()},
        "shared": nodes["Plain"]["texture"] == nodes["Cut"]["texture"],
        "premultiply": {name: node["premultiply"] for name, node in nodes.items()},
        "bright": texture["Bright"].pixels[0, 0].tolist(),
        "missing": [nodes["Missing"]["texture"], nodes["None"]["texture"]],
        "problems": problems,
    }


def tiles() -> dict[str, Any]:
    """UDIM tiles on disk and packed, one of them gone."""
    scenes.empty()
    first = saved("wall.1001.png", 0.2)
    saved("wall.1002.png", 0.6)
    saved("wall.1011.png", 0.8)
    image = bpy.data.images.load(first)
    image.source, image.filepath = "TILED", str(FOLDER / "wall.<UDIM>.png")
    for number in (1002, 1011):
        if image.tiles.get(number) is None:
            image.tiles.new(number)
    shown("Wall", image)
    images = len(bpy.data.images)

    def values() -> dict[str, int]:
        found, nodes, _ = read()
        textures = found.textures
        return {
            tile: [int(textures[number].pixels[0, 0, 0]), textures[number].tile]
            for tile, number in nodes["Wall"]["tiles"].items()
        }

    on_disk, left_over = values(), len(bpy.data.images) - images
    image.pack()
    extension.part("scene_sync.textures").forget_textures()
    packed = values()
    image.unpack(method="REMOVE")
    (FOLDER / "wall.1002.png").unlink()
    extension.part("scene_sync.textures").forget_textures()
    gone = values()
    return {"disk": on_disk, "packed": packed, "gone": gone, "left": left_over}


def sequence() -> dict[str, Any]:
    """The picture of a frame of the scene."""
    scene = scenes.empty()
    first = saved("run_007.png", 0.2)
    saved("run_008.png", 0.4)
    saved("run_009.png", 0.6)
    image = bpy.data.images.load(first)
    image.source = "SEQUENCE"
    user = shown("Run", image).image_user
    user.frame_start, user.frame_duration, user.frame_offset = 5, 3, 6
    user.use_auto_refresh = True
    found = {}
    for frame in (1, 5, 6, 7, 8):
        scene.frame_set(frame)
        scene_read, nodes, _ = read()
        found[frame] = int(scene_read.textures[nodes["Run"]["texture"]].pixels[0, 0, 0])
    user.use_cyclic = True
    scene.frame_set(8)
    scene_read, nodes, _ = read()
    found["cyclic"] = int(scene_read.textures[nodes["Run"]["texture"]].pixels[0, 0, 0])
    return found


def large() -> dict[str, Any]:
    """A picture too large is averaged in light; a colour space that is not known is named."""
    scenes.empty()
    image = bpy.data.images.new("Large", 6001, 3)
    rgba = np.ones((3, 6001, 4), np.float32)
    rgba[:, ::2, :3] = 0
    image.pixels.foreach_set(rgba.ravel())
    shown("Large", image)
    strange = bpy.data.images.new("Strange", 2, 2)
    strange.colorspace_settings.name = "ACEScg"
    shown("Strange", strange)
    found, nodes, problems = read()
    pixels = found.textures[nodes["Large"]["texture"]].pixels
    return {"size": pixels.shape, "grey": pixels[0, 0].tolist(), "problems": problems}


extension.run_all(kinds, tiles, sequence, large)
