# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a scene in its own look, rendered in a copy of it that is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.color import as_halves
from ..backend.shared.errors import BackendError, InputError
from ..backend.shared.frame import SKY
from ..backend.shared.leftovers import temporary_folder
from .cameras import apply_camera, clipping, render_camera, scene_camera
from .exr import read_exr
from .moment_reader import MomentReader
from .moments import Moments

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


def source_of(engine: str, frame: int) -> str:
    """What stands in `source`."""
    return f"{engine_name(engine)}, frame {frame}"


def captured_at(item: bpy.types.PropertyGroup) -> tuple[str, int] | None:
    """Engine and frame that a memory frame was captured with; None for photos and kept frames."""
    name, comma, frame = item.source.rpartition(", frame ")
    engine = next((known for known, title, _ in ENGINES if title == name), None)
    number = frame.removeprefix("-")
    return (engine, int(frame)) if comma and engine and number.isdigit() else None


def can_denoise(scene: bpy.types.Scene) -> bool:
    """Whether this Blender was built with a denoiser; without one, asking for it may fail."""
    return scene.cycles.denoiser != ""


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture to capture. camera: None = the scene's own at that frame."""

    name: str
    frame: int
    camera: Camera | None = None


@contextmanager
def private_scene(
    scene: bpy.types.Scene, engine: str, samples: int, percentage: int, layer: str = ""
) -> Iterator[bpy.types.Scene]:
    """A copy of `scene` that shares its objects and renders its view layer `layer` with `engine`.

    The user's scene, its frame and its render settings stay as they are, whatever happens.
    """
    frame, subframe = scene.frame_current, scene.frame_subframe
    copy = scene.copy()
    copy.name = "WorldFM Capture"
    try:
        _configure(copy, engine, samples, percentage, layer)
        yield copy
    finally:
        bpy.data.scenes.remove(copy)
        scene.frame_set(frame, subframe=subframe)


@contextmanager
def _sharp(camera: bpy.types.Camera) -> Iterator[None]:
    """Without depth of field while it lasts: memory is of surfaces, not of one focus."""
    blurred = camera.dof.use_dof
    camera.dof.use_dof = False
    try:
        yield
    finally:
        camera.dof.use_dof = blurred


@contextmanager
def _placed(copy: bpy.types.Scene, shot: Shot) -> Iterator[None]:
    """The copy looks through the shot's own camera, where it has one, while it lasts."""
    if shot.camera is None:
        yield
        return
    data = bpy.data.cameras.new("WorldFM Capture")
    ob = bpy.data.objects.new("WorldFM Capture", data)
    render = copy.render
    before = render.resolution_x, render.resolution_y, render.resolution_percentage
    aspects = render.pixel_aspect_x, render.pixel_aspect_y
    if copy.camera is not None and copy.camera.type == "CAMERA":
        old = copy.camera.data
        data.clip_start, data.clip_end = old.clip_start, old.clip_end
    markers = [(marker, marker.camera) for marker in copy.timeline_markers if marker.camera]
    try:
        for marker, _ in markers:  # they would bring the scene's own cameras back
            marker.camera = None
        copy.collection.objects.link(ob)
        apply_camera(shot.camera, ob, copy.unit_settings.scale_length)
        copy.camera = ob
        render.resolution_x, render.resolution_y = shot.camera.width, shot.camera.height
        render.resolution_percentage, render.pixel_aspect_x, render.pixel_aspect_y = 100, 1, 1
        yield
    finally:
        for marker, camera in markers:
            marker.camera = camera
        render.resolution_x, render.resolution_y, render.resolution_percentage = before
        render.pixel_aspect_x, render.pixel_aspect_y = aspects
        bpy.data.objects.remove(ob)
        bpy.data.cameras.remove(data)


def _configure(
    copy: bpy.types.Scene, engine: str, samples: int, percentage: int, wanted: str
) -> None:
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
    if wanted not in copy.view_layers:
        wanted = copy.view_layers[0].name
    for layer in copy.view_layers:
        layer.use = layer.name == wanted
    layer = copy.view_layers[wanted]
    layer.use_pass_combined = layer.use_pass_z = True
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth, image.exr_codec = "32", "NONE"
    if hasattr(image, "use_exr_interleave"):
        image.use_exr_interleave = True


class Captured(NamedTuple):
    """radiance: (H, W, 3) float16 scene-linear. depth: (H, W) float32 z-depth in metres. moments:
    the scene that it shows."""

    camera: Camera
    radiance: np.ndarray
    depth: np.ndarray
    moments: Moments


def capture(copy: bpy.types.Scene, shot: Shot, reader: MomentReader) -> Captured:
    """A shot, without depth of field and motion blur.

    Raises CameraError for cameras that cannot be used and InputError when the engine fails.
    """
    if shot.camera is None and scene_camera(copy).type != "CAMERA":
        # engines do not agree on what is seen through other objects
        copy.frame_set(shot.frame)
        viewer = scene_camera(copy).evaluated_get(_layer(copy).depsgraph)
        shot = replace(shot, camera=render_camera(viewer, copy))
    with _placed(copy, shot):
        copy.frame_set(shot.frame)
        with _sharp(scene_camera(copy).data):
            return _rendered(copy, shot.frame, reader)


def _layer(copy: bpy.types.Scene) -> bpy.types.ViewLayer:
    return next(layer for layer in copy.view_layers if layer.use)


def _rendered(copy: bpy.types.Scene, frame: int, reader: MomentReader) -> Captured:
    layer = _layer(copy)
    copy.frame_set(frame)
    depsgraph = layer.depsgraph
    camera = render_camera(scene_camera(copy).evaluated_get(depsgraph), copy)
    with temporary_folder() as folder:
        path = folder / "capture.exr"
        copy.render.filepath = str(path)
        try:
            # as the context's scene: named by its argument, the operator renders another frame
            with (
                bpy.context.temp_override(scene=copy, view_layer=layer),
                reader.watching(depsgraph),
            ):
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
    return Captured(camera, *_pictures(channels, copy), reader.moments())


def _pictures(
    channels: dict[str, np.ndarray], scene: bpy.types.Scene
) -> tuple[np.ndarray, np.ndarray]:
    named = {name.split(".", 1)[-1]: values for name, values in channels.items()}
    linear = np.stack([named[f"Combined.{c}"] for c in "RGB"], axis=-1)
    depth = next(values for name, values in named.items() if name.startswith("Depth."))
    # rasterisers clear to the far plane, path tracing to 1e10
    far = _FAR if scene.render.engine == "CYCLES" else clipping(scene.camera)[1] * 0.999
    sky = ~(depth < far)
    metres = depth.astype(np.float32) * np.float32(scene.unit_settings.scale_length)
    return as_halves(linear), np.where(sky, SKY, metres)
