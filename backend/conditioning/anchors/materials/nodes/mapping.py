# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings of texture coordinates: the node and the one that texture nodes have inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluation import Call
from ..registry import node
from ..values import VECTOR, divide, unit


def rotation(angles: np.ndarray) -> np.ndarray:
    """(..., 3, 3) of XYZ Euler angles (..., 3): about X first."""
    (cx, cy, cz), (sx, sy, sz) = (np.moveaxis(f(angles), -1, 0) for f in (np.cos, np.sin))
    rows = [
        [cy * cz, sy * sx * cz - cx * sz, sy * cx * cz + sx * sz],
        [cy * sz, sy * sx * sz + cx * cz, sy * cx * sz - sx * cz],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2).astype(np.float32)


def turned(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) times vectors (..., 3)."""
    if matrix.ndim == 2:
        return vectors @ matrix.T
    return np.einsum("...ij,...j->...i", matrix, vectors)


def mapped(
    kind: str, vectors: np.ndarray, place: np.ndarray, angles: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """What the Mapping node's type `kind` makes of vectors.

    vectors, place, angles (radians), scale and what is given back: (3,) or (N, 3).
    """
    matrix = rotation(angles)
    if kind == "TEXTURE":
        return divide(turned(np.swapaxes(matrix, -1, -2), vectors - place), scale)
    if kind == "NORMAL":
        return unit(turned(matrix, divide(vectors, scale)))
    made = turned(matrix, vectors * scale)
    return made + place if kind == "POINT" else made


@node("MAPPING", Vector=VECTOR)
def mapping(call: Call) -> np.ndarray:
    """(3,) or (N, 3): scale, rotate and move."""
    return mapped(
        call.prop("vector_type", "POINT"),
        call.vector("Vector"),
        call.vector("Location"),
        call.vector("Rotation"),
        call.vector("Scale", (1.0, 1.0, 1.0)),
    )


def texture_mapping(props: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
    """Vectors (3,) or (N, 3) by the mapping inside a texture node, where it has one (old files,
    scripts)."""
    found = props.get("texture_mapping")
    if not isinstance(found, dict):
        return vectors
    place, angles, scale = (
        np.asarray(found.get(name, default), np.float32)
        for name, default in (("translation", [0] * 3), ("rotation", [0] * 3), ("scale", [1] * 3))
    )
    axes = {"X": vectors[..., 0], "Y": vectors[..., 1], "Z": vectors[..., 2]}
    none = np.zeros(vectors.shape[:-1], np.float32)
    chosen = [axes.get(axis, none) for axis in found.get("axes", "XYZ")]
    return mapped(found.get("vector_type", "POINT"), np.stack(chosen, -1), place, angles, scale)
