# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays meet what trying every triangle says they meet."""

from __future__ import annotations

import numpy as np
import pytest

from backend.conditioning.anchors.geometry import Geometry
from backend.conditioning.anchors.tracing import Hits, Rays, visible_triangles
from backend.shared.scene import CAMERA, EVERYWHERE, Instance, Mesh, Scene
from tests.conditioning.light.lit_room import box_mesh, matt, plane_mesh, scene_of


def heap(seed: int, count: int = 60) -> Scene:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-2, 2, (count, 1, 3))
    corners = (centre + rng.normal(0, 0.5, (count, 3, 3))).astype(np.float32).reshape(-1, 3)
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    mesh = Mesh(corners, triangles, np.zeros(count, np.int32))
    return scene_of([(mesh, matt((0.5, 0.5, 0.5)))])


def first_slowly(geometry: Geometry, origins: np.ndarray, directions: np.ndarray) -> Hits:
    """`Rays.first` by trying every triangle (Moeller and Trumbore, 1997), in float64.

    origins, directions: (N, 3).
    """
    corners = geometry.corners.astype(np.float64)
    a, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    made = []
    for origin, direction in zip(
        origins.astype(np.float64), directions.astype(np.float64), strict=True
    ):
        p = np.cross(direction, e2)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / np.einsum("ti,ti->t", e1, p)
            s = origin - a
            u = np.einsum("ti,ti->t", s, p) * inverse
            q = np.cross(s, e1)
            v = (q @ direction) * inverse
            t = np.einsum("ti,ti->t", e2, q) * inverse
            t[~((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0))] = np.inf
        best = int(np.argmin(t)) if len(t) else -1
        if best < 0 or not np.isfinite(t[best]):
            made.append((-1, 0.0, 0.0, np.inf))
        else:
            made.append((best, u[best], v[best], t[best]))
    triangle, u, v, t = (np.array(column) for column in zip(*made, strict=True))
    return Hits(triangle.astype(np.int32), *(x.astype(np.float32) for x in (u, v, t)))


@pytest.mark.parametrize("seed", range(4))
def test_the_fast_way_meets_what_the_slow_one_does(seed: int) -> None:
    geometry = Geometry.of(heap(seed))
    rng = np.random.default_rng(seed + 100)
    origins = rng.uniform(-4, 4, (300, 3)).astype(np.float32)
    ways = rng.uniform(-2, 2, (300, 3)).astype(np.float32) - origins
    fast, slow = Rays(geometry).first(origins, ways), first_slowly(geometry, origins, ways)
    same = fast.triangle == slow.triangle
    assert same.mean() > 0.99  # a ray through an edge may fall to either side
    met = same & (slow.triangle >= 0)
    assert met.sum() > 40
    np.testing.assert_allclose(fast.distance[met], slow.distance[met], rtol=1e-4)
    places = geometry.at(fast.triangle[met], fast.u[met], fast.v[met])
    along = origins[met] + fast.distance[met, None] * ways[met]
    np.testing.assert_allclose(places, along, atol=1e-3)


def test_what_stands_between_blocks() -> None:
    rays = Rays(Geometry.of(scene_of([(box_mesh((-1, -1, -1), (1, 1, 1)), matt((1, 1, 1)))])))
    origins = np.array([[-3, 0, 0], [-3, 0, 0], [-3, 2, 0]], np.float32)
    ways = np.array([[6, 0, 0], [1.5, 0, 0], [6, 0, 0]], np.float32)
    assert rays.blocked(origins, ways).tolist() == [True, False, False]


def test_nothing_is_met_where_nothing_is() -> None:
    rays = Rays(Geometry.of(Scene()))
    hits = rays.first(np.zeros((3, 3), np.float32), np.ones((3, 3), np.float32))
    assert (hits.triangle == -1).all() and np.isinf(hits.distance).all()


def test_what_a_camera_does_not_see_is_left_out_for_it_alone() -> None:
    mesh = plane_mesh(2.0)
    hidden = Instance("a", "a", 0, np.eye(4), (-1,), visible=EVERYWHERE & ~CAMERA)
    shown = Instance("b", "b", 0, np.eye(4), (-1,))
    geometry = Geometry.of(Scene((mesh,), (hidden, shown)))
    assert visible_triangles(geometry, CAMERA).tolist() == [2, 3]
    assert visible_triangles(geometry, EVERYWHERE) is None


def test_mirrored_and_flattened_instances_keep_their_front() -> None:
    mesh = plane_mesh(2.0)
    mirrored, flattened = np.diag([-1.0, 1, 1, 1]), np.diag([1.0, 1, 0, 1])
    instances = tuple(
        Instance(str(i), "", 0, m, (-1,)) for i, m in enumerate((mirrored, flattened))
    )
    geometry = Geometry.of(Scene((mesh,), instances))
    np.testing.assert_allclose(geometry.flat, np.tile([0, 0, 1], (4, 1)), atol=1e-6)
    np.testing.assert_allclose(geometry.area, 2.0)
