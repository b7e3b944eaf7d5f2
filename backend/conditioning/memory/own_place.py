# SPDX-License-Identifier: GPL-3.0-or-later
"""From the very place of a memory frame its own depth is what is seen.

Others' points may stand before it, where their depth was found a little too near: from elsewhere
nobody can tell which is right, from here the frame itself can. Beside its place it can as well, the
less the farther, so that a camera that leaves does not meet them all at once.
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
BESIDE = 0.006
"""Part of it up to which that frame still says what does not stand before its surfaces."""
SURE, SOON = 0.005, 8.0
"""Part of its distance by which a point stands before a surface at the very place; beside it that
and so many times what the camera is away, in parts of the middle depth."""
ROUNDS = 4
"""Of looking where a view's ray meets a frame's surfaces."""
_STRIDE = 8
_ONE_PLACE = 1e-6
"""Metres up to which two frames were taken from one place."""


def seen_from_own_place(
    anchors: AnchorRender, frames: Sequence[MemoryFrame], camera: Camera
) -> AnchorRender:
    """The anchors, with a frame's own depth and colours where `camera` stands at its place and
    looks where it did; beside it where they hide what it saw; the same where it stands at none."""
    frame, away = _here(frames, camera)
    if frame is None or frame.depth is None:
        return anchors
    if away < NEAR:
        return _replaced(anchors, *_from_its_place(frame, camera))
    return _replaced(
        anchors, *_beside(frame, camera, anchors.depth.cpu().numpy(), SURE + SOON * away)
    )


def _from_its_place(frame: MemoryFrame, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) z-depth, 0 = not known, and (H, W, 3) colours of the frame seen from its own place."""
    assert frame.depth is not None
    uv, along, inside = frame.camera.within(camera.position + camera.rays().reshape(-1, 3))
    column, row = uv[inside].astype(int).T
    depth = np.zeros(len(uv), np.float32)
    depth[inside] = frame.depth[row, column] / along[inside]
    rgb = np.zeros((len(uv), 3), np.uint8)
    rgb[inside] = frame.rgb[row, column]
    shape = (camera.height, camera.width)
    return depth.reshape(shape), rgb.reshape(*shape, 3)


def _beside(
    frame: MemoryFrame, camera: Camera, depth: np.ndarray, before: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `_from_its_place` from a place beside, where what is at `depth` (H, W), 0 = nothing,
    stands `before` the frame's surfaces, as a part of their distance; elsewhere not known."""
    assert frame.depth is not None
    known, rgb = np.zeros(depth.size, np.float32), np.zeros((depth.size, 3), np.uint8)
    rays = camera.rays().reshape(-1, 3)
    some = np.flatnonzero(depth.ravel() > 0)
    for offset in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):  # an outline is nobody's for a pixel
        points = camera.position + rays[some] * depth.ravel()[some, None]
        seen, there, inside = _looked_up(frame, points, offset)
        some = some[inside & (there < seen * (1 - before))]
    z = depth.ravel()[some]
    for _ in range(ROUNDS):
        points = camera.position + rays[some] * z[:, None]
        seen, there, inside = _looked_up(frame, points)
        on = inside & np.isfinite(seen) & (seen > 0)
        some, z, seen, there = some[on], z[on], seen[on], there[on]
        z = z * seen / there
    column, row = frame.camera.project(camera.position + rays[some] * z[:, None])[0].astype(int).T
    row, column = row.clip(0, frame.camera.height - 1), column.clip(0, frame.camera.width - 1)
    known[some], rgb[some] = z, frame.rgb[row, column]
    return known.reshape(depth.shape), rgb.reshape(*depth.shape, 3)


def _looked_up(
    frame: MemoryFrame, points: np.ndarray, offset: tuple[int, int] = (0, 0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) the frame's depth where it sees points (N, 3), or so many columns and rows beside,
    theirs, and whether it shows the place."""
    assert frame.depth is not None
    uv, there, inside = frame.camera.within(points, margin=1.0)
    seen = np.zeros(len(points), np.float32)
    column, row = uv[inside].astype(int).T
    seen[inside] = frame.depth[row + offset[1], column + offset[0]]
    return seen, there, inside


def _replaced(anchors: AnchorRender, depth: np.ndarray, rgb: np.ndarray) -> AnchorRender:
    """The anchors, but where `depth` (H, W) is known (above 0, +inf = sky) with that and `rgb`."""
    own = torch.from_numpy(depth).to(anchors.depth.device)
    known, solid = own > 0, torch.isfinite(own) & (own > 0)
    colors = torch.from_numpy(rgb).to(anchors.depth.device) * solid[..., None]
    return AnchorRender(
        torch.where(known[..., None], colors, anchors.rgb),
        torch.where(known, torch.where(solid, own, 0.0), anchors.depth),
        torch.where(known, solid.float(), anchors.coverage),
    )


def _here(frames: Sequence[MemoryFrame], camera: Camera) -> tuple[MemoryFrame | None, float]:
    """The frame with depth that was taken from where the camera stands or beside, if any, and how
    far away that is, as a part of its middle depth."""
    able = [f for f in frames if f.depth is not None and not f.camera.is_orthographic]
    if camera.is_orthographic or not able:
        return None, 0.0
    away = [float(np.linalg.norm(f.camera.position - camera.position)) for f in able]
    # of a panorama's frames, all from one place, the one that looks this way
    nearest = [f for f, far in zip(able, away, strict=True) if far <= min(away) + _ONE_PLACE]
    frame = max(nearest, key=lambda one: float(one.camera.c2w[:3, 2] @ camera.c2w[:3, 2]))
    assert frame.depth is not None
    depth = frame.depth[::_STRIDE, ::_STRIDE]  # this is asked for every frame
    solid = depth[np.isfinite(depth) & (depth > 0)]
    far = min(away) / float(np.median(solid)) if len(solid) else BESIDE
    # beside a world's only picture no other can be wrong
    return (frame, far) if far < (NEAR if len(able) == 1 else BESIDE) else (None, far)
