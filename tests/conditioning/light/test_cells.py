# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of triangles that send light, and triangles that stand somewhere twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.anchors.doubled import AWAY, between_two, light_left, ordered_names
from backend.conditioning.anchors.geometry import Geometry
from backend.conditioning.anchors.overlaps import Overlaps
from backend.conditioning.light import frame
from backend.conditioning.light.cells import Cells
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    lamp_at,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
)

GREY = matt((0.5, 0.5, 0.5))


def test_a_huge_ground_has_fine_cells_where_the_scene_is():
    scene = scene_of([(plane_mesh(200.0), GREY), (box_mesh((0, 0, 0), (1, 1, 1)), GREY)])
    geometry = Geometry.of(scene)
    cells = Cells(geometry, 2.0, np.array([0.5, 0.5, 0.0]))
    numbers = np.arange(len(cells))
    hits, side = cells.middles(numbers)
    place = geometry.at(hits.triangle, hits.u, hits.v)
    ground = (hits.triangle < 2) & (side[:, 2] > 0)

    near = ground & (np.abs(place[:, :2] - 0.5).max(axis=1) < 2)
    assert near.sum() > 1000  # 16 square metres of 40,000
    inside = hits.u + hits.v < 0.99  # those beyond a long edge stand for ones on it
    assert (cells.of(hits, -side) == numbers)[inside & ground].all()


def test_under_a_slab_on_a_huge_ground_it_is_dark():
    slab = box_mesh((-1.5, -1.5, 0.1), (1.5, 1.5, 0.2))
    lamp = lamp_at("SUN", (0, 0, 9), 3.0)
    camera = camera_at((0, -4, 0.05), (0, -1.0, 0.0), fov=0.05)
    light = []
    for size in (8.0, 200.0):
        scene = scene_of([(plane_mesh(size), GREY), (slab, GREY)], [lamp])
        light.append(frame.render(lighting_of(scene), camera).color.mean())
    assert light[1] == pytest.approx(light[0], rel=0.2)


@pytest.mark.parametrize(("lean", "left"), [(0.0, 0.0), (0.2, AWAY / (1 - (0.5 * AWAY) ** 2))])
def test_a_surface_that_stands_somewhere_twice_takes_its_own_light(lean, left):
    """Of an albedo of one half; what comes back from the other surface adds a little."""
    plane = plane_mesh(2.0)
    plane.vertices[:, 2] += np.float32(lean) * plane.vertices[:, 0]
    lamp, camera = lamp_at("SUN", (0, 0, 9), 3.0), camera_at((0, -0.01, 4), (0, 0, 0), fov=0.1)

    def seen(count: int) -> float:
        scene = scene_of([(plane, GREY)] * count, [lamp])
        return float(frame.render(lighting_of(scene), camera).color.mean())

    assert seen(2) == pytest.approx(left * seen(1), abs=1e-3)


def test_doubled_triangles_are_found_whatever_their_corners_order():
    corners = np.random.default_rng(0).random((50, 3, 3)).astype(np.float32)
    assert light_left(corners, ordered_names(corners)) is None
    corners[7] = corners[30][[1, 2, 0]]
    corners[8, :, 1] = 0.0
    corners[9] = corners[8, ::-1]
    corners[9, :, 1] = -0.0
    parts = [ordered_names(part) for part in np.split(corners, [9, 20])]
    left = light_left(corners, np.concatenate(parts))
    assert np.flatnonzero(left < 1).tolist() == [7, 8, 9, 30]
    assert left[[7, 8, 9, 30]].tolist() == [AWAY, 0, 0, AWAY]


def within(points: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """(N,) bool: points (N, 2) inside a triangle (3, 2), not at its edges."""
    ends = np.roll(triangle, -1, axis=0)
    sides = np.stack(
        [
            (b - a)[0] * (points - a)[:, 1] - (b - a)[1] * (points - a)[:, 0]
            for a, b in zip(triangle, ends, strict=True)
        ]
    )
    return (sides > 1e-9).all(axis=0) | (sides < -1e-9).all(axis=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_triangles_that_cover_each_other_are_found_as_a_slow_twin_does(axis: int):
    rng = np.random.default_rng(axis)
    flat = rng.integers(0, 8, (60, 3, 2)).astype(np.float32)
    height = rng.integers(0, 3, 60).astype(np.float32)
    corners = np.ascontiguousarray(np.insert(flat, axis, height[:, None], axis=2))
    made = Overlaps.of(corners)
    assert made is not None
    others = [d for d in range(3) if d != axis]
    grid = np.stack(np.meshgrid(*[np.arange(0.02, 8, 0.05)] * 2), axis=-1).reshape(-1, 2)
    inside, seen = np.stack([within(grid, one[:, others]) for one in corners]), []
    for i in range(60):
        shared = (inside & inside[i]).sum(axis=1) * (height == height[i]) * (np.arange(60) != i)
        partners = made.other[made.first[i] : made.first[i + 1]]
        assert set(np.flatnonzero(shared > 4)) <= set(partners)
        seen.append((shared > 0)[partners])
    assert np.concatenate(seen).mean() > 0.95  # the grid may miss a thin one


def test_faces_that_lie_side_by_side_cover_nothing():
    floor, ground = box_mesh((0, 0, 0), (1, 1, 1)), plane_mesh(3.0)
    for mesh in (floor, ground):
        assert Overlaps.of(mesh.vertices[mesh.triangles]) is None


def test_what_another_face_of_its_object_covers_is_dark_and_no_more():
    """A level square, and a smaller one in its plane, divided the other way: one object."""
    plane = plane_mesh(4.0)
    corners = np.concatenate([plane.vertices, 0.25 * plane.vertices])
    small = 4 + np.array([[0, 1, 3], [1, 2, 3]], np.int32)
    mesh = replace(
        plane, vertices=corners, triangles=np.concatenate([plane.triangles, small]),
        slots=np.zeros(4, np.int32),
    )  # fmt: skip
    lamp, camera = lamp_at("SUN", (0, 0, 9), 3.0), camera_at((0, -0.01, 4), (0, 0, 0), fov=0.9)
    shown = frame.render(lighting_of(scene_of([(mesh, GREY)], [lamp])), camera).color
    middle, corner = shown[10:-10, 10:-10].mean(), shown[:3, :3].mean()
    assert middle < 0.01 * corner


@pytest.mark.parametrize("left", [0.0, AWAY, 1.0])
def test_two_surfaces_at_one_place_hand_light_to_and_fro(left: float) -> None:
    """As following it bounce by bounce says."""
    base, light = np.array([[0.2, 0.5, 0.95]]), (1.0, 3.0)
    sides = [np.zeros_like(base), np.zeros_like(base)]
    for _ in range(400):
        sides = [base * (left * light[i] + (1 - left) * sides[1 - i]) for i in (0, 1)]
    back, through = between_two(base, np.array([[left]]))
    np.testing.assert_allclose(back * light[0] + through * light[1], sides[0], atol=1e-6)
