# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes with too many triangles: coarser meshes first, then fewer instances. No bpy."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from dataclasses import replace
from functools import cache

import numpy as np

from ..backend.shared.scene import Instance, Mesh

MOST_TRIANGLES = 20_000_000
"""Of all instances together, however much memory there is."""
BYTES_A_TRIANGLE = 750
"""In Blender and in the backend together: 20.5 M triangles took 8.2 and 7.6 GB."""
_FINEST = 500
"""Triangles of a mesh below which it is not made coarser."""
_TRIES = 4

_coarser: weakref.WeakKeyDictionary[Mesh, dict[int, Mesh]] = weakref.WeakKeyDictionary()


def most_triangles(memory: int) -> int:
    """How many a machine with `memory` bytes holds in half of them; 0 bytes = not known."""
    return min(memory // 2 // BYTES_A_TRIANGLE or MOST_TRIANGLES, MOST_TRIANGLES)


@cache
def machine_memory() -> int:
    """Bytes of memory that the machine has; 0 where it does not tell."""
    if sys.platform == "win32":
        found = ctypes.c_ulonglong()
        read = ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory
        return 1024 * found.value if read(ctypes.byref(found)) else 0
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def within_budget(
    meshes: list[Mesh], instances: list[Instance], most: int | None = None
) -> tuple[list[Mesh], list[Instance], list[str]]:
    """Meshes and instances of at most `most` triangles (None: what the machine's memory holds), and
    a sentence about what was done."""
    if most is None:
        most = most_triangles(machine_memory())
    uses = np.bincount([one.mesh for one in instances], minlength=len(meshes))
    counts = np.array([len(mesh.triangles) for mesh in meshes], np.int64)
    total = int(uses @ counts) if len(meshes) else 0
    if total <= most:
        return meshes, instances, []
    fixed = counts <= _FINEST
    room = max(most - int(uses[fixed] @ counts[fixed]), 0)
    share = room / max(int(uses[~fixed] @ counts[~fixed]), 1)
    wanted = np.where(fixed, counts, np.maximum((counts * share).astype(np.int64), _FINEST))
    meshes = [
        mesh if few else reduced(mesh, int(goal))
        for mesh, few, goal in zip(meshes, fixed, wanted, strict=True)
    ]
    counts = np.array([len(mesh.triangles) for mesh in meshes], np.int64)
    kept = _largest(meshes, instances, counts, most)
    said = f"The scene has {total / 1e6:.1f} M triangles; its meshes are shown coarser"
    left_out = len(instances) - len(kept)
    said += f" and its {left_out} smallest objects are left out." if left_out else "."
    return meshes, kept, [f"{said} Hide what the camera does not see."]


def _largest(
    meshes: list[Mesh], instances: list[Instance], counts: np.ndarray, most: int
) -> list[Instance]:
    """As many of the largest instances as fit, in the order that they came in."""
    spans = [float(np.ptp(mesh.vertices, axis=0).max(initial=0)) for mesh in meshes]
    size = [
        spans[i.mesh] * float(np.linalg.norm(i.matrix[:3, :3], axis=0).max()) for i in instances
    ]
    order = np.argsort(size, kind="stable")[::-1]
    fits = np.cumsum(counts[[instances[i].mesh for i in order]]) <= most
    chosen = np.sort(order[fits])
    return [instances[i] for i in chosen]


def reduced(mesh: Mesh, wanted: int) -> Mesh:
    """A mesh of about `wanted` triangles or fewer: vertices of one cell of a lattice are joined.

    The same mesh and number give the same object.
    """
    known = _coarser.setdefault(mesh, {})
    if wanted not in known:
        known[wanted] = _reduced(mesh, wanted)
    return known[wanted]


def _reduced(mesh: Mesh, wanted: int) -> Mesh:
    a, b, c = (mesh.vertices[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    cell = np.sqrt(2 * area / wanted)
    for _ in range(_TRIES):
        made = _joined(mesh, cell)
        if len(made.triangles) <= wanted:
            break
        cell *= np.sqrt(len(made.triangles) / wanted) * 1.05
    return made


def _joined(mesh: Mesh, cell: float) -> Mesh:
    place = np.floor((mesh.vertices - mesh.vertices.min(axis=0)) / cell).astype(np.int64)
    size = place.max(axis=0) + 1
    key = (place[:, 0] * size[1] + place[:, 1]) * size[2] + place[:, 2]
    _, owner = np.unique(key, return_inverse=True)
    owner = owner.reshape(-1)
    count = np.bincount(owner)
    vertices = np.stack(
        [np.bincount(owner, mesh.vertices[:, axis]) / count for axis in range(3)], axis=1
    )
    triangles = owner[mesh.triangles].astype(np.int32)
    first, second, third = triangles.T
    kept = (first != second) & (second != third) & (third != first)
    return replace(
        mesh,
        vertices=vertices.astype(np.float32),
        triangles=triangles[kept],
        slots=mesh.slots[kept],
        normals=None if mesh.normals is None else mesh.normals[kept],
        uv={name: values[kept] for name, values in mesh.uv.items()},
        colors={name: values[kept] for name, values in mesh.colors.items()},
    )
