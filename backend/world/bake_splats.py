# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as 3D Gaussian splats, for viewers and renderers that know nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from ..shared.anchors import Anchors, turned
from ..shared.errors import InputError
from ..shared.files import replacing
from ..shared.frame import MemoryFrame
from ..shared.harmonics import SH_C0, STEPS, turned_harmonics
from .importers.ply import UP_AXES
from .surfaces import normals_of

SPREAD = 0.8
"""Standard deviation of a splat along its surface, in radii of its point: neighbours overlap."""
THIN = 0.12
"""Across the surface, of that along it."""
LONE = 0.01
"""Metres of a point that stands by itself."""
OPACITY = 0.98
UNKNOWN = 128
FROM_Z_UP = UP_AXES["-y"].T
"""World axes (z up) to those of splat files (y down)."""


def export_splats(anchors: Anchors, memory: Sequence[MemoryFrame], path: Path) -> int:
    """A 3DGS PLY of a splat for every point: flat, along its surface; splats as they are.

    Gives their number.

    x, y, z, normals, f_dc (colour), f_rest (what direction adds to it), opacity (logit), scale
    (log), rot (w, x, y, z), y down, as their trainers write them; so every viewer shows it upright.
    Normals come from the memory frames that saw the points. Raises InputError for a world without
    points.
    """
    if not len(anchors):
        raise InputError("The world has no points to make splats of; add geometry or pictures.")
    normals = normals_of(anchors, memory)
    rgb = np.where((anchors.rgb == 0).all(axis=1, keepdims=True), UNKNOWN, anchors.rgb)
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
             "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]  # fmt: skip
    terms = 1 if anchors.harmonics is None else anchors.harmonics.shape[1]
    rest = [f"f_rest_{i}" for i in range(3 * (terms - 1))]
    listed = [*names[:9], *rest, *names[9:]]  # in the order that readers by position expect
    rows = np.zeros(len(anchors), [(name, "<f4") for name in listed])
    turned_normals = normals @ FROM_Z_UP.T
    along = np.where(anchors.radius > 0, SPREAD * anchors.radius, LONE)
    known = np.linalg.norm(normals, axis=1) > 0.5
    scales = np.stack([along, along, np.where(known, THIN, 1.0) * along], axis=1)
    rotation, opacity = turning_z_to(turned_normals), np.full(len(anchors), OPACITY)
    own = anchors.are_splats
    if anchors.splats is not None:
        scales[own], opacity[own] = anchors.splats[own, :3], anchors.splats[own, 7]
        rotation[own] = turned(anchors.splats[own, 3:7], FROM_Z_UP)
    opacity = np.clip(opacity, 1e-3, 1 - 1e-3)
    columns = np.concatenate(
        [
            anchors.xyz @ FROM_Z_UP.T,
            turned_normals,
            (rgb / 255.0 - 0.5) / SH_C0,
            np.log(opacity / (1 - opacity))[:, None],
            np.log(np.maximum(scales, 1e-7)),
            rotation,
        ],
        axis=1,
    )
    for name, column in zip(names, columns.T, strict=True):
        rows[name] = column
    if anchors.harmonics is not None:
        _add_harmonics(rows, anchors.harmonics)
    with replacing(Path(path)) as beside:
        PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(beside))
    return len(rows)


def _add_harmonics(rows: np.ndarray, harmonics: np.ndarray) -> None:
    """The harmonics (N, K, 3) of `Anchors` as f_dc and f_rest, all of red's first."""
    own = turned_harmonics(harmonics, FROM_Z_UP)
    terms = own.shape[1]
    for colour in range(3):
        rows[f"f_dc_{colour}"] += own[:, 0, colour] / np.float32(STEPS)
        for term in range(1, terms):
            column = own[:, term, colour] / np.float32(STEPS)
            rows[f"f_rest_{colour * (terms - 1) + term - 1}"] = column


def turning_z_to(normals: np.ndarray) -> np.ndarray:
    """(N, 4) unit quaternions (w, x, y, z) that turn z to `normals` (N, 3); none for zeros."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    n = np.where(length > 0.5, normals / np.maximum(length, 1e-9), [0.0, 0.0, 1.0])
    n = np.where(n[:, 2:] < 0, -n, n)  # a splat has no back; away from half a turn is exact
    w = np.sqrt(0.5 * (1 + n[:, 2]))
    return np.stack([w, -n[:, 1] / (2 * w), n[:, 0] / (2 * w), np.zeros(len(n))], axis=1)
