# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be had without a model: points, backward sampling and classical inpainting.

The baselines get the model's own advantages: the same geometry, gaps between points closed by the
same renderer, the same backward sampling of every memory frame, sky as a direction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from ..conditioning.anchors.lifting import lift
from ..conditioning.anchors.point_renderer import PointCloud, render_points
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.sampling import sample_memory
from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.frame import MemoryFrame
from ..shared.world import World

BASELINES = ("splat", "splat+telea", "splat3x3+telea", "backward+telea")
"""Names of all baselines, as they stand in metrics.json."""

INPAINT_RADIUS = 3
HIDDEN = 0.1
"""A point this part deeper than the surface lies behind it; less is a grazed surface's slope."""

SKY_DISTANCE = 1e5
"""Metres at which a sky pixel is drawn as a point around the target's centre."""


@dataclass(frozen=True, eq=False)
class Made:
    """A frame (H, W, 3) uint8 and what each stage of making it took, in milliseconds."""

    rgb: np.ndarray
    ms: dict[str, float]


class _Timer:
    def __init__(self, before: Mapping[str, float] = MappingProxyType({})) -> None:
        self._ms = {stage: ms for stage, ms in before.items() if stage != "total"}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> dict[str, float]:
        """Adds the time since the last lap to `stage`; all stages so far and their total."""
        now = time.perf_counter()
        self._ms[stage] = self._ms.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now
        return {**self._ms, "total": sum(self._ms.values())}


class BaselineRenderer:
    """The baselines of one world. Colours come from its memory frames alone, geometry from all
    of its anchors."""

    def __init__(self, world: World) -> None:
        self._geometry = PointCloud(world.anchors)
        self._images = MemoryImages(world.memory)
        self._points = PointCloud(
            without_radius(Anchors.concatenate([lift(frame) for frame in _with_depth(world)]))
        )
        skies = [_sky(frame) for frame in _with_depth(world)]
        self._sky_directions = np.concatenate([directions for directions, _ in skies])
        self._sky_rgb = np.concatenate([rgb for _, rgb in skies])

    def render(self, camera: Camera) -> dict[str, Made]:
        """Every baseline at `camera`."""
        timer = _Timer()
        surface = render_points(self._geometry, camera).depth
        timer.lap("surface")
        sampled = sample_memory(self._images, range(len(self._images)), camera, surface)
        colours = (sampled.rgb.clamp(0, 1) * 255).round().byte().numpy()
        known = ((sampled.weight > 0) | sampled.sky).numpy()
        timer.lap("sampling")
        backward = Made(telea(colours, known), timer.lap("inpainting"))

        timer = _Timer()
        rgb, depth = self._splat(camera, surface.numpy())
        splat = Made(rgb, timer.lap("points"))
        filled = Made(telea(rgb, depth > 0), timer.lap("inpainting"))

        timer = _Timer(splat.ms)
        wide_rgb, wide_known = widened(rgb, depth)
        timer.lap("points")
        wide = Made(telea(wide_rgb, wide_known), timer.lap("inpainting"))
        return dict(zip(BASELINES, (splat, filled, wide, backward), strict=True))

    def _splat(self, camera: Camera, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coloured points one pixel large and their depth, sky behind them; points behind the
        known surface are left out."""
        render = render_points(self._points, camera)
        rgb, depth = render.rgb.numpy().copy(), render.depth.numpy().copy()
        hidden = (surface > 0) & (depth > surface * (1 + HIDDEN))
        rgb[hidden], depth[hidden] = 0, 0
        if len(self._sky_rgb):
            around = camera.position + self._sky_directions * SKY_DISTANCE
            points = Anchors(around, self._sky_rgb, np.zeros(len(around)))
            sky = render_points(PointCloud(points), camera)
            free = (surface <= 0) & (depth <= 0) & (sky.depth.numpy() > 0)
            rgb[free], depth[free] = sky.rgb.numpy()[free], SKY_DISTANCE
        return rgb, depth


def without_radius(anchors: Anchors) -> Anchors:
    """The same points with no gap closed between them."""
    return Anchors(anchors.xyz, anchors.rgb, np.zeros(len(anchors)))


def telea(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 `rgb` with all outside (H, W) bool `known` inpainted (Telea 2004, OpenCV)."""
    if known.all() or not known.any():
        return rgb
    return cv2.inpaint(rgb, (~known).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_TELEA)


def widened(rgb: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture that 3x3 pixel points give, from that of 1 pixel points, and where it has any.

    rgb: (H, W, 3) uint8. depth: (H, W) z-depth, metres, 0 where there is no point.

    A pixel gets the nearest of the points in its 3x3 neighbourhood, which is what drawing each
    point as a 3x3 square with a depth test gives.
    """
    height, width = depth.shape
    filled = np.pad(np.where(depth > 0, depth, np.inf), 1, constant_values=np.inf)
    padded = np.pad(rgb, ((1, 1), (1, 1), (0, 0)))
    best = np.full(depth.shape, np.inf, np.float32)
    result = np.zeros_like(rgb)
    for y, x in np.ndindex(3, 3):
        candidate = filled[y : y + height, x : x + width]
        nearer = candidate < best
        best = np.where(nearer, candidate, best)
        result[nearer] = padded[y : y + height, x : x + width][nearer]
    return result, np.isfinite(best)


def _with_depth(world: World) -> list[MemoryFrame]:
    frames = [frame for frame in world.memory if frame.depth is not None]
    if not frames:
        raise InputError("The baselines need a reference that has depth; choose other references.")
    return frames


def _sky(frame: MemoryFrame) -> tuple[np.ndarray, np.ndarray]:
    """Directions (N, 3) and colours (N, 3) of the sky pixels of a frame."""
    assert frame.depth is not None
    sky = np.isposinf(frame.depth)
    return frame.camera.rays()[sky], frame.rgb[sky]
