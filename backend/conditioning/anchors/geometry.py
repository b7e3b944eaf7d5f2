# SPDX-License-Identifier: GPL-3.0-or-later
"""All triangles of a scene where they stand: what rays meet, numbered once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...shared.scene import Instance, Mesh, Scene
from .doubled import ordered_names
from .overlaps import Overlaps


@dataclass(frozen=True, eq=False)
class Geometry:
    """The triangles of every instance, one after the other, in world space.

    corners: (T, 3, 3) float32. flat: (T, 3) float32 unit normals, on the side that Blender calls
    the front. normals: (T, 3, 3) float32 of the corners. area: (T,) float32, square metres.
    owner: (T,) int32 instance. first: (I + 1,) int64 first triangle of each instance.
    material: (T,) int32 number in `Scene.materials`, their count for "none". names: (T,) uint64
    by which triangles at one place are found, rising within each instance (`doubled`). overlaps: of
    each instance, its triangles that cover each other.
    """

    scene: Scene
    corners: np.ndarray
    flat: np.ndarray
    normals: np.ndarray
    area: np.ndarray
    owner: np.ndarray
    first: np.ndarray
    material: np.ndarray
    names: np.ndarray
    overlaps: list[Overlaps | None]

    def __len__(self) -> int:
        return len(self.corners)

    @classmethod
    def of(cls, scene: Scene, before: Geometry | None = None) -> Geometry:
        """Place every instance of a scene; what stood there in `before` is taken from it."""
        stood = {} if before is None else before.places()
        counts = [len(scene.meshes[one.mesh].triangles) for one in scene.instances]
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        total = int(first[-1])
        corners = np.empty((total, 3, 3), np.float32)
        normals = np.empty((total, 3, 3), np.float32)
        flat = np.empty((total, 3), np.float32)
        area = np.empty(total, np.float32)
        material = np.empty(total, np.int32)
        names = np.empty(total, np.uint64)
        overlaps: list[Overlaps | None] = []
        alike: dict[tuple[int, bytes], Overlaps | None] = {}  # of what only stands elsewhere
        for i, one in enumerate(scene.instances):
            part = slice(first[i], first[i + 1])
            mesh = scene.meshes[one.mesh]
            number = stood.get((id(mesh), one.matrix.tobytes()))
            if number is not None and before is not None:
                old = slice(before.first[number], before.first[number + 1])
                corners[part], flat[part] = before.corners[old], before.flat[old]
                area[part], normals[part] = before.area[old], before.normals[old]
                names[part] = before.names[old]
                overlaps.append(before.overlaps[number])
            else:
                corners[part], flat[part], area[part] = _placed(mesh, one)
                normals[part] = _turned(mesh, one, flat[part])
                names[part] = ordered_names(corners[part])
                turned = id(mesh), one.matrix[:3, :3].tobytes()
                if turned not in alike:
                    alike[turned] = Overlaps.of(corners[part])
                overlaps.append(alike[turned])
            table = np.array([m if m >= 0 else len(scene.materials) for m in one.materials])
            material[part] = table[np.clip(mesh.slots, 0, len(table) - 1)]
        owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        return cls(scene, corners, flat, normals, area, owner, first, material, names, overlaps)

    def places(self) -> dict[tuple[int, bytes], int]:
        """Number of the instance of a mesh (by its id) at a place."""
        scene = self.scene
        return {
            (id(scene.meshes[one.mesh]), one.matrix.tobytes()): i
            for i, one in enumerate(scene.instances)
        }

    def at(self, triangle: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(N, 3) float32 points of triangles (N,) at barycentric weights u, v (N,) of their last
        two corners."""
        a, b, c = (self.corners[triangle, i] for i in range(3))
        return a + u[:, None] * (b - a) + v[:, None] * (c - a)


def _placed(mesh: Mesh, one: Instance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (T, 3, 3), normals (T, 3) and areas (T,) of an instance."""
    matrix = one.matrix
    world = (mesh.vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    corners = world[mesh.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    if np.linalg.det(matrix[:3, :3]) < 0:  # mirrored: Blender keeps the front where it was
        normal = -normal
    return corners, normal / np.maximum(length, 1e-30)[:, None], 0.5 * length


def _turned(mesh: Mesh, one: Instance, flat: np.ndarray) -> np.ndarray:
    """(T, 3, 3) corner normals of an instance."""
    if mesh.normals is None:
        return np.repeat(flat[:, None], 3, axis=1)
    cofactor = _cofactor(one.matrix[:3, :3]).astype(np.float32)
    turned = mesh.normals @ cofactor.T
    length = np.linalg.norm(turned, axis=2, keepdims=True)
    return np.where(length > 1e-20, turned / np.maximum(length, 1e-20), flat[:, None])


def _cofactor(m: np.ndarray) -> np.ndarray:
    """What turns normals where `m`, (3, 3), turns points; for a flattened `m` too."""
    rows = [np.cross(m[1], m[2]), np.cross(m[2], m[0]), np.cross(m[0], m[1])]
    return np.stack(rows) * (np.sign(np.linalg.det(m)) or 1.0)
