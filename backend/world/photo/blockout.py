# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple, separate meshes of what a photo shows: ground, walls, ceiling and the main masses.

The picture is laid out in cells. Cells with a silhouette in them are left out, so meshes are cut
where depth jumps; what remains falls into planes along the scene's axes and connected masses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...shared.camera import Camera
from ...shared.files import replacing
from .depth_edges import JUMP

CELLS = 96
"""Cells along the longer side of the picture."""
LEAST_PART = 0.006
"""Masses smaller than this part of the picture are left out."""
LEAST_PLANE = 0.04
"""A wall or a ceiling covers at least this part of the picture."""
OPEN_SKY = 0.05
"""Share of the picture that is sky from which on nothing is a ceiling."""
FLATNESS = 0.06
"""Distance from a plane, relative to the distance from the camera, that still belongs to it."""


@dataclass(frozen=True, eq=False)
class BlockMesh:
    """verts: (V, 3) float32, metres. faces: (F, 3) int32, facing the camera.

    uvs: (V, 2) float32, where the photo shows each vertex; (0, 0) is its bottom left corner.
    """

    name: str
    verts: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray


def build_blockout(depth: np.ndarray, ground: np.ndarray, camera: Camera) -> list[BlockMesh]:
    """depth: (H, W) z-depth, +inf = sky. ground: (H, W) in [0, 1]. The ground comes first."""
    grid = _Grid(depth, ground, camera)
    meshes = []
    is_ground = grid.whole & (grid.ground > 0.5)
    meshes += grid.mesh("Ground", is_ground, plane=(2, 0.0))
    left = grid.whole & ~is_ground
    for name, axis, offset, cells in _planes(grid, left):
        meshes += grid.mesh(name, cells, plane=(axis, offset))
        left &= ~cells
    count, label = cv2.connectedComponents(left.astype(np.uint8), connectivity=4)
    sizes = np.bincount(label.ravel(), minlength=count)[1:]
    order = [i for i in np.argsort(-sizes) if sizes[i] >= LEAST_PART * left.size]
    for number, index in enumerate(order, start=1):
        meshes += grid.mesh(f"Mass {number:02d}", label == index + 1, plane=None)
    return meshes


class _Grid:
    """Vertices (h+1, w+1) and cells (h, w) over the picture."""

    def __init__(self, depth: np.ndarray, ground: np.ndarray, camera: Camera) -> None:
        step = max(camera.width, camera.height) / CELLS
        w, h = max(2, round(camera.width / step)), max(2, round(camera.height / step))
        self.camera = camera
        self.u = np.linspace(0, camera.width, w + 1)
        self.v = np.linspace(0, camera.height, h + 1)
        x = np.clip(self.u, 0, camera.width - 1).astype(int)
        y = np.clip(self.v, 0, camera.height - 1).astype(int)
        # medians in inverse depth shed single outliers; sky is 0 there
        inverse = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
        inverse = cv2.medianBlur(inverse, 5)
        corner = inverse[np.ix_(y, x)]
        self.depth = np.where(corner > 0, 1 / np.maximum(corner, 1e-9), np.inf)
        self.outdoors = (corner == 0).mean() > OPEN_SKY
        log = np.log(np.where(np.isfinite(self.depth), self.depth, 1e9))
        four = np.stack([log[:-1, :-1], log[1:, :-1], log[:-1, 1:], log[1:, 1:]])
        # a cell on a grazing plane spans much depth without a jump inside: compare with its step
        self.whole = (four.max(0) < np.log(1e8)) & (
            (four.max(0) - four.min(0) < 2 * JUMP) | self._grazing(four)
        )
        self.ground = cv2.resize(ground, (w, h), interpolation=cv2.INTER_AREA)
        k = camera.K
        local = np.stack(
            [
                np.broadcast_to((self.u[None] - k[0, 2]) / k[0, 0], self.depth.shape),
                np.broadcast_to((self.v[:, None] - k[1, 2]) / k[1, 1], self.depth.shape),
                np.ones(self.depth.shape),
            ],
            axis=-1,
        )
        self.rays = local @ camera.c2w[:3, :3].T
        finite = np.where(np.isfinite(self.depth), self.depth, 0.0)
        self.points = camera.position + self.rays * finite[..., None]

    @staticmethod
    def _grazing(four: np.ndarray) -> np.ndarray:
        """Cells whose depth grows evenly: the two columns or rows agree with each other."""
        a, b, c, d = four
        return (np.abs(a - c) < JUMP / 3) & (np.abs(b - d) < JUMP / 3) & (np.abs(a - b) < 6 * JUMP)

    def mesh(
        self, name: str, cells: np.ndarray, plane: tuple[int, float] | None
    ) -> list[BlockMesh]:
        """The mesh of some cells, laid on the plane `axis` = `offset` where one is given."""
        if not cells.any():
            return []
        points = self.points
        if plane is not None:
            points = self._on_plane(*plane)
        rows, columns = np.nonzero(cells)
        stride = cells.shape[1] + 1
        a = rows * stride + columns
        quads = np.stack([a, a + stride, a + stride + 1, a + 1], axis=1)
        used, index = np.unique(quads, return_inverse=True)
        quads = index.reshape(quads.shape)
        faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
        uv = np.stack(np.meshgrid(self.u / self.camera.width, 1 - self.v / self.camera.height), -1)
        return [
            BlockMesh(
                name,
                points.reshape(-1, 3)[used].astype(np.float32),
                faces,
                uv.reshape(-1, 2)[used].astype(np.float32),
            )
        ]

    def _on_plane(self, axis: int, offset: float) -> np.ndarray:
        """Where each vertex's ray meets the plane; its own point where it nearly misses."""
        along = self.rays[..., axis]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offset - self.camera.position[axis]) / along
        reach = np.where(np.isfinite(self.depth), self.depth, 0.0)
        fits = np.isfinite(t) & (t > 0.3 * reach) & (t < 3.0 * np.maximum(reach, 1e-6))
        t = np.where(fits, t, reach)
        return self.camera.position + self.rays * t[..., None]


def _planes(grid: _Grid, free: np.ndarray) -> list[tuple[str, int, float, np.ndarray]]:
    """Walls (axes x and y) and ceilings (z, above the camera): name, axis, offset, cells."""
    centre = 0.25 * (grid.points[:-1, :-1] + grid.points[1:, :-1] + grid.points[:-1, 1:]
                     + grid.points[1:, 1:])  # fmt: skip
    normal = np.cross(grid.points[1:, 1:] - grid.points[:-1, :-1],
                      grid.points[:-1, 1:] - grid.points[1:, :-1])  # fmt: skip
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    distance = np.linalg.norm(centre - grid.camera.position, axis=-1)
    free = free.copy()
    found: list[tuple[str, int, float, np.ndarray]] = []
    names = {0: "Wall", 1: "Wall", 2: "Ceiling"}
    numbers = {"Wall": 0, "Ceiling": 0}
    for _ in range(8):
        best: tuple[float, int, float, np.ndarray] | None = None
        for axis in (0, 1) if grid.outdoors else (0, 1, 2):
            facing = free & (np.abs(normal[..., axis]) > 0.8)
            if axis == 2:
                facing &= centre[..., 2] > grid.camera.position[2] + 0.2
            candidate = _strongest_offset(centre[..., axis], distance, facing)
            if candidate is not None and (best is None or candidate[0] > best[0]):
                best = (candidate[0], axis, candidate[1], facing)
        if best is None or best[0] < LEAST_PLANE * free.size:
            break
        _, axis, offset, facing = best
        near = np.abs(centre[..., axis] - offset) < FLATNESS * distance
        # what hangs flat on a wall belongs to it, whatever its own normal
        cells = free & near & ((np.abs(normal[..., axis]) > 0.5) | facing)
        numbers[names[axis]] += 1
        found.append((f"{names[axis]} {numbers[names[axis]]:02d}", axis, offset, cells))
        free &= ~cells
    return found


def _strongest_offset(
    values: np.ndarray, distance: np.ndarray, facing: np.ndarray
) -> tuple[float, float] | None:
    """Number of cells within FLATNESS of the best plane, and the plane's offset."""
    if facing.sum() < 8:
        return None
    value, width = values[facing], FLATNESS * distance[facing]
    candidates = np.quantile(value, np.linspace(0.02, 0.98, 49))
    inside = np.abs(value[None] - candidates[:, None]) < width[None]
    top = int(inside.sum(axis=1).argmax())
    return float(inside[top].sum()), float(np.median(value[inside[top]]))


def save_blockout(meshes: Sequence[BlockMesh], path: Path) -> None:
    """One .npz with verts, faces and uvs of every mesh, readable without pickle."""
    arrays: dict[str, np.ndarray] = {"names": np.array([m.name for m in meshes], dtype=np.str_)}
    for i, mesh in enumerate(meshes):
        arrays |= {f"verts{i}": mesh.verts, f"faces{i}": mesh.faces, f"uvs{i}": mesh.uvs}
    with replacing(Path(path)) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
