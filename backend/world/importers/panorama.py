# SPDX-License-Identifier: GPL-3.0-or-later
"""An equirectangular panorama to a world: depth merged over overlapping views, views as memory.

Column x of a panorama looks at the angle 2 pi (x + 0.5) / W - pi to the right of +y, row y at
pi / 2 - pi (y + 0.5) / H above the horizon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...data.capture_views import filled
from ...data.photos import Photo, read_photo
from ...models.depth import DepthEstimator, load_depth
from ...models.standing import Standing, seen_at
from ...models.uprights import upright_lines, uprights
from ...shared.anchors import Anchors
from ...shared.camera import Camera, facing, intrinsics
from ...shared.errors import InputError
from ...shared.frame import MemoryFrame
from ...shared.world import World
from ..identity import frame_id
from ..pair_offsets import pair_offsets
from ..photo.depth_edges import enlarge_depth, sharpen_edges
from ..photo.guess_trust import expected
from ..progress import Progress, part, silent
from .gpano import on_sphere, read_crop
from .photo import check_height

MAX_WIDTH = 8192
DEPTH_WIDTH = 1024
"""Width at which the views' depths are merged."""
POINTS_WIDTH = 2048
VIEW_FOV = math.radians(75)
VIEW_SIZE = 320
RINGS = ((0.0, 10), (-0.75, 7), (0.75, 7), (-1.4, 3), (1.4, 3))
"""Pitch (radians) and number of views around: 30 overlapping views for depth."""
MEMORY_FOV = math.radians(100)
MEMORY_DIRECTIONS = (
    (0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.5, 0.0), (0.0, 0.5), (0.0, -0.5),
)  # fmt: skip
"""Yaw and pitch in units of pi of the views kept as memory: the faces of a cube, overlapping."""
LINE_VIEWS, LINE_PITCH, LINE_FOV, LINE_SIZE = 12, -0.25, math.radians(70), 900
"""Views around in which upright lines are found, each in its middle."""
LEAST_KNOWN = 0.02
"""Part of a view that a panorama must show for it to be kept as memory."""


@dataclass(eq=False)
class _Merged:
    """log: (H, W) logarithm of distance. sky, known: (H, W) bool. Equirectangular. spread: mean
    |difference of log distance| between views that see the same."""

    log: np.ndarray
    sky: np.ndarray
    known: np.ndarray
    spread: float


def world_from_panorama(
    path: Path,
    camera_height: float = 1.6,
    depth: str | DepthEstimator = "auto",
    progress: Progress = silent,
) -> World:
    """A panorama of the whole sphere, or a part of one that says in its metadata which.

    Raises InputError when the picture is not twice as wide as high or cannot be read.
    """
    check_height(camera_height)
    progress(0.0, "Reading the panorama")
    photo = read_photo(path, max_side=MAX_WIDTH)
    rgb, known = _whole_sphere(photo, Path(path).name)
    estimator = load_depth(depth) if isinstance(depth, str) else depth
    merged = _merged_depth(rgb, known, camera_height, estimator, part(progress, 0.05, 0.7))
    if estimator.coarse:
        closer = load_depth(estimator.name, thorough=True)
        merged.log = _stood_up(rgb, merged, camera_height, closer)
    progress(0.7, "Making points")
    anchors = _points(rgb, merged, camera_height)
    if not len(anchors):
        raise InputError("The panorama shows nothing but sky; choose another one.")
    memory = []
    for i, (yaw, pitch) in enumerate(MEMORY_DIRECTIONS):
        progress(0.75 + 0.04 * i, "Keeping views")
        view = _memory_view(rgb, merged, yaw, pitch, camera_height, i)
        if view.depth is not None and (view.depth > 0).mean() > LEAST_KNOWN:
            memory.append(view)
    provenance = {"source": "panorama", "file": Path(path).name, "depth": estimator.name}
    shown = np.where(merged.known & ~merged.sky, np.exp(merged.log), np.inf)
    provenance |= expected(merged.spread, shown, estimator.name).record()
    progress(1.0, "Done")
    return World(anchors=anchors, memory=memory, revision=1, provenance=provenance)


def _whole_sphere(photo: Photo, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(H, 2 H, 3) uint8 and (H, 2 H) bool, which of it the picture shows."""
    crop = read_crop(photo.xmp)
    width, height = photo.size
    if crop is not None and crop.size != crop.full:
        return on_sphere(photo.rgb, crop, MAX_WIDTH)
    if abs(width - 2 * height) > 0.01 * width:
        raise InputError(
            f"'{name}' has {width} x {height} pixels, but an equirectangular panorama "
            "is twice as wide as high; crop or extend it to 2:1."
        )
    known = np.ones((height, width), bool) if photo.alpha is None else photo.alpha > 127
    return (photo.rgb if known.all() else filled(photo.rgb, known)), known


def sphere_camera(yaw: float, pitch: float, fov: float, size: int, height: float) -> Camera:
    """A square view from (0, 0, height); yaw to the right of +y, pitch up, radians."""
    c2w = np.eye(4)
    c2w[:3, :3] = facing(yaw, pitch)
    c2w[2, 3] = height
    return Camera(intrinsics(fov, size, size), c2w, size, size)


def sphere_directions(width: int, height: int) -> np.ndarray:
    """(height, width, 3) float32 unit directions of a panorama's pixels."""
    yaw = 2 * np.pi * (np.arange(width) + 0.5) / width - np.pi
    pitch = np.pi / 2 - np.pi * (np.arange(height) + 0.5) / height
    out = np.empty((height, width, 3), np.float32)
    out[..., 0] = np.sin(yaw)[None] * np.cos(pitch)[:, None]
    out[..., 1] = np.cos(yaw)[None] * np.cos(pitch)[:, None]
    out[..., 2] = np.sin(pitch)[:, None]
    return out


def look_into(panorama: np.ndarray, camera: Camera, nearest: bool = False) -> np.ndarray:
    """The view of `camera` into a panorama (H, W, ...), whatever the camera's position."""
    height, width = panorama.shape[:2]
    rays = camera.rays().astype(np.float64)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    x = (np.arctan2(rays[..., 0], rays[..., 1]) + np.pi) / (2 * np.pi) * width - 0.5
    y = (np.pi / 2 - np.arcsin(np.clip(rays[..., 2], -1, 1))) / np.pi * height - 0.5
    # a column of each side beside the other, so that the seam is interpolated too
    wrapped = np.concatenate([panorama[:, -1:], panorama, panorama[:, :1]], axis=1)
    mode = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(wrapped, (x + 1).astype(np.float32), y.astype(np.float32), mode,
                     borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def _merged_depth(
    rgb: np.ndarray,
    known: np.ndarray,
    camera_height: float,
    estimator: DepthEstimator,
    progress: Progress,
) -> _Merged:
    width = min(DEPTH_WIDTH, rgb.shape[1])
    height = width // 2
    small = rgb
    if rgb.shape[1] > 2 * DEPTH_WIDTH:
        small = cv2.resize(rgb, (2 * DEPTH_WIDTH, DEPTH_WIDTH), interpolation=cv2.INTER_AREA)
    directions = sphere_directions(width, height)
    cameras = [
        sphere_camera(2 * math.pi * k / count, pitch, VIEW_FOV, VIEW_SIZE, camera_height)
        for pitch, count in RINGS
        for k in range(count)
    ]
    logs, weights, skies = [], [], []
    for i, camera in enumerate(cameras):
        progress(i / len(cameras), f"Estimating depth, view {i + 1} of {len(cameras)}")
        guess = estimator.estimate(look_into(small, camera), camera)
        log, sky, weight = _onto_sphere(guess.depth, camera, directions)
        logs.append(log)
        weights.append(weight)
        skies.append(sky)
    log, weight, sky = np.stack(logs), np.stack(weights), np.stack(skies)
    solid = weight * (1 - sky)
    log = log + _offsets(log, solid)[:, None, None]
    total = np.maximum(solid.sum(axis=0), 1e-6)
    merged = (log * solid).sum(axis=0) / total
    is_sky = (weight * sky).sum(axis=0) > 0.5 * np.maximum(weight.sum(axis=0), 1e-6)
    distance = sharpen_edges(np.where(is_sky, np.inf, np.exp(merged)).astype(np.float32))
    is_sky = ~np.isfinite(distance)
    shown = cv2.resize(known.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    final = np.log(np.where(is_sky, 1.0, distance)).astype(np.float32)
    return _Merged(final, is_sky, shown, _spread(log, solid))


def _spread(log: np.ndarray, weight: np.ndarray) -> float:
    """Mean |difference of log distance| (V, H, W) of pairs of views, where both see a surface."""
    step = max(1, log.shape[2] // 256)
    log, weight = log[:, ::step, ::step], weight[:, ::step, ::step]
    total = shared = 0.0
    for i in range(len(log)):
        for j in range(i):
            both = np.minimum(weight[i], weight[j])
            total += float((both * np.abs(log[i] - log[j])).sum())
            shared += float(both.sum())
    return total / shared if shared > 0 else 1.0


def _onto_sphere(
    depth: np.ndarray, camera: Camera, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A view's log distance, sky share and weight (fading to its border) on the panorama."""
    local = directions @ camera.c2w[:3, :3].astype(np.float32)
    ahead = local[..., 2] > 0.2
    z = np.where(ahead, local[..., 2], 1.0)
    u = local[..., 0] / z * camera.K[0, 0] + camera.K[0, 2]
    v = local[..., 1] / z * camera.K[1, 1] + camera.K[1, 2]
    border = np.minimum(np.minimum(u, camera.width - u), np.minimum(v, camera.height - v))
    weight = np.where(ahead, np.clip(border / (0.25 * camera.width), 0, 1), 0).astype(np.float32)
    solid = np.isfinite(depth)
    per_depth = np.linalg.norm(camera.rays(), axis=2)
    log = np.log(np.where(solid, depth, 1.0) * per_depth).astype(np.float32)
    at = ((u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32))
    log = cv2.remap(log, *at, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    sky = cv2.remap((~solid).astype(np.float32), *at, cv2.INTER_NEAREST,
                    borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return log, sky, weight


def _offsets(log: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V,) what to add to each view's log distance so that overlapping views agree.

    Least squares over all pairs, with a pull to 0: the estimators' scale is right on average.
    """
    step = max(1, log.shape[2] // 256)
    log, weight = log[:, ::step, ::step], weight[:, ::step, ::step]
    scale = weight[0].size / 50
    pairs = []
    for i in range(len(log)):
        for j in range(i):
            both = np.minimum(weight[i], weight[j])
            overlap = float(both.sum()) / scale
            if overlap < 0.02:
                continue
            difference = (
                float(np.median((log[i] - log[j])[both > 0.1])) if (both > 0.1).any() else 0
            )
            pairs.append((i, j, difference, overlap))
    return pair_offsets(len(log), pairs, pull=1e-2).astype(np.float32)


def _stood_up(
    rgb: np.ndarray, merged: _Merged, camera_height: float, estimator: DepthEstimator
) -> np.ndarray:
    """(H, W) logarithm of distance, what stands on the ground or carries upright lines upright."""
    height, width = merged.log.shape
    directions = sphere_directions(width, height)
    elevation = np.arcsin(directions[..., 2])
    azimuth = np.arctan2(directions[..., 0], directions[..., 1])
    flat = np.log(np.cos(elevation))
    reach = merged.log + flat
    above = camera_height + np.exp(merged.log) * directions[..., 2]
    solid = merged.known & ~merged.sky

    def look(azimuth: np.ndarray, elevation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        column = ((azimuth + np.pi) / (2 * np.pi) * width).astype(int) % width
        row = ((np.pi / 2 - elevation) / np.pi * height).astype(int).clip(0, height - 1)
        return np.where(solid[row, column], reach[row, column], np.nan), above[row, column]

    lines, size = [], min(LINE_SIZE, rgb.shape[1])
    for number in range(LINE_VIEWS):
        yaw = 2 * math.pi * number / LINE_VIEWS
        own = np.abs(_turn(azimuth, yaw)) <= math.pi / LINE_VIEWS
        camera = sphere_camera(yaw, LINE_PITCH, LINE_FOV, size, camera_height)
        picture = look_into(rgb, camera)
        found = [upright_lines(picture, camera)]
        standing = estimator.estimate(picture, camera).standing
        if standing is not None:
            found.append(standing.lines)
            feet, things = _from_view(standing, camera, directions)
            reach = np.where(own & things, feet, reach)
        near = np.concatenate(found)
        lines.append(near[np.abs(_turn(near[:, 0], yaw)) < 1.2 * math.pi / LINE_VIEWS])
    above = camera_height + np.exp(reach - flat) * directions[..., 2]
    upright = uprights(np.concatenate(lines), look, camera_height)
    if upright is not None:
        reach += upright.moves(reach, above, azimuth, elevation, camera_height)
    return np.where(solid, reach - flat, merged.log).astype(np.float32)


def _from_view(
    standing: Standing, camera: Camera, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) reach of the things of a view on the panorama, and bool where they are."""
    x, y = seen_at(directions, camera)
    feet = cv2.remap(standing.reach, x, y, cv2.INTER_NEAREST)
    things = cv2.remap(standing.things.astype(np.uint8), x, y, cv2.INTER_NEAREST)
    return feet, things > 0


def _turn(azimuth: np.ndarray, yaw: float) -> np.ndarray:
    """From one direction to others, -pi to pi."""
    return (azimuth - yaw + math.pi) % (2 * math.pi) - math.pi


def _points(rgb: np.ndarray, merged: _Merged, camera_height: float) -> Anchors:
    width = min(POINTS_WIDTH, rgb.shape[1])
    height = width // 2
    colour = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    distance = enlarge_depth(
        np.where(merged.sky, np.inf, np.exp(merged.log)).astype(np.float32), width, height
    )
    directions = sphere_directions(width, height)
    # rows near the poles are denser than they need to be
    shown = cv2.resize(
        merged.known.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    keep = np.isfinite(distance) & (shown > 0)
    for y in range(height):
        every = max(1, int(1 / max(math.sin(math.pi * (y + 0.5) / height), 1e-3)))
        if every > 1:
            mask = np.zeros(width, bool)
            mask[:: min(every, max(1, width // 8))] = True
            keep[y] &= mask
    solid = distance[keep]
    xyz = directions[keep] * solid[:, None]
    xyz[:, 2] += camera_height
    spacing = math.pi / height
    # a surface seen at a slant has its points further apart; the pole direction is the worst
    radius = 0.75 * spacing * solid
    return Anchors(xyz.astype(np.float32), colour[keep], radius.astype(np.float32))


def _memory_view(
    rgb: np.ndarray, merged: _Merged, yaw: float, pitch: float, camera_height: float, number: int
) -> MemoryFrame:
    size = int(min(2048, max(256, rgb.shape[1] / (2 * math.pi) * 2 * math.tan(MEMORY_FOV / 2))))
    camera = sphere_camera(yaw * math.pi, pitch * math.pi, MEMORY_FOV, size, camera_height)
    picture = look_into(rgb, camera)
    log = look_into(merged.log, camera, nearest=True)
    sky = look_into(merged.sky.astype(np.uint8), camera, nearest=True) > 0
    depth = np.exp(log) / np.linalg.norm(camera.rays(), axis=2)
    # at the panorama's own resolution silhouettes are one pixel wide steps already
    depth = np.where(sky, np.inf, depth)
    known = look_into(merged.known.astype(np.uint8), camera, nearest=True) > 0
    depth = np.where(known, depth, 0.0).astype(np.float32)
    return MemoryFrame(
        id=frame_id(camera, picture),
        name=f"panorama {number + 1}",
        camera=camera,
        rgb=picture,
        depth=depth,
        estimated=True,
    )
