# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps as they are read, beside what Cycles makes of them on a diffuse floor."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes

BASE = 0.5
ABOVE = (0.0, 0.0, 2.0)
SIDE = 8
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sun": ("SUN", {"energy": 3, "angle": 0.3, "turn": 0.4}),
    "bare sun": ("SUN", {"energy": 300, "angle": 0.3, "normalize": False}),
    "point": ("POINT", {"energy": 100, "shadow_soft_size": 0.0}),
    "sphere": ("POINT", {"energy": 100, "shadow_soft_size": 0.5, "use_soft_falloff": False}),
    "disk": ("POINT", {"energy": 100, "shadow_soft_size": 0.5, "use_soft_falloff": True}),
    "bare point": ("POINT", {"energy": 100, "shadow_soft_size": 0.2, "normalize": False}),
    "no size": ("POINT", {"energy": 100, "shadow_soft_size": 0.0, "normalize": False}),
    "spot": ("SPOT", {"energy": 100, "shadow_soft_size": 0.0, "spot_size": 1, "spot_blend": 0.5,
                      "turn": 0.4}),
    "square": ("AREA", {"energy": 100, "size": 0.1, "turn": 0.3}),
    "scaled": ("AREA", {"energy": 100, "size": 0.05, "scale": (1, 2, 1), "shape": "RECTANGLE",
                        "size_y": 0.1}),
    "round": ("AREA", {"energy": 100, "size": 0.1, "shape": "DISK"}),
    "bare square": ("AREA", {"energy": 9000, "size": 0.1, "normalize": False}),
    "bare ellipse": ("AREA", {"energy": 9000, "size": 0.1, "size_y": 0.05, "shape": "ELLIPSE",
                              "normalize": False}),
    "narrow": ("AREA", {"energy": 100, "size": 0.01, "spread": 1.0, "turn": 0.3}),
    "warm": ("POINT", {"energy": 100, "use_temperature": True, "temperature": 3000.0,
                       "exposure": 1.0, "color": (0.5, 1, 0.25)}),
    "nodes": ("POINT", {"energy": 100, "nodes": 0.25}),
    "units": ("POINT", {"energy": 100, "units": 0.1}),
}  # fmt: skip


def add_lamp(kind: str, settings: dict[str, Any]) -> bpy.types.Light | None:
    """A lamp with these settings, None where this Blender lacks one of them."""
    data = bpy.data.lights.new("Lamp", kind)
    ob = bpy.data.objects.new("Lamp", data)
    ob.location, ob.visible_camera = ABOVE, False
    bpy.context.scene.collection.objects.link(ob)
    for name, value in settings.items():
        if name == "turn":
            ob.rotation_euler.x = value
        elif name == "scale":
            ob.scale = value
        elif name == "units":
            bpy.context.scene.unit_settings.scale_length = value
        elif name == "nodes":
            data.use_nodes = True
            data.node_tree.nodes["Emission"].inputs["Strength"].default_value = value
        elif not hasattr(data, name):
            return None
        else:
            setattr(data, name, value)
    return data


def expected(lamp: Any) -> np.ndarray:
    """(3,) radiance of the floor below the lamp, by the formulas of `Lamp`."""
    power = np.array(lamp.power)
    height = lamp.matrix[2, 3]
    down = lamp.matrix[2, 2]  # cosine between its axis and straight down
    if lamp.kind == "SUN":
        return BASE / math.pi * power * down
    if lamp.kind == "AREA":
        light = power * down / (math.pi * height**2)
        if lamp.spread < math.pi:
            half = lamp.spread / 2
            light *= (math.tan(half) - math.tan(math.acos(down))) / (math.tan(half) - half)
        return BASE / math.pi * light
    around = lamp.radius**2 if lamp.soft_falloff else 0.0
    light = power / (4 * math.pi * (height**2 + around))
    if lamp.kind == "SPOT":
        edge = math.cos(lamp.cone / 2)
        t = min(max((down - edge) / ((1 - edge) * lamp.blend), 0), 1)
        light = light * t * t * (3 - 2 * t)
    return BASE / math.pi * light


def rendered() -> np.ndarray:
    """(3,) mean of what Cycles makes of the floor's middle."""
    scene = bpy.context.scene
    path = Path(tempfile.mkdtemp()) / "floor.exr"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(-1, 4)[:, :3].mean(axis=0)


def floor() -> None:
    scene = scenes.empty()
    scene.render.engine = "CYCLES"
    scene.world = None
    scene.unit_settings.scale_length = 1.0
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.cycles.samples, scene.cycles.max_bounces = 64, 0
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    grey = bpy.data.materials.new("Grey")
    grey.use_nodes = True
    nodes = grey.node_tree.nodes
    nodes.clear()
    diffuse = nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (BASE, BASE, BASE, 1)
    output = nodes.new("ShaderNodeOutputMaterial")
    grey.node_tree.links.new(diffuse.outputs[0], output.inputs["Surface"])
    scenes.add_square("Floor", 20, 0, grey)
    camera = scenes.add_camera((0, 0, 1))
    camera.data.lens, scene.camera = 2000, camera


def lamps() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (kind, settings) in CASES.items():
        floor()
        if add_lamp(kind, settings) is None:
            continue
        bpy.context.view_layer.update()
        problems: list[str] = []
        depsgraph = bpy.context.evaluated_depsgraph_get()
        read = extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)
        (lamp,) = read.lamps
        found[name] = {
            "expected": expected(lamp).tolist(),
            "rendered": rendered().tolist(),
            "visible": lamp.visible,
            "problems": problems,
        }
    return found


def odd() -> dict[str, Any]:
    """A portal, a lamp without a place, one whose nodes no constant says."""
    floor()
    add_lamp("AREA", {"energy": 1}).cycles.is_portal = True
    add_lamp("AREA", {"energy": 1, "scale": (0, 0, 0)})
    data = add_lamp("POINT", {"energy": 7, "nodes": 1.0})
    data.name = "Strange"
    noise = data.node_tree.nodes.new("ShaderNodeTexNoise")
    data.node_tree.links.new(
        noise.outputs["Color"], data.node_tree.nodes["Emission"].inputs["Color"]
    )
    bpy.context.view_layer.update()
    problems: list[str] = []
    depsgraph = bpy.context.evaluated_depsgraph_get()
    read = extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)
    return {"powers": [lamp.power for lamp in read.lamps], "problems": problems}


def doubled() -> dict[str, float]:
    """Light of a floor that is there once and twice, level and leaning, and where another face of
    it, divided otherwise, covers a part."""
    found = {}
    for name, copies, lean in (("once", 1, 0.0), ("level", 2, 0.0), ("leaning", 2, 0.2)):
        floor()
        add_lamp("SUN", {"energy": 3.0})
        first = bpy.data.objects["Floor"]
        first.rotation_euler.x = lean
        for _ in range(copies - 1):
            bpy.context.scene.collection.objects.link(first.copy())
        found[name] = float(rendered().mean())
    floor()
    add_lamp("SUN", {"energy": 3.0})
    square = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
    sides = [(0, 1, 2), (0, 2, 3), (4, 5, 7), (5, 6, 7)]
    mesh = bpy.data.objects["Floor"].data
    mesh.clear_geometry()
    mesh.from_pydata(np.concatenate([9 * square, 7 * square]), [], sides)
    found["covered"] = float(rendered().mean())
    return found


extension.run_all(lamps, odd, doubled)
