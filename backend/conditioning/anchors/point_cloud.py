# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors prepared for drawing: on a device, in chunks that can be left out or thinned.

Points are sorted along a Morton curve and cut into chunks that are compact in space. Inside a
chunk they stand in bit-reversed order, so that the first n of them are spread evenly over it: a
chunk that is denser than the picture's pixels is drawn by a prefix alone.
"""

from __future__ import annotations

import numpy as np
import torch

from ...shared.anchors import Anchors
from ...shared.camera import Camera
from .splat_renderer import SplatCloud

CHUNK = 4096
"""Points in a chunk; a power of two."""

WHOLE = 1 << 17
"""Clouds of up to so many points are drawn as they are: sorting would not pay."""

SPACING = 0.6
"""Pixels between the points that are drawn of a chunk which has more than enough."""


class PointCloud:
    """Anchors prepared once for many views, on `device`.

    The order of `anchors` decides between points of equal depth on one pixel: the first wins.
    splats: those of them that are splats; the rest are points, and counted.
    """

    def __init__(self, anchors: Anchors, device: torch.device | str = "cpu") -> None:
        self.anchors = anchors
        anchors = anchors.finite()
        self.splats: SplatCloud | None = None
        if anchors.are_splats.any():
            self.splats = SplatCloud(anchors.only(anchors.are_splats))
            anchors = anchors.only(~anchors.are_splats)
        self.device = torch.device(device)
        self.count = len(anchors)
        self.whole = anchors.whole
        self.origin = np.zeros(3)
        if not self.count:
            return
        # relative to the middle, so that float32 is fine however far the world lies from (0, 0, 0)
        self.origin = anchors.xyz.mean(axis=0, dtype=np.float64)
        local = (anchors.xyz - self.origin).astype(np.float32)
        order = np.arange(self.count)
        self.chunks: Chunks | None = None
        if self.count > WHOLE:
            order, codes, cell = _along_morton_curve(local)
            self.chunks = Chunks(local[order], anchors.radius[order], codes, cell)
            order = order[_stratified(self.count)]
        # one row for x, y, z and the number in `anchors`, so that a chunk is one slice
        packed = np.empty((4, self.count), np.float32)
        packed[:3] = local[order].T
        packed[3] = order.astype(np.int32).view(np.float32)
        self.packed = torch.from_numpy(packed).to(self.device)
        # all there is to know of a point in one row, in the order of `anchors`: rows are looked up
        # at random, and each costs a wait for memory
        rows = np.zeros((self.count, 6), np.float32)
        rows[:, :3] = local
        rows[:, 3] = anchors.radius
        rows.view(np.uint8)[:, 16:19] = anchors.rgb
        chunk = np.empty(self.count, np.int32)
        chunk[order] = np.arange(self.count, dtype=np.int32) // CHUNK
        rows.view(np.int32)[:, 5] = chunk
        self._rows = torch.from_numpy(rows).to(self.device)

    def __len__(self) -> int:
        return self.count

    def visible(self, camera: Camera, margin: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(4, M) the points worth drawing, with a picture `margin` pixels larger on each side.

        And (C,) the least radius of each chunk's points, in metres: more than 0 where thinned.
        """
        if self.chunks is None:
            return self.packed, torch.zeros(1, device=self.device)
        counts, radius = self.chunks.choose(camera, self.origin, margin)
        full = np.minimum(CHUNK, self.count - CHUNK * np.arange(len(counts)))
        pieces, chunk = [], 0
        while chunk < len(counts):
            first = chunk * CHUNK
            while counts[chunk] == full[chunk] and chunk + 1 < len(counts) and counts[chunk + 1]:
                chunk += 1
            last = chunk * CHUNK + counts[chunk]
            if last > first:
                pieces.append(self.packed[:, first:last])
            chunk += 1
        points = torch.cat(pieces, dim=1) if pieces else self.packed[:, :0]
        return points, torch.from_numpy(radius).to(self.device)

    def look_up(
        self, number: torch.Tensor, least: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The points with these numbers (M,) in `anchors`: xyz (3, M), radius (M,), rgb (M, 3).

        xyz: relative to `origin`. radius: metres, at least what `visible` said in `least` of the
        points' chunks.
        """
        rows = self._rows.index_select(0, number)
        radius = rows[:, 3]
        if self.chunks is not None:
            radius = torch.maximum(radius, least[rows.view(torch.int32)[:, 5]])
        return rows[:, :3].T, radius, rows.view(torch.uint8)[:, 16:19]


class Chunks:
    """Where the chunks of sorted points lie and how densely they are covered."""

    def __init__(self, xyz: np.ndarray, radius: np.ndarray, codes: np.ndarray, cell: float) -> None:
        starts = np.arange(0, len(xyz), CHUNK)
        self.size = np.diff(np.append(starts, len(xyz)))
        low, high = np.minimum.reduceat(xyz, starts), np.maximum.reduceat(xyz, starts)
        sides = np.stack([low, high]).astype(np.float64)  # (2, C, 3)
        corners = [[sides[(c >> axis) & 1, :, axis] for c in range(8)] for axis in range(3)]
        self.corners = np.array(corners)  # (3, 8, C)
        self.area = np.zeros(len(starts))
        for number, start in enumerate(starts):
            part = slice(start, start + CHUNK)
            self.area[number] = _area(radius[part], codes[part], cell)

    def choose(
        self, camera: Camera, origin: np.ndarray, margin: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(C,) how many points of each chunk to draw, (C,) float32 their least radius in metres.

        origin: (3,) that points are relative to.
        """
        local = np.einsum("ij,jkc->ikc", camera.w2c[:3, :3], self.corners)
        shift = camera.w2c[:3, :3] @ origin + camera.w2c[:3, 3]
        x, y, z = local + shift[:, None, None]
        left, top = camera.K[0, 2] + margin, camera.K[1, 2] + margin
        right, bottom = camera.width + 2 * margin - left, camera.height + 2 * margin - top
        fx, fy = camera.K[0, 0], camera.K[1, 1]
        outside = (z <= 0).all(axis=0)
        for side in (fx * x + left * z, right * z - fx * x, fy * y + top * z, bottom * z - fy * y):
            outside |= (side < 0).all(axis=0)
        nearest = np.maximum(z.min(axis=0), 1e-6)
        pixels = self.area * (max(fx, fy) / nearest) ** 2
        wanted = np.where(self.area > 0, pixels / SPACING**2, np.inf)
        # in steps, so that a moving camera doesn't change the choice at every frame
        fraction = np.minimum(2.0 ** (np.ceil(2 * np.log2(wanted / self.size)) / 2), 1.0)
        counts = np.ceil(self.size * fraction).astype(np.int64)
        thinned = np.where(fraction < 1, 0.5 * np.sqrt(self.area / counts), 0.0)
        return np.where(outside, 0, counts), thinned.astype(np.float32)


_MOST_BITS = 16
_CELLS_PER_AREA = 1.5  # a plane crosses 1 to 1.73 cells for each of a cell's sides in area


def _along_morton_curve(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(N,) int64 the order of points along the curve, (N,) uint64 their codes, a cell's metres."""
    # code and number share 64 bits: one plain sort, and equal codes keep their order
    number_bits = max(len(xyz) - 1, 1).bit_length()
    bits = min(_MOST_BITS, (64 - number_bits) // 3)
    low = xyz.min(axis=0)
    extent = max(float((xyz.max(axis=0) - low).max()), 1e-9)
    cells = ((xyz - low) * (((1 << bits) - 1) / extent)).astype(np.uint64)
    both = np.arange(len(xyz), dtype=np.uint64)
    for axis in range(3):
        spread = cells[:, axis]
        for shift, mask in _SPREAD:
            spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
        both |= spread << np.uint64(axis + number_bits)
    both.sort()
    order = (both & np.uint64((1 << number_bits) - 1)).astype(np.int64)
    return order, both >> np.uint64(number_bits), extent / ((1 << bits) - 1)


_SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def _stratified(count: int) -> np.ndarray:
    """(N,) the order of sorted points that makes every chunk's prefix an even choice of it."""
    bits = CHUNK.bit_length() - 1
    number = np.arange(CHUNK)
    reverse = np.zeros_like(number)
    for bit in range(bits):
        reverse += ((number >> bit) & 1) << (bits - 1 - bit)
    order = (np.arange(0, count, CHUNK)[:, None] + reverse[None]).reshape(-1)
    return order[order < count]


def _area(radius: np.ndarray, codes: np.ndarray, cell: float) -> float:
    """Square metres that a chunk's points cover, 0 when unknown.

    Counted in occupied cells about as large as the spacing that the radii tell, so that surfaces
    which several views have seen count once.
    """
    if radius.min() <= 0:
        return 0.0
    spacing = 2.0 * float(np.percentile(radius, 90))
    level = int(np.clip(np.ceil(np.log2(max(spacing / max(cell, 1e-12), 1.0))), 0, _MOST_BITS))
    occupied = 1 + int(np.count_nonzero(np.diff(codes >> np.uint64(3 * level))))
    return float(min(occupied, len(codes)) * (cell * 2.0**level) ** 2 / _CELLS_PER_AREA)
