# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's cameras and viewports as `Camera`, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend.shared.camera import MAX_SIZE, Camera
from ..backend.shared.errors import CameraError

_MIN_SIZE = 8


@dataclass(frozen=True)
class Lens:
    """What of a camera decides its K, with every value as the user sees it."""

    lens: float
    sensor_width: float
    sensor_height: float
    sensor_fit: str
    shift_x: float
    shift_y: float


@dataclass(frozen=True)
class Raster:
    """A scene's picture size and border, in pixels; the border's rows count from the top."""

    width: int
    height: int
    aspect_x: float
    aspect_y: float
    border: tuple[int, int, int, int] | None = None
    """x, y, width, height of the border, or None."""


def raster(scene: bpy.types.Scene, use_border: bool = True) -> Raster:
    """The picture `scene` asks for. Raises CameraError for sizes that cannot be rendered."""
    render = scene.render
    width = render.resolution_x * render.resolution_percentage // 100
    height = render.resolution_y * render.resolution_percentage // 100
    _check_size(width, height)
    border = None
    if use_border and render.use_border:
        x0, x1 = int(render.border_min_x * width), int(render.border_max_x * width)
        y0, y1 = int(render.border_min_y * height), int(render.border_max_y * height)
        if x1 <= x0 or y1 <= y0:
            raise CameraError("The render border is empty; draw a larger one or turn it off.")
        border = (x0, height - y1, x1 - x0, y1 - y0)
    return Raster(width, height, render.pixel_aspect_x, render.pixel_aspect_y, border)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < _MIN_SIZE or max(width, height) > MAX_SIZE:
        raise CameraError(
            f"A resolution of {width} x {height} pixels cannot be rendered; choose from "
            f"{_MIN_SIZE} to {MAX_SIZE} pixels a side in the Output properties."
        )


def lens_of(camera: bpy.types.Camera, name: str) -> Lens:
    """The lens of a perspective camera. Raises CameraError for any other kind."""
    if camera.type != "PERSP":
        kind = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(camera.type, "custom")
        raise CameraError(
            f"The camera '{name}' is {kind}, and WorldFM renders perspective cameras only; "
            f"set its lens type to Perspective."
        )
    return Lens(
        camera.lens,
        camera.sensor_width,
        camera.sensor_height,
        camera.sensor_fit,
        camera.shift_x,
        camera.shift_y,
    )


def lens_matrix(lens: Lens, raster: Raster) -> np.ndarray:
    """(3, 3) K of the whole picture, without the border."""
    width, height = raster.width, raster.height
    ax, ay = raster.aspect_x, raster.aspect_y
    horizontal = lens.sensor_fit == "HORIZONTAL" or (
        lens.sensor_fit == "AUTO" and width * ax >= height * ay
    )
    view = width if horizontal else height * ay / ax
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    fx = lens.lens / sensor * view
    cx = width / 2 - lens.shift_x * view
    cy = height / 2 + lens.shift_y * view * ax / ay
    return np.array([[fx, 0, cx], [0, fx * ax / ay, cy], [0, 0, 1.0]])


def rigid(matrix: object, scale_length: float, name: str) -> np.ndarray:
    """(4, 4) float64 OpenGL camera-to-world in metres, without scale, from a `matrix_world`.

    Raises CameraError when the matrix has no inverse or is not finite.
    """
    world = np.array(matrix, dtype=np.float64)
    # columns by Gram-Schmidt: a camera under a sheared parent still looks along its own -Z
    back = world[:3, 2]
    up = world[:3, 1] - back * (back @ world[:3, 1]) / max(float(back @ back), 1e-30)
    lengths = np.linalg.norm(back), np.linalg.norm(up)
    if not np.isfinite(world).all() or min(lengths) < 1e-12:
        raise CameraError(
            f"The transform of the camera '{name}' is not usable (zero scale or NaN); "
            f"clear its scale and rotation."
        )
    c2w = np.eye(4)
    c2w[:3, 2], c2w[:3, 1] = back / lengths[0], up / lengths[1]
    c2w[:3, 0] = np.cross(c2w[:3, 1], c2w[:3, 2])
    c2w[:3, 3] = world[:3, 3] * scale_length
    return c2w


def scene_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """The scene's active camera. Raises CameraError when there is none or it is unusable."""
    camera = scene.camera
    if camera is None or camera.type != "CAMERA":
        raise CameraError(
            "The scene has no active camera; add one and choose it in the Scene properties."
        )
    return camera


def render_camera(
    camera: bpy.types.Object, scene: bpy.types.Scene, use_border: bool = True
) -> Camera:
    """What `camera` (evaluated or original) sees in `scene`'s picture, cropped to its border.

    Raises CameraError in one sentence for anything but a perspective camera of sane size.
    """
    picture = raster(scene, use_border)
    K = lens_matrix(lens_of(camera.data, camera.name), picture)
    c2w = rigid(camera.matrix_world, scene.unit_settings.scale_length, camera.name)
    whole = Camera.from_opengl(K, c2w, picture.width, picture.height)
    return whole.cropped(*picture.border) if picture.border else whole


def viewport_camera(
    window_matrix: object, view_matrix: object, width: int, height: int, scale_length: float
) -> Camera:
    """What a perspective 3D viewport of `width` x `height` pixels sees.

    Raises CameraError for an orthographic view.
    """
    P = np.array(window_matrix, dtype=np.float64)
    if P[3, 3] != 0.0 or P[3, 2] == 0.0:
        raise CameraError("This view is orthographic; press Numpad 5 for a perspective view.")
    K = np.array(
        [
            [P[0, 0] * width / 2, 0.0, (1 - P[0, 2]) * width / 2],
            [0.0, P[1, 1] * height / 2, (1 + P[1, 2]) * height / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    view = np.array(view_matrix, dtype=np.float64)
    c2w = rigid(np.linalg.inv(view), scale_length, "viewport")
    return Camera.from_opengl(K, c2w, width, height)


def apply_camera(camera: Camera, target: bpy.types.Object, scale_length: float) -> None:
    """Give the camera object `target` the place and lens of `camera` (square pixels).

    The inverse of `render_camera` in a scene of the camera's size; fit and sensor width are kept
    simple (horizontal), so that `lens` alone says the focal length.
    """
    matrix = camera.c2w_opengl()
    matrix[:3, 3] /= scale_length
    target.matrix_world = matrix.tolist()
    data = target.data
    data.type, data.sensor_fit = "PERSP", "HORIZONTAL"
    data.lens = float(camera.K[0, 0]) / camera.width * data.sensor_width
    data.shift_x = (camera.width / 2 - float(camera.K[0, 2])) / camera.width
    data.shift_y = (float(camera.K[1, 2]) - camera.height / 2) / camera.width


def field_of_view(camera: Camera) -> float:
    """Horizontal angle in radians."""
    return 2 * math.atan(camera.width / 2 / float(camera.K[0, 0]))
