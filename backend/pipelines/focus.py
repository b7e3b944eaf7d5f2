# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of field of a thin lens, from a sharp frame and its depth.

Each pixel gathers what is blurred over it (Potmesil and Chakravarty, 1981, the other way round):
what lies before it by its own disk, what lies behind by the pixel's, through whose blurred edge
it is seen.
"""

from __future__ import annotations

import numpy as np

from ..conditioning.jit import loose
from ..conditioning.light.patterns import sunflower_points
from ..conditioning.threads import in_pieces
from ..shared.camera import Camera
from ..shared.frame import FrameReply
from .layers import layers_of, with_layers

SHARP = 0.6
"""Radius of a disk in pixels up to which it counts as one pixel."""
WIDEST = 0.06
"""Largest radius of a disk, as part of the picture's diagonal."""
_COUNTS = np.array([12, 24, 48, 96, 192])
"""Places of a disk that are looked at, as many as it has pixels about."""
_STARTS = np.concatenate([[0], np.cumsum(_COUNTS)[:-1]])
_TAPS = np.concatenate([sunflower_points(n) for n in _COUNTS]).astype(np.float32)
_TAPS_A_PIXEL = 0.7


def focused(reply: FrameReply) -> FrameReply:
    """The frame as its request's lens sees it; the same where all is sharp."""
    request = reply.request
    if request.aperture <= 0:
        return reply
    radius = disk_radius(reply.depth, request.camera, request.aperture, request.focus)
    if not (radius > SHARP).any():
        return reply
    made = _gathered(layers_of(reply), np.where(np.isfinite(reply.depth), reply.depth, 1e9), radius)
    return with_layers(reply, made)


def disk_radius(depth: np.ndarray, camera: Camera, aperture: float, focus: float) -> np.ndarray:
    """(H, W) float32 radius in pixels of the disk that a point of each depth is blurred to.

    depth: (H, W) z-depth, inf = background, 0 = unknown (sharp). aperture: radius of the lens,
    metres. focus: metres to what is sharp.
    """
    pixels = 0.5 * (camera.K[0, 0] + camera.K[1, 1])
    known = depth > 0
    z = np.where(known, depth, focus).astype(np.float64)
    if camera.is_orthographic:
        off = np.abs(np.where(np.isfinite(z), z, 1e9) / focus - 1)
    else:
        off = np.abs(1 / focus - 1 / z)
    widest = WIDEST * np.hypot(camera.width, camera.height)
    return np.minimum(aperture * pixels * off, widest).astype(np.float32)


def _gathered(layers: np.ndarray, depth: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(H, W, C) means over the disks of all pixels around."""
    made = np.empty_like(layers)
    depth = depth.astype(np.float32)
    around = _widest_around(radius)

    def work(part: slice) -> None:
        _gather(layers, depth, radius, around, _TAPS, _STARTS, _COUNTS, part.start, part.stop, made)

    in_pieces(work, len(layers), piece=16)
    return made


def _widest_around(radius: np.ndarray) -> np.ndarray:
    """(H, W) the largest disk that may reach each pixel: by tiles as large as the widest disk."""
    tile = max(int(np.ceil(radius.max())), 4)
    height, width = radius.shape
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.zeros((rows * tile, columns * tile), np.float32)
    padded[:height, :width] = radius
    most = padded.reshape(rows, tile, columns, tile).max(axis=(1, 3))
    wide = np.pad(most, 1)
    for axis in (0, 1):
        parts = [np.take(wide, np.arange(k, wide.shape[axis] - 2 + k), axis) for k in range(3)]
        wide = np.pad(np.maximum.reduce(parts), [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
    most = wide[1:-1, 1:-1]
    return most.repeat(tile, axis=0).repeat(tile, axis=1)[:height, :width]


@loose
def _gather(layers, depth, radius, around, points, starts, counts, start, stop, out):
    height, width, channels = layers.shape
    total = np.zeros(channels, np.float32)
    for y in range(start, stop):
        for x in range(width):
            reach, own, z = around[y, x], radius[y, x], depth[y, x]
            if reach <= SHARP:
                for c in range(channels):
                    out[y, x, c] = layers[y, x, c]
                continue
            wanted = _TAPS_A_PIXEL * np.float32(3.1416) * reach * reach
            chosen = 0
            while chosen < len(counts) - 1 and counts[chosen] < wanted:
                chosen += 1
            count = counts[chosen]
            each = np.float32(3.1416) * reach * reach / np.float32(count)
            # the pixel itself: all of it, or as much as its disk leaves at one place
            weight = np.float32(3.1416) if own <= SHARP else each / (own * own)
            for c in range(channels):
                total[c] = weight * layers[y, x, c]
            for k in range(starts[chosen], starts[chosen] + count):
                dx, dy = reach * points[k, 0], reach * points[k, 1]
                u, v = int(x + dx + np.float32(0.5)), int(y + dy + np.float32(0.5))
                u, v = min(max(u, 0), width - 1), min(max(v, 0), height - 1)
                disk = radius[v, u]
                if depth[v, u] > z * np.float32(1.02):
                    disk = own
                if disk <= SHARP:
                    continue
                far = dx * dx + dy * dy
                inside = disk - np.sqrt(far) + np.float32(0.5)
                if inside <= 0:
                    continue
                share = each * min(inside, np.float32(1)) / (disk * disk)
                weight += share
                for c in range(channels):
                    total[c] += share * layers[v, u, c]
            for c in range(channels):
                out[y, x, c] = total[c] / weight
