# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes laid flat: nothing shares a texel, nothing is squeezed, and what cannot be is said."""

from __future__ import annotations

import numpy as np
import pytest

from backend.shared.texture_bake import rasterise
from backend.shared.unwrap import unwrap

CUBE = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
CUBE_FACES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def cube() -> tuple[np.ndarray, np.ndarray]:
    triangles = np.array([t for a, b, c, d in CUBE_FACES for t in ((a, b, c), (a, c, d))])
    return CUBE, triangles


def ball(rings: int = 12) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.meshgrid(np.linspace(0.05, 0.95, rings), np.arange(2 * rings), indexing="ij")
    lat, lon = np.pi * v.ravel(), np.pi * u.ravel() / rings
    place = np.stack([np.sin(lat) * np.cos(lon), np.sin(lat) * np.sin(lon), np.cos(lat)], axis=1)
    faces = []
    for ring in range(rings - 1):
        for i in range(2 * rings):
            a, b = ring * 2 * rings + i, ring * 2 * rings + (i + 1) % (2 * rings)
            faces += [(a, a + 2 * rings, b), (b, a + 2 * rings, b + 2 * rings)]
    return place, np.array(faces)


@pytest.mark.parametrize("made", [cube, ball])
def test_every_triangle_has_texels_of_its_own(made):
    vertices, triangles = made()
    corners, side = vertices[triangles], 128
    uv = unwrap(corners, triangles, side)
    assert uv.dtype == np.float32 and uv.min() > 0 and uv.max() < 1
    strict = uv + 0.02 / side * np.sign(uv.mean(axis=1, keepdims=True) - uv)
    owners = np.zeros((side, side), int)
    for triangle in strict:  # only texels whose centres lie inside
        a, b, c = triangle * side - 0.5
        y, x = np.mgrid[:side, :side]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        t = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        s = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        owners += (s > 0) & (t > 0) & (s + t < 1)
    assert owners.max() == 1


def test_areas_are_as_on_the_mesh():
    vertices, triangles = ball()
    corners = vertices[triangles]
    uv = unwrap(corners, triangles, 256).astype(float)
    own = np.linalg.norm(np.cross(*(corners[:, i] - corners[:, 0] for i in (1, 2))), axis=1)
    first, second = (uv[:, i] - uv[:, 0] for i in (1, 2))
    laid = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    density = laid / own
    assert density.min() > 0.57 * density.max()
    assert 256**2 * laid.sum() / 2 > 0.35 * 256**2  # of the picture is used


def test_faces_of_one_side_are_one_chart():
    vertices, triangles = cube()
    uv = unwrap(vertices[triangles], triangles, 64)
    shared = [len(set(map(tuple, uv[2 * i])) & set(map(tuple, uv[2 * i + 1]))) for i in range(6)]
    assert shared == [2] * 6


def test_long_and_flat_things_and_none_at_all():
    wall = np.array([[[0, 0, 0], [100, 0, 0], [100, 0, 1]], [[0, 0, 0], [100, 0, 1], [0, 0, 1]]])
    uv = unwrap(wall, np.array([[0, 1, 2], [0, 2, 3]]), 256)
    assert np.ptp(uv[..., 0]) > 0.95
    upright = unwrap(wall[..., ::-1], np.array([[0, 1, 2], [0, 2, 3]]), 256)
    assert np.ptp(upright[..., 0]) > 0.95
    nothing = unwrap(np.zeros((2, 3, 3)), np.array([[0, 0, 0], [1, 1, 1]]), 16)
    assert np.isfinite(nothing).all()
    assert unwrap(np.zeros((0, 3, 3)), np.zeros((0, 3), int), 16).shape == (0, 3, 2)


def test_too_many_loose_parts():
    rng = np.random.default_rng(0)
    loose = rng.uniform(size=(200, 3, 3))
    triangles = np.arange(600).reshape(200, 3)
    assert unwrap(loose, triangles, 64) is not None
    assert unwrap(loose, triangles, 14) is None


def test_a_large_mesh_takes_no_time_to_speak_of():
    side = 300
    at = np.arange(side)
    y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    vertices = np.stack([x, y, np.sin(x * 0.3) * np.cos(y * 0.2)], axis=1)
    corner = (at[:-1, None] * side + at[:-1]).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + side], axis=1),
            np.stack([corner + 1, corner + side + 1, corner + side], axis=1),
        ]
    )
    uv = unwrap(vertices[triangles], triangles, 512)
    texels = rasterise(vertices[triangles[:50]], uv[:50].astype(float), 512)
    assert len(texels.index) and np.ptp(uv[..., 1]) > 0.9
