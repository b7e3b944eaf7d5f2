# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a capture's other pictures show what one of them saw: what depth is worth, in dB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...conditioning.anchors.lifting import lift
from ...conditioning.anchors.point_cloud import PointCloud
from ...conditioning.anchors.point_renderer import render_points
from ...conditioning.memory.sampling import MemoryImages, sample_memory
from ...data.depth_files import resize_depth
from ...shared.anchors import Anchors
from ...shared.frame import MemoryFrame

SIDE = 256
TARGETS = 3
NEAREST = 6
"""Other frames that a left-out one is made of."""
LEAST_SEEN = 0.05


def left_out_error(memory: Sequence[MemoryFrame]) -> list[float]:
    """dB of a few frames against what their neighbours alone show there, where they show it."""
    usable = [frame for frame in memory if frame.depth is not None and (frame.depth > 0).any()]
    if len(usable) < 2:
        return []
    count = min(TARGETS, len(usable))
    targets = [int((i + 0.5) * len(usable) / count) for i in range(count)]
    found = []
    for target in targets:
        error = _error(usable, target)
        if error is not None:
            found.append(error)
    return found


def _error(memory: Sequence[MemoryFrame], target: int) -> float | None:
    wanted = _small(memory[target])
    assert wanted.depth is not None
    forward = np.array([frame.camera.c2w[:3, 2] for frame in memory])
    places = np.array([frame.camera.position for frame in memory])
    reach = max(
        float(np.median(wanted.depth[np.isfinite(wanted.depth) & (wanted.depth > 0)])), 1e-6
    )
    apart = np.linalg.norm(places - places[target], axis=1) / reach
    apart = apart + (1 - forward @ forward[target])
    order = [i for i in np.argsort(apart) if i != target][:NEAREST]
    others = [_small(memory[i]) for i in order]
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
