# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that grows: a generated frame becomes part of the world it was generated from.

Its depth is the anchors' where they were seen; elsewhere a guess that leaves no step at the
border. What memory saw through is not built up again: a new point may not stand in
front of a surface that a memory frame has seen. Only surfaces without anchors give new points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..conditioning.anchors.lifting import lift
from ..conditioning.anchors.point_renderer import PointCloud, render_points
from ..conditioning.conditions import world_scale
from ..conditioning.memory.free_space import contradicts
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.sampling import sample_memory
from ..conditioning.memory.seen import Seen
from ..conditioning.unseen.depth_completion import complete_depth, smooth_guess
from ..conditioning.view import View
from ..models.depth import DepthEstimator, load_depth
from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.frame import MemoryFrame
from .depth_fit import fit_depth
from .identity import frame_id
from .photo.depth_edges import sharpen_edges

if TYPE_CHECKING:
    from ..shared.world import World

GROUND_CLEARANCE = 0.05
"""The embedded estimator needs a camera this many metres above the ground; lower ones get none."""


@dataclass(frozen=True, eq=False)
class Growth:
    """What was added. anchors: the new points. frame: the new memory frame. dropped: pixels whose
    guessed depth contradicted memory; their depth is unknown in the frame."""

    anchors: Anchors
    frame: MemoryFrame
    dropped: int


def keep_picture(
    world: World, rgb: np.ndarray, camera: Camera, name: str, depth: str | DepthEstimator
) -> World:
    """The world with a picture of `camera` in it, its revision one higher; `world` stays as it is.

    rgb: (H, W, 3) uint8. Keeping the same picture twice changes nothing.
    """
    if (rgb.shape[1], rgb.shape[0]) != (camera.width, camera.height):
        camera = camera.resized(rgb.shape[1], rgb.shape[0])
    return _grown(world, rgb, known_depth(world, camera), camera, name, depth)


def known_depth(world: World, camera: Camera) -> np.ndarray:
    """(H, W) float32 z-depth of the anchors that `camera` sees, +inf where memory saw sky."""
    rendered = render_points(PointCloud(world.anchors), camera).depth
    frames = [f for f in world.memory if f.enabled]
    images = MemoryImages(frames)
    sky = sample_memory(images, range(len(frames)), camera, rendered).sky
    return torch.where(sky & (rendered == 0), torch.inf, rendered).numpy()


def _grown(
    world: World,
    rgb: np.ndarray,
    known: np.ndarray,
    camera: Camera,
    name: str,
    depth: str | DepthEstimator,
) -> World:
    grown = grow(world.memory, rgb, known, camera, name, depth)
    if any(frame.id == grown.frame.id for frame in world.memory):
        return world
    return replace(
        world,
        anchors=Anchors.concatenate([world.anchors, grown.anchors]),
        memory=[*world.memory, grown.frame],
        revision=world.revision + 1,
    )


def grow(
    memory: list[MemoryFrame],
    rgb: np.ndarray,
    known: np.ndarray,
    camera: Camera,
    name: str,
    depth: str | DepthEstimator = "embedded",
) -> Growth:
    """rgb: (H, W, 3) uint8. known: (H, W) z-depth of the anchors seen, +inf = sky, 0 = none."""
    if rgb.shape[:2] != known.shape or rgb.shape[:2] != (camera.height, camera.width):
        raise InputError(
            "The frame, its depth and its camera have different sizes; render it again."
        )
    complete = completed_depth(rgb, known, camera, depth, _scale(memory, known))
    new = known == 0
    wrong = new & contradicts(complete, camera, memory)
    complete = np.where(wrong, np.float32(0), complete)
    frame = MemoryFrame(
        id=frame_id(camera, rgb),
        name=name,
        camera=camera,
        rgb=np.ascontiguousarray(rgb),
        depth=complete,
    )
    only_new = replace(frame, depth=np.where(new, complete, np.float32(0)))
    # the radius needs the surface's neighbours, known ones included
    everything, fresh = lift(frame), lift(only_new)
    solid = (complete > 0) & np.isfinite(complete)
    radius = everything.radius[new[solid]]
    return Growth(Anchors(fresh.xyz, fresh.rgb, radius), frame, int(wrong.sum()))


def _scale(memory: list[MemoryFrame], known: np.ndarray) -> float:
    """Metres: see `world_scale`; by what is known here where memory has no depth."""
    if any(frame.depth is not None for frame in memory):
        return world_scale(memory, Anchors.empty())
    surface = known[np.isfinite(known) & (known > 0)]
    return float(np.median(surface)) if len(surface) else 1.0


def completed_depth(
    rgb: np.ndarray,
    known: np.ndarray,
    camera: Camera,
    depth: str | DepthEstimator,
    scale: float,
) -> np.ndarray:
    """(H, W) float32: `known` where there is some, elsewhere a guess that joins it smoothly.

    "embedded" continues the surfaces around a hole, as frames do that show it (scale: see
    `world_scale`): on 42 views of the validation scenes with one reference the error of log depth
    in holes was 0.17 with an earlier network, and 0.25 for an estimate from the picture that is
    fitted to what is known. Other estimators are asked for theirs, and so is the embedded one
    where a picture shows no known surface.
    """
    if (known != 0).all():
        return known.astype(np.float32)
    surface = bool((np.isfinite(known) & (known > 0)).any())
    if depth == "embedded" and surface:
        given = torch.from_numpy(known.astype(np.float32))
        return complete_depth(given, View(camera), scale, Seen.where_known(rgb, given)).numpy()
    if camera.position[2] > GROUND_CLEARANCE and min(rgb.shape[:2]) >= 32:
        estimator = load_depth(depth) if isinstance(depth, str) else depth
        guess = sharpen_edges(estimator.estimate(rgb, camera).depth)
        return fit_depth(guess, known)
    if not surface:
        raise InputError(
            "Nothing of the world is visible in this frame; turn the camera to something known."
        )
    spread = smooth_guess(torch.from_numpy(known).float(), scale).numpy()
    return np.where(known != 0, known, spread).astype(np.float32)
