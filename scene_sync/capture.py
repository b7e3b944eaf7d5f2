# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a scene in its own look, rendered in a copy of it that is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.color import as_halves
from ..backend.shared.errors import BackendError, InputError
from ..backend.shared.frame import SKY
from ..backend.shared.leftovers import temporary_folder
from .cameras import render_camera, scene_camera
from .exr import read_exr

EEVEE = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
ENGINES = (
    ("CYCLES", "Cycles", "Path traced: the finished look"),
    (EEVEE, "EEVEE", "Quick; needs a graphics card"),
    ("BLENDER_WORKBENCH", "Workbench", "Flat colours; needs a graphics card"),
)
_FAR = 1e9


def engine_name(engine: str) -> str:
    """What artists call an engine."""
    return next((name for known, name, _ in ENGINES if known == engine), engine)


def can_denoise(scene: bpy.types.Scene) -> bool:
    """Whether this Blender was built with a denoiser; without one, asking for it may fail."""
    return scene.cycles.denoiser != ""


@contextmanager
def private_scene(
    scene: bpy.types.Scene, engine: str, samples: int, percentage: int
) -> Iterator[bpy.types.Scene]:
    """A copy of `scene` that shares its objects and renders them with `engine`.

    The user's scene, its frame and its render settings stay as they are, whatever happens.
    """
    frame, subframe = scene.frame_current, scene.frame_subframe
    copy = scene.copy()
    copy.name = "WorldFM Capture"
    try:
        _configure(copy, engine, samples, percentage)
        yield copy
    finally:
        bpy.data.scenes.remove(copy)
        scene.frame_set(frame, subframe=subframe)


def _configure(copy: bpy.types.Scene, engine: str, samples: int, percentage: int) -> None:
    render = copy.render
    render.engine = engine
    if engine == "CYCLES":
        copy.cycles.samples = samples
        copy.cycles.use_denoising = can_denoise(copy)
    elif engine == EEVEE:
        copy.eevee.taa_render_samples = samples
    render.resolution_percentage = max(1, render.resolution_percentage * percentage // 100)
    render.use_border = render.use_compositing = render.use_sequencer = False
    render.use_stamp = render.use_multiview = render.use_motion_blur = False
    render.film_transparent = False
    render.use_file_extension = render.use_overwrite = True
    render.use_placeholder = render.use_persistent_data = False
    for layer in copy.view_layers[1:]:
        layer.use = False
    first = copy.view_layers[0]
    first.use = first.use_pass_combined = first.use_pass_z = True
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth, image.exr_codec = "32", "NONE"
    if hasattr(image, "use_exr_interleave"):
        image.use_exr_interleave = True


def capture_frame(copy: bpy.types.Scene, frame: int) -> tuple[Camera, np.ndarray, np.ndarray]:
    """Camera, radiance (H, W, 3) float16 scene-linear and z-depth (H, W) float32 metres of a frame.

    Raises CameraError for cameras that cannot be used and InputError when the engine fails.
    """
    copy.frame_set(frame)
    depsgraph = copy.view_layers[0].depsgraph
    camera = render_camera(scene_camera(copy).evaluated_get(depsgraph), copy)
    with temporary_folder() as folder:
        path = folder / "capture.exr"
        copy.render.filepath = str(path)
        try:
            # as the context's scene: named by its argument, the operator renders another frame
            with bpy.context.temp_override(scene=copy, view_layer=copy.view_layers[0]):
                bpy.ops.render.render(write_still=True)
        except RuntimeError as error:
            raise InputError(
                f"{engine_name(copy.render.engine)} could not render frame {frame}: {error}"
            ) from error
        if not path.is_file():
            raise BackendError(
                f"Frame {frame} was not rendered with {engine_name(copy.render.engine)}; render it "
                f"with that engine once to see why, or choose another engine."
            )
        channels = read_exr(path)
    return camera, *_pictures(channels, copy)


def _pictures(
    channels: dict[str, np.ndarray], scene: bpy.types.Scene
) -> tuple[np.ndarray, np.ndarray]:
    named = {name.split(".", 1)[-1]: values for name, values in channels.items()}
    linear = np.stack([named[f"Combined.{c}"] for c in "RGB"], axis=-1)
    depth = next(values for name, values in named.items() if name.startswith("Depth."))
    # rasterisers clear to the far plane, path tracing to 1e10
    far = _FAR if scene.render.engine == "CYCLES" else scene.camera.data.clip_end * 0.999
    sky = ~(depth < far)
    metres = depth.astype(np.float32) * np.float32(scene.unit_settings.scale_length)
    return as_halves(linear), np.where(sky, SKY, metres)
