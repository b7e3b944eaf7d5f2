# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures by Cycles, and pictures as a scene displays them. Needs bpy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def configure(scene: bpy.types.Scene) -> None:
    """Cycles and its file format; what the artist chose stays."""
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.use_denoising = scene.cycles.denoiser != ""
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.seed = 0
    render.use_persistent_data = False
    layer = scene.view_layers[0]
    layer.use_pass_combined = layer.use_pass_z = True


def set_format(scene: bpy.types.Scene, kind: str) -> None:
    """'OPEN_EXR_MULTILAYER', float without compression, or 'PNG' with alpha."""
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE" if kind == "PNG" else "MULTI_LAYER_IMAGE"
    image.file_format = kind
    if kind == "PNG":
        image.color_mode, image.color_depth = "RGBA", "8"
    else:
        image.color_depth, image.exr_codec = "32", "ZIP"
        if hasattr(image, "use_exr_interleave"):
            image.use_exr_interleave = True  # one part, as all readers know it


def cycles(scene: bpy.types.Scene, file: Path, samples: int) -> float:
    """Render the camera of `scene` into `file` (EXR) and beside it as displayed (PNG).

    Gives the seconds that it took; they are kept, and so are the files.
    """
    about = file.with_suffix(".json")
    if about.is_file() and file.is_file():
        return json.loads(about.read_text())["seconds"]
    scene.cycles.samples = samples
    set_format(scene, "OPEN_EXR_MULTILAYER")
    scene.render.filepath = str(file)
    began = time.perf_counter()
    bpy.ops.render.render(write_still=True)
    seconds = time.perf_counter() - began
    if not file.is_file():
        raise RuntimeError(f"Cycles wrote no {file.name}; render the scene by hand to see why.")
    set_format(scene, "PNG")
    bpy.data.images["Render Result"].save_render(str(file.with_suffix(".png")), scene=scene)
    about.write_text(json.dumps({"seconds": seconds, "samples": samples}))
    return seconds


def display_settings(scene: bpy.types.Scene) -> dict[str, Any]:
    """How the scene shows scene-linear light."""
    view = scene.view_settings
    return {
        "device": scene.display_settings.display_device,
        "view": view.view_transform,
        "look": view.look,
        "exposure": view.exposure,
        "gamma": view.gamma,
        "transparent": scene.render.film_transparent,
    }


def show(pictures: dict[Path, np.ndarray], settings: dict[str, Any]) -> None:
    """Write (H, W, 3) scene-linear pictures as displayed, as PNG files of 8 bits."""
    scene = bpy.context.scene
    scene.display_settings.display_device = settings["device"]
    scene.render.dither_intensity = 0.0
    view = scene.view_settings
    view.view_transform, view.look = settings["view"], settings["look"]
    view.exposure, view.gamma = settings["exposure"], settings["gamma"]
    set_format(scene, "PNG")
    scene.render.image_settings.color_mode = "RGB"
    for file, pixels in pictures.items():
        height, width = pixels.shape[:2]
        image = bpy.data.images.new("shown", width, height, float_buffer=True)
        image.colorspace_settings.name = "Linear Rec.709"
        rgba = np.ones((height, width, 4), np.float32)
        rgba[..., :3] = pixels[::-1]
        image.pixels.foreach_set(rgba.ravel())
        image.update()
        image.save_render(str(file), scene=scene)
        bpy.data.images.remove(image)
