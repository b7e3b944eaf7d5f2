# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion blur of a moving camera, from a sharp frame and its depth.

What a pixel shows moves to where the cameras at the shutter's two ends see it, in a straight line.
Each pixel gathers what passes it while the shutter is open, what is in front along the longest way
around it and the rest along its own (after Guertin, McGuire and Nowrouzezahrai, "A Fast and Stable
Feature-Aware Motion Blur Filter", 2014).
"""

from __future__ import annotations

import numpy as np

from ..conditioning.jit import loose
from ..conditioning.threads import in_pieces
from ..shared.camera import Camera
from ..shared.frame import FrameReply
from .layers import layers_of, with_layers

SHARP = 0.6
"""Pixels of a way up to which what goes it counts as standing still."""
LONGEST = 0.2
"""Longest way, as part of the picture's diagonal."""
_FAR = 1e6
"""Metres to what has no depth: the sky."""
_IN_FRONT = np.float32(0.98)
_MOST_PLACES = 96
"""Places of a way that are looked at, at most; else about one a pixel."""


def exposed(reply: FrameReply) -> FrameReply:
    """The frame as its request's shutter sees it; the same where nothing moves."""
    request = reply.request
    if request.opened is None or request.closed is None:
        return reply
    camera = request.camera
    begin, end = (ways(reply.depth, camera, one) for one in (request.opened, request.closed))
    begin, way = _shortened(begin, end - begin, LONGEST * np.hypot(camera.width, camera.height))
    length = np.hypot(way[..., 0], way[..., 1])
    if not (length > SHARP).any():
        return reply
    depth = finite_depth(reply.depth).astype(np.float32)
    return with_layers(reply, _swept(layers_of(reply), depth, begin, way, length))


def ways(
    depth: np.ndarray, camera: Camera, other: Camera, shift: np.ndarray | None = None
) -> np.ndarray:
    """(H, W, 2) float32 pixels from where a camera shows a point to where another one does.

    depth: (H, W) z-depth, inf = background, 0 = unknown. other: of any size, the same picture.
    shift: (H, W, 3) metres that the points move meanwhile.
    Nothing goes anywhere that lies behind the other camera.
    """
    other = other.resized(camera.width, camera.height)
    points = camera.origins() + finite_depth(depth)[..., None] * camera.rays().astype(np.float64)
    then = points if shift is None else points + shift
    here, _ = camera.project(points.reshape(-1, 3))
    there, z = other.project(then.reshape(-1, 3))
    moved = np.where((z > 0)[:, None], there - here, 0.0)
    return moved.reshape(*depth.shape, 2).astype(np.float32)


def finite_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W) the depth, where there is one, else far away."""
    return np.where(np.isfinite(depth) & (depth > 0), depth, _FAR).astype(np.float64)


def _shortened(begin: np.ndarray, way: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Beginnings and ways (H, W, 2) of `longest` pixels at most."""
    length = np.hypot(way[..., 0], way[..., 1])
    scale = (longest / np.maximum(length, longest)).astype(np.float32)[..., None]
    return begin * scale, way * scale


def _swept(
    layers: np.ndarray, depth: np.ndarray, begin: np.ndarray, way: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """(H, W, C) means over the time that the shutter is open."""
    made = np.empty_like(layers)
    reach = np.maximum(length, np.abs(begin).max(axis=2) * (length > SHARP))
    tile = max(int(np.ceil(reach.max())), 8)
    lead = _longest_around(length, tile)

    def work(part: slice) -> None:
        _sweep(layers, depth, begin, way, length, lead, tile, part.start, part.stop, made)

    in_pieces(work, len(layers), piece=16)
    return made


def _longest_around(length: np.ndarray, tile: int) -> np.ndarray:
    """(rows, columns, 2) int32 y and x of the pixel with the longest way in a tile and those
    around it."""
    height, width = length.shape
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.full((rows * tile, columns * tile), -1.0, np.float32)
    padded[:height, :width] = length
    blocks = padded.reshape(rows, tile, columns, tile).swapaxes(1, 2).reshape(rows, columns, -1)
    at, most = blocks.argmax(axis=2), blocks.max(axis=2)
    y = np.arange(rows)[:, None] * tile + at // tile
    x = np.arange(columns)[None] * tile + at % tile
    place = np.stack([y, x], axis=2).astype(np.int32)
    lead, best = place.copy(), most.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r = np.clip(np.arange(rows) + down, 0, rows - 1)[:, None]
            c = np.clip(np.arange(columns) + right, 0, columns - 1)[None]
            longer = most[r, c] > best
            best[longer], lead[longer] = most[r, c][longer], place[r, c][longer]
    return lead


@loose
def _sweep(layers, depth, begin, way, length, lead, tile, start, stop, out):
    _, width, channels = layers.shape
    front = np.zeros(channels, np.float32)
    rest = np.zeros(channels, np.float32)
    for y in range(start, stop):
        for x in range(width):
            ly, lx = lead[y // tile, x // tile]
            z = depth[y, x]
            if length[ly, lx] <= SHARP:
                for c in range(channels):
                    out[y, x, c] = layers[y, x, c]
                continue
            front[:] = 0
            rest[:] = 0
            before = _pass(
                layers, depth, begin, way, length, y, x, ly, lx, z * _IN_FRONT, True, front
            )
            beside = np.float32(0)
            if length[y, x] > SHARP:
                beside = _pass(
                    layers, depth, begin, way, length, y, x, y, x, z * _IN_FRONT, False, rest
                )
            if beside <= 0:
                beside = np.float32(1)
                for c in range(channels):
                    rest[c] = layers[y, x, c]
            # what passes in front covers the rest for its part of the time
            left = max(np.float32(1) - before, np.float32(0)) / beside
            whole = max(before, np.float32(1))
            for c in range(channels):
                out[y, x, c] = (front[c] + left * rest[c]) / whole


@loose
def _pass(layers, depth, begin, way, length, y, x, ly, lx, limit, nearer, total):
    """Add up what passes a pixel on the way of pixel (ly, lx), nearer than `limit` or not; how
    much of the time that is."""
    height, width, channels = layers.shape
    reach = length[ly, lx]
    count = min(max(int(reach + np.float32(0.5)), 2), _MOST_PLACES)
    step = reach / np.float32(count)
    weight = np.float32(0)
    for k in range(count):
        at = (np.float32(k) + np.float32(0.5)) / np.float32(count)
        u = int(np.floor(x - (begin[ly, lx, 0] + at * way[ly, lx, 0]) + np.float32(0.5)))
        v = int(np.floor(y - (begin[ly, lx, 1] + at * way[ly, lx, 1]) + np.float32(0.5)))
        if u < 0 or v < 0 or u >= width or v >= height:
            continue
        if (depth[v, u] < limit) != nearer:
            continue
        ty, tx = v, u
        if not nearer and depth[v, u] * _IN_FRONT > depth[y, x]:
            ty, tx = y, x  # seen past the edge of what moves here
        far = length[ty, tx]
        if far <= SHARP:
            continue
        dx = np.float32(x - u) - begin[ty, tx, 0]
        dy = np.float32(y - v) - begin[ty, tx, 1]
        wx, wy = way[ty, tx, 0] / far, way[ty, tx, 1] / far
        along, across = dx * wx + dy * wy, abs(dx * wy - dy * wx)
        inside = min(min(along, far - along), np.float32(1) - across) + np.float32(0.5)
        if inside <= 0:
            continue
        share = step / max(far, step) * min(inside, np.float32(1))
        weight += share
        for c in range(channels):
            total[c] += share * layers[v, u, c]
    return weight
