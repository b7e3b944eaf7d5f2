# SPDX-License-Identifier: GPL-3.0-or-later
"""One tile a node: Cycles' data passes of many small materials in one picture.

Arguments: a folder for `scene.json`, `scene.npz` and `passes.npz`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import extension
import node_cases
import numpy as np
import scenes

PIXELS = 16
GRID = 11


def bowl() -> bpy.types.Mesh:
    """A smooth bowl over the unit square, with a UV layer and colours."""
    at = np.linspace(0, 1, GRID + 1)
    y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    inner = (x % 1 > 0) & (y % 1 > 0)
    nudge = np.random.default_rng(0).uniform(-0.25, 0.25, (2, len(x))) / GRID * inner
    x, y = x + nudge[0], y + nudge[1]  # no pixel looks exactly at an edge
    z = 0.35 * np.sin(2.1 * x + 0.4) * np.cos(1.7 * y) + 0.1 * x
    side = GRID + 1
    corner = (np.arange(GRID)[:, None] * side + np.arange(GRID)).ravel()
    faces = np.stack([corner, corner + 1, corner + side + 1, corner + side], axis=1)
    mesh = bpy.data.meshes.new("Bowl")
    mesh.from_pydata(np.stack([x - 0.5, y - 0.5, z], axis=1).tolist(), [], faces.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    uv = np.stack([0.1 + 0.8 * x, 0.05 + 0.9 * y], axis=1)[faces.ravel()]
    layer.data.foreach_set("uv", uv.astype(np.float32).ravel())
    colors = mesh.color_attributes.new("Col", "FLOAT_COLOR", "POINT")
    rgba = np.stack([x, y, 0.97 - 0.9 * x, 0.5 + 0.5 * y], axis=1)
    colors.data.foreach_set("color", rgba.astype(np.float32).ravel())
    add_attributes(mesh, np.stack([x, y, x * y], axis=1))
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(None)
    return mesh


def add_attributes(mesh: bpy.types.Mesh, place: np.ndarray) -> None:
    """Of each kind and domain. place: (V, 3) of the vertices."""
    corner = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corner)
    face = np.arange(len(mesh.polygons))
    made = {
        "Level": ("FLOAT", "POINT", "value", 1.5 * place[:, 0]),
        "Way": ("FLOAT_VECTOR", "CORNER", "vector", 1.5 * place[corner]),
        "Pair": ("FLOAT2", "POINT", "vector", place[:, :2] * [1, 2]),
        "Number": ("INT", "FACE", "value", face % 5),
        "Chosen": ("BOOLEAN", "FACE", "value", face % 3 == 0),
        "Paint": ("FLOAT_COLOR", "FACE", "color", (face[:, None] * [1, 2, 3, 1] % 7) / 7),
    }
    for name, (kind, domain, field, values) in made.items():
        data = mesh.attributes.new(name, kind, domain).data
        dtype = {"INT": np.int32, "BOOLEAN": bool}.get(kind, np.float32)
        data.foreach_set(field, np.ascontiguousarray(values, dtype).ravel())


def tiles(cases: dict[str, Callable[[Any], None]]) -> int:
    """An object a case, in rows from the lower left; gives back how many stand in a row."""
    mesh, side = bowl(), math.ceil(math.sqrt(len(cases)))
    for number, (name, build) in enumerate(cases.items()):
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes.clear()
        build(node_cases.Tree(material.node_tree))
        ob = bpy.data.objects.new(name, mesh)
        ob.location = (number % side + 0.5, number // side + 0.5, 0)
        ob.color = (0.2, 0.4, 0.6, 0.8)
        bpy.context.scene.collection.objects.link(ob)
        ob.material_slots[0].link = "OBJECT"
        ob.material_slots[0].material = material
    return side


def render(side: int, folder: Path) -> dict[str, np.ndarray]:
    """The passes, each (H, W, 3), row 0 on top; one sample in the middle of each pixel."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", side
    ob = bpy.data.objects.new("Camera", camera)
    ob.location = (side / 2, side / 2, 9)
    scene.collection.objects.link(ob)
    scene.camera = ob
    scene.world = bpy.data.worlds.new("Black")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0
    scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 0.01
    scene.render.resolution_x = scene.render.resolution_y = side * PIXELS
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    layer.use_pass_emit = layer.use_pass_normal = layer.use_pass_diffuse_color = True
    layer.use_pass_glossy_color = layer.use_pass_transmission_color = True
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth, image.exr_codec = "32", "NONE"
    if hasattr(image, "use_exr_interleave"):
        image.use_exr_interleave = True
    scene.render.filepath = str(folder / "passes.exr")
    bpy.ops.render.render(write_still=True)
    channels = extension.part("scene_sync.exr").read_exr(folder / "passes.exr")
    made = {}
    for name, ends in (
        ("Emit", "RGB"),
        ("Emission", "RGB"),
        ("Normal", "XYZ"),
        ("DiffCol", "RGB"),
        ("Diffuse Color", "RGB"),
        ("GlossCol", "RGB"),
        ("Glossy Color", "RGB"),
        ("TransCol", "RGB"),
        ("Transmission Color", "RGB"),
        ("Combined", "RGBA"),
    ):
        found = [channels.get(f"{layer.name}.{name}.{end}") for end in ends]
        if all(c is not None for c in found):
            made[name] = np.stack(found, axis=-1)
    if not made:
        raise AssertionError(f"no passes among {sorted(channels)}")
    return made


def main() -> dict[str, Any]:
    folder = Path(sys.argv[1])
    scenes.empty()
    cases = node_cases.CASES
    side = tiles(cases)
    bpy.context.view_layer.update()
    scene = extension.part("scene_sync.surfaces").read_scene(bpy.context.evaluated_depsgraph_get())
    arrays: list[np.ndarray] = []

    def put(array: np.ndarray, _: Any) -> int:
        arrays.append(array)
        return len(arrays) - 1

    codec = extension.part("backend.shared.tree_codec")
    (folder / "scene.json").write_text(json.dumps(codec.encode_tree(scene, put)))
    np.savez(folder / "scene.npz", *arrays)
    np.savez(folder / "passes.npz", **render(side, folder))
    version = list(bpy.app.version)
    return {"cases": list(cases), "side": side, "pixels": PIXELS, "version": version}


extension.run(main)
