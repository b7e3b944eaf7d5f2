# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies around a viewport, in its light: it fills what a moved frame does not show. No bpy.

Six small pictures, the sides of a cube around where the view stands, make one mesh of what is seen
in each direction. It has no holes from wherever it is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..backend.shared.camera import Camera, facing
from ..backend.shared.frame import FrameReply, FrameRequest
from ..display import color_rgba

SIDE = 64
"""Pixels a side of each picture, and vertices of the mesh."""
STRIDES = 1, 3
"""Vertices from one that is drawn to the next: finely, and where there is little time."""
_LOOKS = [(yaw * math.pi / 2, 0.0) for yaw in range(4)] + [(0, math.pi / 2), (0, -math.pi / 2)]
FACES = len(_LOOKS)
_STEPPED = 0.5
"""Share of the distance to what is nearest after which a place has other surroundings."""
_SKY = 1e30


def faces(picture: Camera) -> list[Camera]:
    """The cameras of the six pictures, from where `picture` is seen.

    The centres of outermost pixels lie on the cube's edges, so that the sides meet there.
    """
    focal, middle = (SIDE - 1) / 2, SIDE / 2
    K = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    made = []
    for yaw, pitch in _LOOKS:
        c2w = np.eye(4)
        c2w[:3, :3], c2w[:3, 3] = facing(yaw, pitch), picture.position
        made.append(Camera(K, c2w, SIDE, SIDE, near=picture.near, far=picture.far))
    return made


def triangles(stride: int) -> np.ndarray:
    """(M, 3) int32 of the mesh's vertices, of which each `stride`th one is drawn."""
    across = np.arange(0, SIDE - 1, stride)
    corner = (across[:, None] * SIDE + across).reshape(-1, 1)
    down = stride * SIDE
    one = corner + np.array([0, stride, down, stride, down + stride, down])
    starts = SIDE * SIDE * np.arange(FACES)[:, None, None]
    return (starts + one).reshape(-1, 3).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What six pictures show.

    asked: their requests. origin: (3,) metres. rays: (N, 4) float32, a direction of unit length and
    how many metres that way, very many to the sky. rgba: (N, 4) float32 scene linear, times alpha.
    """

    asked: Sequence[FrameRequest]
    origin: np.ndarray
    rays: np.ndarray
    rgba: np.ndarray

    @classmethod
    def of(cls, replies: Sequence[FrameReply], bare: bool) -> Surroundings:
        """Takes its time: not for a draw. bare: leave out the sky, as in local view."""
        rays = np.stack([reply.request.camera.rays() for reply in replies]).reshape(-1, 3)
        length = np.linalg.norm(rays, axis=-1, keepdims=True)
        depth = np.stack([reply.depth for reply in replies]).reshape(-1, 1)
        solid = np.isfinite(depth) & (depth > 0)
        reach = np.where(solid, depth, _SKY) * length
        rgba = np.stack([color_rgba(reply)[::-1] for reply in replies]).reshape(-1, 4)
        if bare:
            rgba[~solid[:, 0]] = 0
        asked = [reply.request for reply in replies]
        rays = np.concatenate([rays / length, reach], axis=1).astype(np.float32)
        return cls(asked, replies[0].request.camera.position, rays, rgba)


@dataclass(eq=False)
class Around:
    """The surroundings that one viewport has, and has asked for.

    under: what decided how they look, beside the place. due: when it is time to see whether others
    are wanted.
    """

    asked: Sequence[FrameRequest] = ()
    under: object = None
    made: Surroundings | None = None
    preparing: bool = False
    due: float = math.inf

    def fits(self, under: object, picture: Camera, near: float) -> bool:
        """Whether nothing else would be asked for. near: metres to what is nearest."""
        if not self.asked or under != self.under:
            return False
        there = self.asked[0].camera.position
        return bool(np.linalg.norm(there - picture.position) < _STEPPED * near)

    def ask(self, under: object, request: FrameRequest, picture: Camera) -> Sequence[FrameRequest]:
        """From now on these are waited for. request: a glance of anything."""
        self.under = under
        self.asked = [replace(request, camera=camera) for camera in faces(picture)]
        return self.asked

    def arrived(self, replies: Sequence[FrameReply | None]) -> Sequence[FrameReply]:
        """Those that were asked for, once all are there and nothing was made of them; else ()."""
        came = [one for one in replies if one is not None]
        if self.preparing or not self.asked or len(came) < len(self.asked):
            return ()
        if any(a.request is not b for a, b in zip(came, self.asked, strict=True)):
            return ()  # earlier ones, or made smaller as memory ran out
        return () if self.made is not None and self.made.asked == self.asked else came

    def prepared(self, made: Surroundings | None) -> None:
        """None where they were for another kind of view, or could not be made."""
        self.preparing = False
        self.made = made if made is not None else self.made
