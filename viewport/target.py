# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport looks at, and whether a frame or a world is fit for it. No bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.frame import FrameReply
from ..scene_sync.sampling import Guide, nearest_of

MOVING_SIDE = 192
"""Longest side of frames of a view that begins to move."""
_MOVING_SIDES = (96, 128, MOVING_SIDE, 256, 320, 400, 512, 640, 800)
_MOVING_SECONDS = 0.1
"""What a frame of a view that moves may take: the next ones are larger or smaller accordingly."""
_ONCE_A_WORLD = {"geometry", "materials", "light"}
"""Stages of a frame that the next one of the same world does not have."""
_MULTIPLE = 8
SHARP_PIXELS, SHARP_MODEL_PIXELS = 2_200_000, 1_050_000
"""Most of a view at rest: those of a Full HD screen, and some; where the network draws it, with
1.5 GB of memory."""
SHARP_SECONDS = 15.0
"""What such a frame may take, about; nothing waits for it."""
_SHARPER = 1.1
"""Times the length from which a frame is worth its time."""
_MARGIN = 0.07
"""Share of a picture that anchors made for it reach beyond each of its sides."""
_ZOOMED = 1.15
_HARDLY_TURNED = 0.94
"""Cosine of 20 degrees."""


@dataclass(frozen=True, eq=False)
class Target:
    """What a viewport wants to show. picture: the camera asked for at full size.

    rectangle: where it belongs in the region (x, y, width, height, y upwards). lens: its radius
    and the distance to what is sharp, metres, as in `FrameRequest`.
    """

    picture: Camera
    region: Camera
    rectangle: tuple[float, float, float, float]
    free: bool
    to_clip: np.ndarray
    far: float
    lens: tuple[float, float] = (0.0, 1.0)

    def same_view(self, other: Target | None) -> bool:
        """Whether both look from one place through one lens."""
        return (
            other is not None
            and np.array_equal(self.picture.c2w, other.picture.c2w)
            and np.array_equal(self.picture.K, other.picture.K)
            and self.picture.projection == other.picture.projection
            and self.rectangle == other.rectangle
        )


def picture_rectangle(picture: Camera, region: Camera) -> tuple[float, float, float, float]:
    """x, y, width, height (y upwards) of a picture in a region that looks the same way."""
    x0, x1 = (
        (edge - picture.K[0, 2]) / picture.K[0, 0] * region.K[0, 0] + region.K[0, 2]
        for edge in (0, picture.width)
    )
    y0, y1 = (
        (edge - picture.K[1, 2]) / picture.K[1, 1] * region.K[1, 1] + region.K[1, 2]
        for edge in (0, picture.height)
    )
    return x0, region.height - y1, x1 - x0, y1 - y0


def looks_from(reply: FrameReply, target: Target) -> bool:
    """Whether a frame shows exactly this view, at whatever size."""
    camera = reply.request.camera
    if camera.projection != target.picture.projection:
        return False
    if not np.array_equal(camera.c2w, target.picture.c2w):
        return False
    wanted = target.picture.resized(camera.width, camera.height)
    return bool(np.allclose(camera.K, wanted.K, rtol=1e-9, atol=1e-6))


def mostly_seen(camera: Camera, target: Target, near: float) -> bool:
    """Whether what a camera saw fills most of a view, moved there. near: metres to what is near."""
    turned = float(camera.c2w[:3, 2] @ target.region.c2w[:3, 2])
    return turned > _HARDLY_TURNED and moved(camera, target.region) < near


def sized(picture: Camera, side: str) -> Camera:
    """The picture at most `side` pixels long; whole when that is enough or side is FULL."""
    longest = max(picture.width, picture.height)
    if side == "FULL" or longest <= int(side):
        return picture
    scale = int(side) / longest
    width, height = (
        max(_MULTIPLE, round(length * scale / _MULTIPLE) * _MULTIPLE)
        for length in (picture.width, picture.height)
    )
    return picture.resized(width, height)


def sharp(target: Target, lit: bool, last: Camera, seconds: float) -> Camera | None:
    """The picture in the pixels that it has on screen; None where `last` shows as much.

    Smaller where it were too large or took too long, as `last` took `seconds` and time goes with
    the pixels. lit: surfaces; points are shown no finer than renders of them.
    """
    _, _, width, height = target.rectangle
    if not (lit or target.free):
        width, height = min(width, target.picture.width), min(height, target.picture.height)
    most = SHARP_PIXELS if lit else SHARP_MODEL_PIXELS
    affordable = SHARP_SECONDS / max(seconds, 1e-3) * last.width * last.height
    scale = (min(most, affordable) / max(width * height, 1.0)) ** 0.5
    width, height = (max(1, round(length * min(scale, 1.0))) for length in (width, height))
    if max(width, height) < _SHARPER * max(last.width, last.height):
        return None
    return target.picture.resized(width, height)


def seconds_of(reply: FrameReply) -> float:
    """What a frame took, but for what the next one of its world does not need."""
    return sum(ms for name, ms in reply.timings.items() if name not in _ONCE_A_WORLD) / 1e3


def moving_side(side: int, seconds: float) -> int:
    """The longest side for the next frame of a view that moves, if one of `side` took so long.

    The next size is taken where it will do too, as time goes with the pixels; a smaller one only
    when far too much was spent, so that sizes do not go to and fro.
    """
    at = _MOVING_SIDES.index(side)
    if seconds > 1.5 * _MOVING_SECONDS:
        return _MOVING_SIDES[max(at - 1, 0)]
    larger = _MOVING_SIDES[min(at + 1, len(_MOVING_SIDES) - 1)]
    return larger if seconds * (larger / side) ** 2 < _MOVING_SECONDS else side


def free_guides(picture: Camera, side: str, scale_length: float) -> list[Guide]:
    """How dense anchors are for a view that no camera has: as its frames need where it looks,
    and all around as the small frames do that are shown while it turns.

    scale_length: metres per unit of the scene.
    """
    around = sized(picture, str(MOVING_SIDE // 2))
    nearest = nearest_of(scale_length)
    return [Guide(sized(picture, side), True, nearest), Guide(around, False, nearest)]


def fits(built: Camera, wanted: Camera, room: float) -> bool:
    """Whether anchors that were made for one view are dense enough for another.

    room: metres that the place may differ by.
    """
    if built.projection != wanted.projection:
        return False
    if wanted.is_orthographic:
        return _covers(built, wanted)
    if moved(built, wanted) > room or wanted.K[0, 0] > _ZOOMED * built.K[0, 0]:
        return False
    u, v = np.array([0, 1, 0, 1]) * wanted.width, np.array([0, 0, 1, 1]) * wanted.height
    corners = np.linalg.inv(wanted.K) @ np.stack([u, v, np.ones(4)])
    x, y, z = built.K @ built.c2w[:3, :3].T @ wanted.c2w[:3, :3] @ corners
    if (z <= 0).any():
        return False
    across, down = x / z / built.width, y / z / built.height
    return bool(
        min(across.min(), down.min()) > -_MARGIN and max(across.max(), down.max()) < 1 + _MARGIN
    )


def _covers(built: Camera, wanted: Camera) -> bool:
    """Whether an orthographic view looks the same way as another, within its picture, no finer."""
    alike = np.allclose(built.c2w[:3, :3], wanted.c2w[:3, :3], atol=1e-6)
    if not alike or wanted.K[0, 0] > _ZOOMED * built.K[0, 0]:
        return False
    corners = wanted.cropped(-1, -1, wanted.width + 2, wanted.height + 2).origins()
    corners = corners[:: wanted.height + 1, :: wanted.width + 1].reshape(-1, 3)
    uv = built.project(corners.astype(np.float64))[0] / (built.width, built.height)
    return bool(uv.min() > -_MARGIN and uv.max() < 1 + _MARGIN)


def moved(one: Camera, other: Camera) -> float:
    """Metres between the places of two cameras."""
    return float(np.linalg.norm(one.position - other.position))
