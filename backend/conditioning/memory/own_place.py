# SPDX-License-Identifier: GPL-3.0-or-later
"""From the very place of a memory frame its own depth is what is seen.

Others' points may stand before it, where their depth was found a little too near: from elsewhere
nobody can tell which is right, from here the frame itself can.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from ..anchors.point_renderer import AnchorRender

NEAR = 1e-3
"""Part of the middle depth of a frame up to which a camera stands where that did."""
_STRIDE = 8
_ONE_PLACE = 1e-6
"""Metres up to which two frames were taken from one place."""


def seen_from_own_place(
    anchors: AnchorRender, frames: Sequence[MemoryFrame], camera: Camera
) -> AnchorRender:
    """The anchors, with a frame's own depth and colours where `camera` stands at its place and
    looks where it did; the same where it stands at none."""
    frame = _here(frames, camera)
    if frame is None or frame.depth is None:
        return anchors
    uv, along, inside = frame.camera.within(camera.position + camera.rays().reshape(-1, 3))
    column, row = uv[inside].astype(int).T
    depth = np.zeros(len(uv), np.float32)
    depth[inside] = frame.depth[row, column] / along[inside]
    rgb = np.zeros((len(uv), 3), np.uint8)
    rgb[inside] = frame.rgb[row, column]
    shape, device = (camera.height, camera.width), anchors.depth.device
    own = torch.from_numpy(depth.reshape(shape)).to(device)
    known, solid = own > 0, torch.isfinite(own) & (own > 0)
    colors = torch.from_numpy(rgb.reshape(*shape, 3)).to(device) * solid[..., None]
    return AnchorRender(
        torch.where(known[..., None], colors, anchors.rgb),
        torch.where(known, torch.where(solid, own, 0.0), anchors.depth),
        torch.where(known, solid.float(), anchors.coverage),
    )


def _here(frames: Sequence[MemoryFrame], camera: Camera) -> MemoryFrame | None:
    """The frame with depth that was taken from where the camera stands, if any."""
    able = [f for f in frames if f.depth is not None and not f.camera.is_orthographic]
    if camera.is_orthographic or not able:
        return None
    away = [float(np.linalg.norm(f.camera.position - camera.position)) for f in able]
    # of a panorama's frames, all from one place, the one that looks this way
    nearest = [f for f, far in zip(able, away, strict=True) if far <= min(away) + _ONE_PLACE]
    frame = max(nearest, key=lambda one: float(one.camera.c2w[:3, 2] @ camera.c2w[:3, 2]))
    assert frame.depth is not None
    depth = frame.depth[::_STRIDE, ::_STRIDE]  # this is asked for every frame
    solid = depth[np.isfinite(depth) & (depth > 0)]
    return frame if len(solid) and min(away) < NEAR * float(np.median(solid)) else None
