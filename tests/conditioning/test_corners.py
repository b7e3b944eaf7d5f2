# SPDX-License-Identifier: GPL-3.0-or-later
"""Values at points of triangles: compiled kernels against the same in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from backend.conditioning.anchors.shading_points import Run, ShadingPoints
from backend.shared.scene import Instance, Mesh


@pytest.fixture
def points() -> ShadingPoints:
    """Random points on random triangles of an instance that is turned, moved and stretched."""
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(20, 3)).astype(np.float32)
    triangles = np.stack([rng.permutation(20)[:3] for _ in range(12)]).astype(np.int32)
    mesh = Mesh(
        vertices=vertices,
        triangles=triangles,
        slots=np.zeros(12, np.int32),
        uv={"UV": rng.random((12, 3, 2), dtype=np.float32)},
        active_uv="UV",
    )
    matrix = np.eye(4)
    matrix[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag([1, 2, 0.5])
    matrix[:3, 3] = 3, -1, 2
    triangle = rng.integers(0, 12, 50).astype(np.int32)
    u = rng.random(50, dtype=np.float32)
    v = (1 - u) * rng.random(50, dtype=np.float32)
    a, b, c = (
        vertices[triangles[triangle, i]] @ matrix[:3, :3].T + matrix[:3, 3] for i in range(3)
    )
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    position = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    flat, position = flat.astype(np.float32), position.astype(np.float32)
    return ShadingPoints(
        (Run(mesh, Instance("one", "one", 0, matrix), 0, 50),),
        triangle,
        u,
        v,
        position,
        flat,
        flat,
        flat,
        np.full(50, 0.01, np.float32),
        np.zeros(50, bool),
    )


def in_world(points: ShadingPoints) -> np.ndarray:
    """(N, 3) positions by way of the mesh's own space."""
    matrix = points.runs[0].instance.matrix
    return points.object_position() @ matrix[:3, :3].T + matrix[:3, 3]


def test_places_in_the_mesh_are_places_in_the_world(points: ShadingPoints) -> None:
    np.testing.assert_allclose(in_world(points), points.position, atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_moved_points_are_where_they_say(points: ShadingPoints, share: float) -> None:
    ways = []
    for axis in (0, 1):
        moved, way = points.moved(axis, share)
        np.testing.assert_allclose(in_world(moved), moved.position, atol=1e-4)
        np.testing.assert_allclose(moved.position - points.position, way, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(way, axis=1), 0.01 * share, rtol=1e-4)
        np.testing.assert_allclose((way * points.flat).sum(axis=1), 0, atol=1e-6)
        ways.append(way)
    np.testing.assert_allclose((ways[0] * ways[1]).sum(axis=1), 0, atol=1e-8)


def test_moving_twice_adds_up(points: ShadingPoints) -> None:
    once, first = points.moved(0)
    twice, second = once.moved(1)
    np.testing.assert_allclose(in_world(twice), points.position + first + second, atol=1e-4)


def test_layers_are_interpolated_and_their_scale_is_that_of_areas(points: ShadingPoints) -> None:
    corners = points.runs[0].mesh.uv["UV"][points.triangle].astype(float)
    u, v = points.u[:, None], points.v[:, None]
    wanted = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v
    np.testing.assert_allclose(points.uv(), wanted, atol=1e-6)
    e1, e2 = (e.astype(float) for e in points.edges())
    inside = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    scale = np.sqrt(inside / np.linalg.norm(np.cross(e1, e2), axis=1))
    np.testing.assert_allclose(points.uv_width(), 0.01 * scale, rtol=1e-3)


def test_tangents_point_where_coordinates_grow(points: ShadingPoints) -> None:
    corners = points.runs[0].mesh.uv["UV"][points.triangle].astype(float)
    e1, e2 = (e.astype(float) for e in points.edges())
    for axis, tangent in enumerate(points.tangents()):
        # the gradient of the other coordinate is at right angles to it, its own is along it
        sides = np.stack([e1, e2], axis=1)
        weights = np.linalg.lstsq(sides[0].T, tangent[0], rcond=None)[0]
        grown = weights @ (corners[0, 1:] - corners[0, 0])
        assert grown[axis] > 0 and abs(grown[1 - axis]) < 1e-5
        np.testing.assert_allclose(np.linalg.norm(tangent, axis=1), 1, rtol=1e-4)


def test_a_layer_that_is_missing_is_zero(points: ShadingPoints) -> None:
    assert not points.uv("other").any() and not points.uv_width("other").any()
    assert not points.tangents("other")[0].any() and not points.color().any()
