# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files as memory: their pixels, and the depth of the scene where they look."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ..backend.shared.camera import Camera
from ..backend.shared.errors import InputError
from ..backend.shared.frame import SKY
from .geometry import instances, read_mesh
from .textures import image_bytes

MAX_SIDE = 2048
MAX_RAYS_SIDE = 768
_ASPECT_TOLERANCE = 0.01


def load_picture(path: Path, aspect: float) -> np.ndarray:
    """(H, W, 3) uint8 sRGB, row 0 on top, at most `MAX_SIDE` pixels a side.

    Raises InputError when the file is missing, unreadable, or of another aspect (width / height).
    """
    if not path.is_file():
        raise InputError(f"The image {path} does not exist; choose another file.")
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise InputError(f"{path.name} cannot be opened as an image; choose another.") from error
    try:
        width, height = image.size
        if width == 0 or height == 0 or (not image.has_data and not _touch(image)):
            raise InputError(
                f"{path.name} is not an image Blender can read; save it as PNG, JPEG or EXR."
            )
        if abs(width / height / aspect - 1) > _ASPECT_TOLERANCE:
            raise InputError(
                f"{path.name} is {width} x {height} pixels, but the camera's picture has an "
                f"aspect of {aspect:.3f}; crop the image or change the scene's resolution."
            )
        scale = min(1.0, MAX_SIDE / max(width, height))
        if scale < 1:
            image.scale(round(width * scale), round(height * scale))
        return np.ascontiguousarray(image_bytes(image)[::-1, :, :3])
    finally:
        bpy.data.images.remove(image)


def _touch(image: bpy.types.Image) -> bool:
    """Blender reads an image's file when its pixels are first asked for."""
    return len(image.pixels) > 0 and image.has_data


def depth_seen_from(depsgraph: bpy.types.Depsgraph, camera: Camera) -> np.ndarray | None:
    """(H, W) float32 z-depth in metres of the scene's surfaces, +inf where there is none.

    None when the scene has no surfaces at all: then nothing is known of the depth.
    """
    corners = _triangles(depsgraph)
    if len(corners) == 0:
        return None
    tree = BVHTree.FromPolygons(
        corners.reshape(-1, 3).tolist(), np.arange(len(corners) * 3).reshape(-1, 3).tolist()
    )
    scale = min(1.0, MAX_RAYS_SIDE / max(camera.width, camera.height))
    small = camera.resized(
        max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    )
    origin = camera.position.tolist()
    rays = small.rays().reshape(-1, 3)
    lengths = np.linalg.norm(rays, axis=1)
    hits = (tree.ray_cast(origin, ray)[3] for ray in rays.tolist())
    distance = np.array([np.inf if hit is None else hit for hit in hits])
    # ray_cast measures along the ray, whose camera z is 1
    depth = np.where(np.isinf(distance), SKY, distance / lengths).astype(np.float32)
    depth = depth.reshape(small.height, small.width)
    rows = (np.arange(camera.height) + 0.5) * small.height / camera.height
    columns = (np.arange(camera.width) + 0.5) * small.width / camera.width
    return np.ascontiguousarray(depth[rows.astype(int)][:, columns.astype(int)])


def _triangles(depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """(T, 3, 3) float32 world-space corners, metres, of everything that is finite."""
    scale = depsgraph.scene.unit_settings.scale_length
    parts = [np.zeros((0, 3, 3), np.float32)]
    for instance in instances(depsgraph):
        surface = read_mesh(instance.object)
        if surface is None:
            continue
        matrix = np.array(instance.matrix)
        placed = surface.corners @ matrix[:3, :3].T + matrix[:3, 3]
        if np.isfinite(placed).all():
            parts.append((placed * scale).astype(np.float32))
    return np.concatenate(parts)
