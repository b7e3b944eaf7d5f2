# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's cameras and viewports as `Camera`, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..backend.shared.camera import MAX_SIZE, Camera
from ..backend.shared.errors import CameraError

_MIN_SIZE = 8
_OTHERS_LENS = 35.0
_OTHERS_CLIPPING = 0.1, 100.0
"""Millimetres, and units, of what is looked through and is no camera (BKE_camera_params_init and
BKE_camera_params_from_object in Blender's camera.cc)."""
_LAMPS_ANGLE = math.radians(45)


@dataclass(frozen=True)
class Lens:
    """What of a camera decides its K, with every value as the user sees it."""

    lens: float
    sensor_width: float
    sensor_height: float
    sensor_fit: str
    shift_x: float
    shift_y: float
    ortho_scale: float = 0.0
    """Units across an orthographic camera's picture; 0 = a perspective one."""


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


def lens_of(ob: bpy.types.Object) -> Lens:
    """The lens of a perspective or orthographic camera, or that which Blender looks with through
    another object: a lamp's has the angle of its spot. Raises CameraError for any other camera."""
    camera, name = ob.data, ob.name
    if ob.type != "CAMERA":
        return Lens(_others_lens(ob), 36.0, 24.0, "AUTO", 0.0, 0.0)
    if camera.type not in ("PERSP", "ORTHO"):
        kind = {"PANO": "panoramic"}.get(camera.type, "custom")
        raise CameraError(
            f"The camera '{name}' is {kind}, and WorldFM renders perspective and orthographic "
            "ones; set its lens type to Perspective, or render this picture with Cycles."
        )
    return Lens(
        camera.lens,
        camera.sensor_width,
        camera.sensor_height,
        camera.sensor_fit,
        camera.shift_x,
        camera.shift_y,
        camera.ortho_scale if camera.type == "ORTHO" else 0.0,
    )


def _others_lens(ob: bpy.types.Object) -> float:
    if ob.type != "LIGHT":
        return _OTHERS_LENS
    # other lamps have such an angle too: the usual one, which Python is not shown
    angle = ob.data.spot_size if ob.data.type == "SPOT" else _LAMPS_ANGLE
    return max(16 / math.tan(min(angle, math.radians(179)) / 2), 0.1)


def clipping(ob: bpy.types.Object) -> tuple[float, float]:
    """Units of the scene from a camera, or from what stands for one, to the nearest and to the
    farthest that it shows."""
    if ob.type != "CAMERA":
        return _OTHERS_CLIPPING
    return ob.data.clip_start, ob.data.clip_end


def lens_matrix(lens: Lens, raster: Raster, scale_length: float = 1.0) -> np.ndarray:
    """(3, 3) K of the whole picture, without the border.

    scale_length: metres a unit, which matter to an orthographic camera's pixels a metre.
    """
    width, height = raster.width, raster.height
    ax, ay = raster.aspect_x, raster.aspect_y
    horizontal = lens.sensor_fit == "HORIZONTAL" or (
        lens.sensor_fit == "AUTO" and width * ax >= height * ay
    )
    view = width if horizontal else height * ay / ax
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    fx = lens.lens / sensor * view
    if lens.ortho_scale:
        fx = view / (lens.ortho_scale * scale_length)
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
    """The scene's active camera, or what it looks through instead, such as a lamp. Raises
    CameraError when there is none."""
    camera = scene.camera
    if camera is None:
        raise CameraError(
            "The scene has no active camera; add one and choose it in the Scene properties."
        )
    return camera


def render_camera(
    camera: bpy.types.Object, scene: bpy.types.Scene, use_border: bool = True
) -> Camera:
    """What `camera` (evaluated or original) sees in `scene`'s picture, cropped to its border.

    Raises CameraError in one sentence for what can't be rendered: panoramas, insane sizes.
    """
    picture, scale = raster(scene, use_border), scene.unit_settings.scale_length
    c2w = rigid(camera.matrix_world, scale, camera.name)
    whole = lens_camera(lens_of(camera), picture, c2w, scale)
    near, far = clipping(camera)
    whole = replace(whole, near=near * scale, far=far * scale)
    return whole.cropped(*picture.border) if picture.border else whole


def lens_focus(camera: bpy.types.Object, scene: bpy.types.Scene) -> tuple[float, float]:
    """Radius of the lens and distance of what is sharp in metres, as Cycles has them; a radius of
    0 where the camera has no depth of field. Blades and ratio are not looked at."""
    data, scale = camera.data, scene.unit_settings.scale_length
    if camera.type != "CAMERA":
        return 0.0, 1.0
    dof = data.dof
    if not dof.use_dof:
        return 0.0, 1.0
    distance = dof.focus_distance
    if dof.focus_object is not None:
        away = dof.focus_object.matrix_world.translation - camera.matrix_world.translation
        forward = camera.matrix_world.to_3x3() @ Vector((0.0, 0.0, -1.0))
        distance = abs(away.dot(forward.normalized()))
    size = 1.0 if data.type == "ORTHO" else data.lens * 1e-3
    radius = size / (2 * max(dof.aperture_fstop, 1e-5))
    return min(radius * scale, 1000.0), min(max(distance * scale, 1e-6), 1e9)


def lens_camera(lens: Lens, picture: Raster, c2w: np.ndarray, scale_length: float) -> Camera:
    """The camera with this lens at (4, 4) `c2w` (OpenGL axes, metres), without the border."""
    K = lens_matrix(lens, picture, scale_length)
    kind: Literal["PERSP", "ORTHO"] = "ORTHO" if lens.ortho_scale else "PERSP"
    return Camera.from_opengl(K, c2w, picture.width, picture.height, kind)


def viewport_camera(
    window_matrix: object, view_matrix: object, width: int, height: int, scale_length: float
) -> Camera:
    """What a 3D viewport of `width` x `height` pixels sees.

    An orthographic one stands where its near clipping is, so that all it shows lies before it.
    """
    P = np.array(window_matrix, dtype=np.float64)
    view = np.array(view_matrix, dtype=np.float64)
    c2w = rigid(np.linalg.inv(view), scale_length, "viewport")
    if P[3, 3] != 0.0:
        fx, fy = (P[i, i] * side / 2 / scale_length for i, side in enumerate((width, height)))
        K = np.array(
            [
                [fx, 0.0, (1 + P[0, 3]) * width / 2],
                [0.0, fy, (1 - P[1, 3]) * height / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        c2w[:3, 3] += c2w[:3, 2] * ((-1 - P[2, 3]) / P[2, 2]) * scale_length
        return Camera.from_opengl(K, c2w, width, height, "ORTHO")
    K = np.array(
        [
            [P[0, 0] * width / 2, 0.0, (1 - P[0, 2]) * width / 2],
            [0.0, P[1, 1] * height / 2, (1 + P[1, 2]) * height / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    return Camera.from_opengl(K, c2w, width, height)


def apply_camera(camera: Camera, target: bpy.types.Object, scale_length: float) -> None:
    """Give the camera object `target` the place and lens of `camera` (square pixels).

    The inverse of `render_camera` in a scene of the camera's size; fit and sensor width are kept
    simple (horizontal), so that `lens` alone says the focal length.
    """
    matrix = camera.c2w_opengl()
    matrix[:3, 3] /= scale_length
    target.matrix_world = Matrix(matrix.tolist())
    data = target.data
    data.type, data.sensor_fit = camera.projection, "HORIZONTAL"
    if camera.is_orthographic:
        data.ortho_scale = camera.width / float(camera.K[0, 0]) / scale_length
    else:
        data.lens = float(camera.K[0, 0]) / camera.width * data.sensor_width
    data.shift_x = (camera.width / 2 - float(camera.K[0, 2])) / camera.width
    data.shift_y = (float(camera.K[1, 2]) - camera.height / 2) / camera.width
