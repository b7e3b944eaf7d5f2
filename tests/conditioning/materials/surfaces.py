# SPDX-License-Identifier: GPL-3.0-or-later
"""Points and programs for the tests of materials."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from backend.conditioning.anchors.materials import CompiledMaterial
from backend.conditioning.anchors.shading_points import Run, ShadingPoints
from backend.shared.scene import Instance, Material, Mesh, Texture


def quad(side: int = 8, size: float = 1.0, matrix: np.ndarray | None = None) -> ShadingPoints:
    """side x side points (row by row from the lower left) on a square of `size` metres in XY.

    The UV layer "UV" runs once over it, "Twice" two times; "Col" is red to the right, green up.
    """
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    colors = np.concatenate([corners, np.tile(np.float32([0, 1]), (4, 1))], axis=1)
    mesh = Mesh(
        vertices=np.concatenate([(corners - 0.5) * size, np.zeros((4, 1), np.float32)], axis=1),
        triangles=triangles,
        slots=np.zeros(2, np.int32),
        uv={"UV": corners[triangles], "Twice": 2 * corners[triangles]},
        colors={"Col": colors[triangles]},
        active_uv="UV",
        active_color="Col",
    )
    matrix = np.eye(4) if matrix is None else matrix
    upper = y > x
    flat = np.stack([(x - 0.5) * size, (y - 0.5) * size, np.zeros_like(x)], axis=1)
    up = np.tile(np.float32([0, 0, 1]), (len(x), 1))
    instance = Instance("quad", "quad", 0, matrix, color=(0.1, 0.2, 0.3, 0.4), random=0.25)
    return ShadingPoints(
        runs=(Run(mesh, instance, 0, len(x)),),
        triangle=upper.astype(np.int32),
        u=np.where(upper, x, x - y),
        v=np.where(upper, y - x, y),
        position=(flat @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32),
        normal=up @ matrix[:3, :3].T.astype(np.float32),
        flat=up @ matrix[:3, :3].T.astype(np.float32),
        incoming=up @ matrix[:3, :3].T.astype(np.float32),
        width=np.full(len(x), size / side, np.float32),
        back=np.zeros(len(x), bool),
    )


def link(node: int, out: str) -> dict[str, Any]:
    """A link as programs have it."""
    return {"node": node, "out": out}


def program(*nodes: tuple[str, dict, dict], out: str = "BSDF") -> str:
    """A program of (type, props, inputs); the last node is the surface."""
    listed = [{"type": t, "props": p, "inputs": i} for t, p, i in nodes]
    return json.dumps({"nodes": listed, "surface": link(len(nodes) - 1, out)})


def compiled(
    *nodes: tuple[str, dict, dict], out: str = "BSDF", textures: tuple[Texture, ...] = ()
) -> CompiledMaterial:
    """A material of such a program."""
    return CompiledMaterial(Material("made", program(*nodes, out=out)), textures)


def values(
    *nodes: tuple[str, dict, dict],
    out: str,
    points: ShadingPoints | None = None,
    textures: tuple[Texture, ...] = (),
) -> np.ndarray:
    """(N, 3) that the last node's output `out` holds, shown as emission."""
    last = link(len(nodes) - 1, out)
    shown = compiled(*nodes, ("EMISSION", {}, {"Color": last}), out="Emission", textures=textures)
    return shown.evaluate(quad() if points is None else points).emission
