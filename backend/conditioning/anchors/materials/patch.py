# SPDX-License-Identifier: GPL-3.0-or-later
"""A square that stands for any surface when a material's mean is asked for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ....shared.scene import Instance, Mesh
from ..shading_points import Run, ShadingPoints

SIDE = 24


def patch(layers: Iterable[str], side: int = SIDE) -> ShadingPoints:
    """side x side points that cover every texture once, under all the names that are asked for.

    It stands askew in the unit cube, so that each coordinate runs from 0 to 1; colour attributes
    are grey.
    """
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    place = np.concatenate([corners, corners.mean(axis=1, keepdims=True)], axis=1)
    names = {"UV", *layers}
    mesh = Mesh(
        vertices=place,
        triangles=triangles,
        slots=np.zeros(2, np.int32),
        uv=dict.fromkeys(names, corners[triangles]),
        colors=dict.fromkeys(names, np.full((2, 3, 4), (0.5, 0.5, 0.5, 1), np.float32)),
        active_uv="UV",
        active_color="UV",
        bounds=np.array([[0, 0, 0], [1, 1, 1]], np.float32),
    )
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    upper = y > x
    # of a point (x, y): weights of the second and third corner of its triangle
    u, v = np.where(upper, x, x - y), np.where(upper, y - x, y)
    count = len(x)
    normal = np.tile(np.array([-0.5, -0.5, 1], np.float32) / np.sqrt(np.float32(1.5)), (count, 1))
    incoming = np.tile(np.array([0, 0, 1], np.float32), (count, 1))
    return ShadingPoints(
        runs=(Run(mesh, Instance("", "", 0, np.eye(4)), 0, count),),
        triangle=upper.astype(np.int32),
        u=u,
        v=v,
        position=np.stack([x, y, (x + y) / 2], axis=1),
        normal=normal,
        flat=normal,
        incoming=incoming,
        width=np.full(count, 1 / side, np.float32),
        back=np.zeros(count, bool),
        is_camera=False,
    )
