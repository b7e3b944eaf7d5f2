# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds as pictures of directions, beside what a camera in Cycles sees of them."""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes
from mathutils import Vector

SIDE = 8


def read(problems: list[str] | None = None) -> Any:
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)


def world() -> tuple[bpy.types.Node, bpy.types.NodeTree]:
    """A new world's Background node, and its tree."""
    scene = scenes.empty()
    made = bpy.data.worlds.new("Sky")
    made.use_nodes = True
    scene.world = made
    nodes = made.node_tree.nodes
    return next(n for n in nodes if n.type == "BACKGROUND"), made.node_tree


def constant() -> dict[str, Any]:
    background, _ = world()
    background.inputs["Color"].default_value = (0.5, 0.25, 0.125, 1)
    background.inputs["Strength"].default_value = 4.0
    bpy.context.scene.world.cycles_visibility.glossy = False
    bpy.context.view_layer.update()
    found = read()
    return {"pixels": found.background.pixels.tolist(), "visible": found.background.visible}


def panorama(turned: bool) -> None:
    """A dark picture with one bright pixel, and a wide gradient."""
    background, tree = world()
    height, width = 32, 64
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., 0] = np.linspace(0.1, 0.2, width)
    rgba[..., 1] = np.linspace(0.1, 0.3, height)[:, None]
    rgba[..., 2] = 0.1
    rgba[25, 40, :3] = 60  # row 25 from the bottom
    image = bpy.data.images.new("Panorama", width, height, float_buffer=True)
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = image
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = 0.5
    if turned:
        place, mapping = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Rotation"].default_value = (0.3, -0.4, 1.1)
        tree.links.new(place.outputs["Generated"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    bpy.context.view_layer.update()


def seen(direction: np.ndarray, samples: int = 4) -> np.ndarray:
    """(3,) radiance that a narrow camera in Cycles sees in a direction."""
    scene = bpy.context.scene
    camera = scenes.add_camera((0, 0, 0), (1, 0, 0))
    camera.rotation_euler = Vector(direction).to_track_quat("-Z", "Y").to_euler()
    camera.data.lens, scene.camera = 4000, camera
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.cycles.samples, scene.cycles.use_denoising = samples, False
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.world.cycles.sampling_method = "NONE"  # no surface asks for it
    path = Path(tempfile.mkdtemp()) / "seen.exr"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    bpy.data.objects.remove(camera)
    return pixels.reshape(-1, 4)[:, :3].mean(axis=0)


def direction(row: float, column: float, shape: tuple[int, ...]) -> np.ndarray:
    polar, turn = row / shape[0] * math.pi, (0.5 - column / shape[1]) * 2 * math.pi
    return np.array(
        [math.sin(polar) * math.cos(turn), math.sin(polar) * math.sin(turn), math.cos(polar)]
    )


def compared(pixels: np.ndarray, places: list[tuple[float, float]]) -> list[list[list[float]]]:
    """Of parts of the height and width: what the picture has there, and what Cycles sees."""
    pairs = []
    for v, u in places:
        row, column = int(v * pixels.shape[0]), int(u * pixels.shape[1])
        at = direction(row + 0.5, column + 0.5, pixels.shape)
        pairs.append([pixels[row, column].tolist(), seen(at).tolist()])
    return pairs


PLACES = [(0.3, 0.1), (0.5, 0.6), (0.8, 0.9), (0.45, 0.35)]


def straight() -> dict[str, Any]:
    panorama(False)
    pixels = read().background.pixels
    row, column = np.unravel_index(pixels[..., 0].argmax(), pixels.shape[:2])
    bright = seen(direction(row + 0.5, column + 0.5, pixels.shape))
    return {
        "size": pixels.shape,
        "place": [int(row), int(column)],
        "bright": [float(pixels[row, column, 0]), float(bright[0])],
        "pairs": compared(pixels, PLACES),
    }


def turned() -> dict[str, Any]:
    panorama(True)
    pixels = read().background.pixels
    row, column = np.unravel_index(pixels[..., 0].argmax(), pixels.shape[:2])
    bright = seen(direction(row + 0.5, column + 0.5, pixels.shape))
    return {
        "bright": [float(pixels[row, column, 0]), float(bright[0])],
        "pairs": compared(pixels, PLACES),
    }


def by_cycles() -> dict[str, Any]:
    """A world of two shaders, read twice."""
    panorama(True)
    tree = bpy.context.scene.world.node_tree
    background = next(n for n in tree.nodes if n.type == "BACKGROUND")
    output = next(n for n in tree.nodes if n.type == "OUTPUT_WORLD")
    both = tree.nodes.new("ShaderNodeAddShader")
    other = tree.nodes.new("ShaderNodeBackground")
    other.inputs["Color"].default_value = (0, 0, 0.5, 1)
    tree.links.new(background.outputs[0], both.inputs[0])
    tree.links.new(other.outputs[0], both.inputs[1])
    tree.links.new(both.outputs[0], output.inputs["Surface"])
    bpy.context.view_layer.update()
    files = (len(bpy.data.scenes), len(bpy.data.worlds), len(bpy.data.cameras))
    problems: list[str] = []
    found = read(problems)
    pixels = found.background.pixels
    untouched = files == (len(bpy.data.scenes), len(bpy.data.worlds), len(bpy.data.cameras))
    return {
        "size": pixels.shape,
        "pairs": compared(pixels, PLACES),
        "again": read().background.pixels is pixels,
        "untouched": untouched,
        "problems": problems,
    }


def failing() -> dict[str, Any]:
    """No Blender can be started beside this one."""
    background, tree = world()
    sky = tree.nodes.new("ShaderNodeTexSky")
    tree.links.new(sky.outputs["Color"], background.inputs["Color"])
    bpy.context.view_layer.update()
    module = extension.part("scene_sync.world_render")
    usual = module.blender_command
    module.blender_command = lambda: [sys.executable, "-c", "print('No Cycles here')"]
    problems: list[str] = []
    found = read(problems)
    module.blender_command = usual
    return {"pixels": found.background.pixels.tolist(), "problems": problems}


VOLUMES: dict[str, dict[str, Any]] = {
    "ShaderNodeVolumeAbsorption": {"Color": (0.5, 0.5, 0.5, 1), "Density": 0.3},
    "ShaderNodeVolumePrincipled": {
        "Color": (0.5, 0.5, 0.5, 1),
        "Absorption Color": (0.25, 0.25, 0.25, 1),
        "Density": 0.3,
    },
    "ShaderNodeVolumeScatter": {"Color": (0.5, 0.5, 0.5, 1), "Density": 0.3},
}


def fog() -> dict[str, Any]:
    """How much of a glowing wall is left behind fog: read, and in Cycles."""
    found = {}
    for kind, values in VOLUMES.items():
        if kind != "ShaderNodeVolumeAbsorption" and bpy.app.version < (5, 0, 0):
            continue  # there light of the wall is scattered into view whatever the bounces
        background, tree = world()
        background.inputs["Strength"].default_value = 0
        volume = tree.nodes.new(kind)
        for name, value in values.items():
            volume.inputs[name].default_value = value
        output = next(n for n in tree.nodes if n.type == "OUTPUT_WORLD")
        tree.links.new(volume.outputs[0], output.inputs["Volume"])
        glow = scenes.material("Glow", (0, 0, 0))
        shader = glow.node_tree.nodes["Principled BSDF"]
        shader.inputs["Emission Color"].default_value = (1, 1, 1, 1)
        shader.inputs["Emission Strength"].default_value = 1
        glow.cycles.emission_sampling = "NONE"
        wall = scenes.add_square("Wall", 5, -2.1, glow)
        wall.visible_volume_scatter = False
        bpy.context.view_layer.update()
        scene = read()
        bpy.context.scene.cycles.max_bounces = 0
        left = float(seen(np.array([0.0, 0, -1]), 256)[0])
        found[kind] = [scene.fog_density, -math.log(left) / 2, scene.fog_color[0]]
    return found


def boxed() -> dict[str, Any]:
    """A long, turned box of fog before a glowing wall, and a ball of it: read, and in Cycles."""
    background, _ = world()
    background.inputs["Strength"].default_value = 0
    thin = bpy.data.materials.new("Thin")
    thin.use_nodes = True
    tree = thin.node_tree
    tree.nodes.clear()
    volume = tree.nodes.new("ShaderNodeVolumeAbsorption")
    volume.inputs["Color"].default_value, volume.inputs["Density"].default_value = (0,) * 4, 0.5
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(volume.outputs[0], output.inputs["Volume"])
    for name, add in (
        ("Box", bpy.ops.mesh.primitive_cube_add),
        ("Ball", bpy.ops.mesh.primitive_uv_sphere_add),
    ):
        add(location=(0, 0, -1 if name == "Box" else 40))
        made = bpy.context.object
        made.name = name
        made.data.materials.append(thin)
    box = bpy.data.objects["Box"]
    box.scale, box.rotation_euler = (0.5, 0.7, 2.0), (0.5 * math.pi, 0, 0.3)
    glow = scenes.material("Glow", (0, 0, 0))
    glow.node_tree.nodes["Principled BSDF"].inputs["Emission Color"].default_value = (1,) * 4
    glow.node_tree.nodes["Principled BSDF"].inputs["Emission Strength"].default_value = 1
    scenes.add_square("Wall", 50, -5.0, glow)
    bpy.context.view_layer.update()
    problems: list[str] = []
    scene = read(problems)
    ways = np.array([[0.02, 0.03, -1.0], [0.3, 0.2, -1.0]])
    bpy.context.scene.cycles.max_bounces = 0
    inside = scene.fog_box[:3, :3] @ (0, 0, -1) + scene.fog_box[:3, 3]
    return {
        "density": scene.fog_density,
        "box": scene.fog_box.tolist(),
        "middle": inside.tolist(),
        "ways": ways.tolist(),
        "left": [float(seen(way, 64)[0]) for way in ways],
        "surfaces": [one.object for one in scene.instances],
        "problems": problems,
    }


def no_fog() -> float:
    """The density of volumes that are added, where there are none."""
    _, tree = world()
    added = tree.nodes.new("ShaderNodeAddShader")
    output = next(n for n in tree.nodes if n.type == "OUTPUT_WORLD")
    tree.links.new(added.outputs[0], output.inputs["Volume"])
    bpy.context.view_layer.update()
    return read().fog_density


extension.run_all(constant, straight, turned, by_cycles, failing, fog, boxed, no_fog)
