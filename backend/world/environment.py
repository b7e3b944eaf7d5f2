# SPDX-License-Identifier: GPL-3.0-or-later
"""What a world looks like all around from one place, as a 360-degree picture of light."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from ..conditioning.anchors.point_cloud import PointCloud
from ..conditioning.anchors.point_renderer import render_points
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.sampling import sample_memory
from ..data.capture_views import filled
from ..shared.camera import Camera, facing, intrinsics
from ..shared.color import srgb_to_linear
from ..shared.errors import InputError
from ..shared.files import replacing
from ..shared.world import World
from .progress import Progress, silent

WIDTH = 2048
SIDE = 0.3125
"""Pixels of a side of the cube, in those of the width: as fine as the picture."""
FOV = math.radians(100)
NEAREST = 12
"""Memory frames that a side of the cube is made of."""
FACES = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.5, 0.0), (0.0, 0.5), (0.0, -0.5))
"""Yaw and pitch in units of pi."""


def export_environment(
    world: World,
    place: np.ndarray | None,
    path: Path,
    progress: Progress = silent,
    width: int = WIDTH,
) -> None:
    """A Radiance .hdr, 2:1, in Blender's arrangement: the middle looks along -y, +x to the left.

    place: (3,) metres; None = the first memory frame's. What nobody saw goes on as its
    surroundings. Raises InputError for a world without memory.
    """
    if not world.memory:
        raise InputError("The world has no memory frames to look around with; capture some first.")
    if place is None:
        place = world.memory[0].camera.position
    side = round(SIDE * width)
    rgb = np.zeros((width // 2, width, 3), np.float32)
    best = np.zeros((width // 2, width), np.float32)
    cloud, images = PointCloud(world.anchors), MemoryImages(world.memory)
    directions = blender_directions(width)
    for number, (yaw, pitch) in enumerate(FACES):
        progress(number / len(FACES), f"Looking around, {number + 1} of {len(FACES)}")
        c2w = np.eye(4)
        c2w[:3, :3], c2w[:3, 3] = facing(yaw * math.pi, pitch * math.pi), place
        camera = Camera(intrinsics(FOV, side, side), c2w, side, side)
        colours, seen = _face(images, cloud, camera)
        local = directions @ c2w[:3, :3].astype(np.float32)
        z = np.maximum(local[..., 2], 1e-6)
        u = (local[..., 0] / z * camera.K[0, 0] + camera.K[0, 2]).astype(np.float32)
        v = (local[..., 1] / z * camera.K[1, 1] + camera.K[1, 2]).astype(np.float32)
        weight = np.minimum(np.minimum(u, side - u), np.minimum(v, side - v)) / (0.06 * side)
        weight = np.where(local[..., 2] > 1e-3, np.clip(weight, 0, 1), 0)
        there = cv2.remap(seen, u - 0.5, v - 0.5, cv2.INTER_LINEAR) * weight
        rgb += cv2.remap(colours, u - 0.5, v - 0.5, cv2.INTER_LINEAR) * there[..., None]
        best += there
    known = best > 0.05
    if not known.any():
        raise InputError("No memory frame shows anything around that place; choose another.")
    mean = rgb / np.maximum(best, 1e-6)[..., None]
    bytes_ = filled((np.clip(mean, 0, 1) * 255 + 0.5).astype(np.uint8), known)
    mean = np.where(known[..., None], mean, bytes_.astype(np.float32) / 255)
    with replacing(Path(path)) as beside:
        encoded, data = cv2.imencode(".hdr", np.ascontiguousarray(srgb_to_linear(mean)[..., ::-1]))
        if not encoded:
            raise InputError(f"'{path}' could not be encoded.")
        beside.write_bytes(data.tobytes())
    progress(1.0, "Done")


def blender_directions(width: int) -> np.ndarray:
    """(width / 2, width, 3) float32 unit directions of the pixels of an environment texture.

    u = 0.5 - atan2(y, x) / (2 pi), v = acos(z) / pi.
    """
    angle = (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi
    fall = (np.arange(width // 2) + 0.5) / (width // 2) * np.pi
    out = np.empty((width // 2, width, 3), np.float32)
    out[..., 0] = np.sin(fall)[:, None] * np.cos(angle)[None]
    out[..., 1] = np.sin(fall)[:, None] * np.sin(angle)[None]
    out[..., 2] = np.cos(fall)[:, None]
    return out


def _face(images: MemoryImages, cloud: PointCloud, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) float32 sRGB and (H, W) float32 how well it is known."""
    forward = np.array([frame.camera.c2w[:3, 2] for frame in images.frames])
    places = np.array([frame.camera.position for frame in images.frames])
    order = np.linalg.norm(places - camera.position, axis=1) - 2 * forward @ camera.c2w[:3, 2]
    seen = render_points(cloud, camera)
    sampled = sample_memory(images, np.argsort(order)[:NEAREST].tolist(), camera, seen.depth)
    weight = (5 * sampled.weight).clamp(max=1).numpy()
    points = seen.rgb.numpy().astype(np.float32) / 255
    shown = (seen.depth.numpy() > 0) & (points.max(axis=2) > 0)
    rgb = np.where(weight[..., None] > 0, sampled.rgb.numpy(), points)
    return rgb.astype(np.float32), np.maximum(weight, 0.2 * shown).astype(np.float32)
