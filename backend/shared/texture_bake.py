# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with cameras and depth, projected onto a mesh's texture. numpy alone.

Texture row 0 is at the bottom (v = 0), as Blender stores images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .frame import MemoryFrame

OCCLUSION = 0.02
"""Relative depth by which a texel may lie behind what a frame saw and still be that surface."""
LEAST_FACING = 0.08
"""Cosine between a surface and the look at it below which the look is too slanted to use."""
FEATHER = 0.04
"""Part of a frame's side over which its weight fades in from the border."""


@dataclass(frozen=True, eq=False)
class Texels:
    """What the texels of a mesh show. index: (N,) into the flat texture. xyz, normal: (N, 3).

    triangle: (N,) which one each is of. weights: (N, 3) barycentric, of its corners.
    """

    index: np.ndarray
    xyz: np.ndarray
    normal: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray


def rasterise(corners: np.ndarray, uvs: np.ndarray, size: int) -> Texels:
    """The texels whose centres lie in the triangles' UVs, or next to a thin one's.

    corners: (T, 3, 3) metres, world space. uvs: (T, 3, 2). Later triangles win where they overlap.
    """
    pixels = uvs * size - 0.5
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    found: list[tuple[np.ndarray, ...]] = []
    for triangle in range(len(corners)):
        weights = _inside(pixels[triangle], size)
        if weights is None:
            continue
        index, barycentric = weights
        normal = np.broadcast_to(normals[triangle], (len(index), 3))
        which = np.full(len(index), triangle)
        found.append((index, barycentric @ corners[triangle], normal, which, barycentric))
    if not found:
        none = np.zeros((0, 3))
        return Texels(np.zeros(0, int), none, none, np.zeros(0, int), none)
    index, *parts = (np.concatenate(part) for part in zip(*found, strict=True))
    # the last writer of a texel wins
    _, last = np.unique(index[::-1], return_index=True)
    keep = len(index) - 1 - last
    return Texels(index[keep], *(part[keep] for part in parts))


def _inside(triangle: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Flat texels (M,) and barycentric weights (M, 3) of one triangle in pixels (3, 2)."""
    (ax, ay), (bx, by), (cx, cy) = triangle.tolist()
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if not np.isfinite(area) or abs(area) < 1e-9:
        return None
    low = np.clip(np.floor(triangle.min(axis=0)), 0, size - 1).astype(int)
    high = np.clip(np.ceil(triangle.max(axis=0)), 0, size - 1).astype(int)
    x = np.arange(low[0], high[0] + 1)[None, :]
    y = np.arange(low[1], high[1] + 1)[:, None]
    b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
    c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
    a = 1 - b - c
    slack = 0.5 / max(abs(area) ** 0.5, 1.0)  # texels the border runs through belong to it too
    inside = (a >= -slack) & (b >= -slack) & (c >= -slack)
    if not inside.any():
        return None
    weights = np.clip(np.stack([a[inside], b[inside], c[inside]], axis=1), 0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    rows, columns = np.nonzero(inside)
    return (rows + low[1]) * size + columns + low[0], weights


def bake(
    texels: Texels, frames: Sequence[MemoryFrame], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the picture so far after each frame: rgb (size, size, 3) float32 and its weight.

    rgb is sRGB in [0, 1], 0 where nothing was seen yet; weight is 0 there. Frames without depth
    give nothing: what they see cannot be told from what is hidden from them.
    """
    total = np.zeros((size * size, 3), np.float64)
    weights = np.zeros(size * size, np.float64)
    for frame in frames:
        if frame.depth is not None and len(texels.index):
            weight, rgb = look(texels, frame)
            total[texels.index] += rgb * weight[:, None]
            weights[texels.index] += weight
        mean = total / np.maximum(weights, 1e-12)[:, None]
        yield mean.reshape(size, size, 3).astype(np.float32), weights.reshape(size, size)


def look(texels: Texels, frame: MemoryFrame) -> tuple[np.ndarray, np.ndarray]:
    """Weight (N,) and sRGB in [0, 1] (N, 3) of each texel in one frame.

    The weight is 0 outside the picture, behind what it saw and at a slant; else it falls with the
    square of the distance and rises with the square of the cosine.
    """
    camera = frame.camera
    uv, z = camera.project(texels.xyz)
    away = camera.position - texels.xyz
    distance = np.linalg.norm(away, axis=1)
    # blockouts and planes are seen from both sides
    facing = np.abs((away * texels.normal).sum(axis=1)) / np.maximum(distance, 1e-9)
    with np.errstate(invalid="ignore"):
        inside = (z > 1e-4) & (uv[:, 0] >= 0) & (uv[:, 0] < camera.width)
        inside &= (uv[:, 1] >= 0) & (uv[:, 1] < camera.height) & (facing > LEAST_FACING)
    weight, rgb = np.zeros(len(z)), np.zeros((len(z), 3))
    at = uv[inside]
    x, y = at[:, 0].astype(int), at[:, 1].astype(int)
    assert frame.depth is not None
    seen = frame.depth[y, x]
    # at a slant neighbouring pixels differ in depth by themselves
    slack = z[inside] * (OCCLUSION + 1.5 / camera.K[0, 0] / facing[inside])
    visible = (seen > 0) & np.isfinite(seen) & (np.abs(z[inside] - seen) < slack)
    border = np.minimum(np.minimum(at[:, 0], camera.width - at[:, 0]) / camera.width,
                        np.minimum(at[:, 1], camera.height - at[:, 1]) / camera.height)  # fmt: skip
    fade = np.clip(border / FEATHER, 0.02, 1.0)
    value = facing[inside] ** 2 / np.maximum(distance[inside], 1e-3) ** 2 * fade
    weight[inside] = np.where(visible, value, 0.0)
    rgb[inside] = _bilinear(frame.rgb, at[:, 0] - 0.5, at[:, 1] - 0.5)
    return weight, rgb


def _bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    top = image[y0, x0] * (1 - fx) + image[y0, x1] * fx
    bottom = image[y1, x0] * (1 - fx) + image[y1, x1] * fx
    return (top * (1 - fy) + bottom * fy) / 255.0


def fill_seams(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W, 3): unknown texels take the mean of what is near, so that seams do not show.

    known: (H, W) bool. By halving until everything is known and coming back (push-pull); with
    nothing known the picture stays as it is.
    """
    if not known.any() or known.all():
        return rgb
    levels = [(rgb * known[..., None], known.astype(np.float32))]
    while min(levels[-1][1].shape) > 1:
        levels.append(_halved(*levels[-1]))
    colour, weight = levels[-1]
    mean = colour / np.maximum(weight, 1e-9)[..., None]
    for colour, weight in reversed(levels[:-1]):
        height, width = weight.shape
        coarse = np.repeat(np.repeat(mean, 2, axis=0), 2, axis=1)[:height, :width]
        mean = np.where(weight[..., None] > 0, colour / np.maximum(weight, 1e-9)[..., None], coarse)
    return mean.astype(np.float32)


def _halved(colour: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = weight.shape
    pad = ((0, height % 2), (0, width % 2))
    colour, weight = np.pad(colour, (*pad, (0, 0))), np.pad(weight, pad)
    shape = (weight.shape[0] // 2, 2, weight.shape[1] // 2, 2)
    return colour.reshape(*shape, 3).sum(axis=(1, 3)), weight.reshape(shape).sum(axis=(1, 3))


def polygon_atlas(loop_totals: np.ndarray) -> np.ndarray:
    """(L, 2) UVs of all polygons' corners in order; every polygon has a square cell of its own.

    loop_totals: (P,) corners of each polygon. Corners stand on a circle in the cell, so that any
    convex polygon keeps its orientation and its neighbours' distance.
    """
    side = max(1, int(np.ceil(np.sqrt(len(loop_totals)))))
    polygon = np.repeat(np.arange(len(loop_totals)), loop_totals)
    start = np.repeat(np.cumsum(loop_totals) - loop_totals, loop_totals)
    turn = (np.arange(len(polygon)) - start) / np.repeat(loop_totals, loop_totals) + 0.125
    local = 0.5 + 0.6 * np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], axis=1)
    local = np.clip(local, 0.06, 0.94)
    origin = np.stack([polygon % side, polygon // side], axis=1)
    return ((origin + local) / side).astype(np.float32)
