# SPDX-License-Identifier: GPL-3.0-or-later
"""What the depth of posed pictures is worth: on how much of it others agree, and how well others
show what one of them saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...conditioning.anchors.lifting import lift
from ...conditioning.anchors.point_cloud import PointCloud
from ...conditioning.anchors.point_renderer import render_points
from ...conditioning.memory.images import MemoryImages
from ...conditioning.memory.sampling import sample_memory
from ...data.depth_files import resize_depth
from ...shared.anchors import Anchors
from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from .agree import agree

SIDE = 256
"""Pixels of the longer side that frames are looked at with."""
TARGETS, COMPARED = 3, 12
"""Frames that are left out in turn, and that are compared with others."""
NEAREST = 6
"""Other frames that a left-out one is made of, and that one is compared with."""
LEAST_SEEN = 0.05


def left_out_error(memory: Sequence[MemoryFrame]) -> list[float]:
    """dB of a few frames against what their neighbours alone show there, where they show it."""
    usable = _usable(memory)
    errors = [_error(usable, target) for target in _spread(len(usable), TARGETS)]
    return [error for error in errors if error is not None]


def agreement(memory: Sequence[MemoryFrame]) -> float | None:
    """Part of what frames saw with depth and others look at where half of them have the same depth.

    None where no two frames look at the same. For depth that came with the pictures: what was
    filled in afterwards agrees because it was made to.
    """
    usable = _usable(memory)
    same = looked = 0
    for number in _spread(len(usable), COMPARED):
        frame = _small(usable[number])
        assert frame.depth is not None
        others = [_small(usable[i]) for i in _nearest(usable, number, frame)]
        found = agree(frame.camera, frame.depth, [_seen(other) for other in others])
        there = found.looked > 0
        same += int((there & (2 * found.count >= found.looked)).sum())
        looked += int(there.sum())
    return same / looked if looked else None


def _seen(frame: MemoryFrame) -> tuple[Camera, np.ndarray, np.ndarray]:
    assert frame.depth is not None
    return frame.camera, frame.depth, frame.depth > 0


def _usable(memory: Sequence[MemoryFrame]) -> list[MemoryFrame]:
    """Frames with depth, if there are two of them."""
    usable = [frame for frame in memory if frame.depth is not None and (frame.depth > 0).any()]
    return usable if len(usable) > 1 else []


def _spread(count: int, wanted: int) -> list[int]:
    """Numbers of `wanted` frames of `count`, evenly."""
    wanted = min(wanted, count)
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def _nearest(memory: Sequence[MemoryFrame], target: int, wanted: MemoryFrame) -> list[int]:
    """The frames that see most of what the target sees, by place and direction."""
    assert wanted.depth is not None
    forward = np.array([frame.camera.c2w[:3, 2] for frame in memory])
    places = np.array([frame.camera.position for frame in memory])
    solid = wanted.depth[np.isfinite(wanted.depth) & (wanted.depth > 0)]
    reach = max(float(np.median(solid)), 1e-6) if solid.size else 1.0
    apart = np.linalg.norm(places - places[target], axis=1) / reach
    apart = apart + (1 - forward @ forward[target])
    return [int(i) for i in np.argsort(apart) if i != target][:NEAREST]


def _error(memory: Sequence[MemoryFrame], target: int) -> float | None:
    wanted = _small(memory[target])
    assert wanted.depth is not None
    others = [_small(memory[i]) for i in _nearest(memory, target, wanted)]
    anchors = Anchors.concatenate([lift(frame) for frame in others])
    if not len(anchors):
        return None
    depth = render_points(PointCloud(anchors), wanted.camera).depth
    seen = sample_memory(MemoryImages(others), range(len(others)), wanted.camera, depth)
    shown = (seen.weight > 0) & torch.from_numpy(wanted.depth > 0)
    if float(shown.float().mean()) < LEAST_SEEN:
        return None
    truth = torch.from_numpy(wanted.rgb).float() / 255
    error = float((seen.rgb - truth)[shown].square().mean())
    return float(-10 * np.log10(max(error, 1e-8)))


def _small(frame: MemoryFrame) -> MemoryFrame:
    import cv2

    scale = min(1.0, SIDE / max(frame.camera.width, frame.camera.height))
    size = max(8, round(frame.camera.width * scale)), max(8, round(frame.camera.height * scale))
    rgb = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)
    assert frame.depth is not None
    depth = resize_depth(frame.depth, *size)
    return MemoryFrame(frame.id, frame.name, frame.camera.resized(*size), rgb, depth)
