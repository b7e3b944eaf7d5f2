# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by a Blender of its own, see world_render.py: FILE PICTURE WORLD FRAME WIDTH after "--"."""

import math
import os
import sys

import bpy
import numpy as np


def main() -> None:
    """Render the world of a file as an equirectangular picture, saved as an array."""
    file, made, name, frame, width = sys.argv[sys.argv.index("--") + 1 :]
    with bpy.data.libraries.load(file) as (_, wanted):
        wanted.worlds = [name]
    scene = bpy.data.scenes.new("Sky")
    scene.world = wanted.worlds[0]
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.rotation_euler = (math.pi / 2, 0, -math.pi / 2)  # +X in the middle, -Y to its right
    scene.collection.objects.link(camera)
    scene.camera = camera
    panorama(camera.data)
    settings(scene, int(width))
    scene.frame_set(int(frame))
    scene.render.filepath = os.path.splitext(made)[0] + ".exr"
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(image.size[1], image.size[0], -1)[::-1, :, :3]
    np.save(made, np.nan_to_num(pixels))


def panorama(camera: bpy.types.Camera) -> None:
    """Make a camera look everywhere, wherever this Blender keeps that."""
    camera.type = "PANO"
    place = camera if hasattr(camera, "panorama_type") else camera.cycles
    place.panorama_type = "EQUIRECTANGULAR"
    place.latitude_min, place.latitude_max = -math.pi / 2, math.pi / 2
    place.longitude_min, place.longitude_max = -math.pi, math.pi


def settings(scene: bpy.types.Scene, width: int) -> None:
    """Nothing between the world and the file."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = width, width // 2
    render.resolution_percentage = 100
    render.use_compositing = render.use_sequencer = render.film_transparent = False
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_depth = "32"
    cycles.samples, cycles.seed = 4, 0
    cycles.use_denoising = cycles.use_adaptive_sampling = False
    cycles.pixel_filter_type, cycles.film_exposure = "BOX", 1.0
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 0.0
    scene.world.cycles_visibility.camera = True
    scene.world.cycles.sampling_method = "NONE"  # no surface asks where light comes from
    if hasattr(scene.world, "node_tree") and scene.world.node_tree:
        for node in scene.world.node_tree.nodes:
            if node.type == "OUTPUT_WORLD":
                for link in list(node.inputs["Volume"].links):  # fog is told apart
                    scene.world.node_tree.links.remove(link)


main()
sys.stdout.flush()
os._exit(0)  # as a module Blender may hang in its exit after a render
