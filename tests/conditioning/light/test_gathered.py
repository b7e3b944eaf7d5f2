# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounced light beside formulas for it: near walls, on thin cloth, about solid things."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.conditioning.light import frame
from backend.conditioning.light.cache import Quality
from backend.conditioning.light.quieted import neighbours, quieted
from backend.shared.camera import Camera
from backend.shared.scene import Scene
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
)

GREY, BLACK = matt((0.5, 0.5, 0.5)), matt((0.0, 0.0, 0.0))


def sideways(scene: Scene, camera: Camera) -> Scene:
    """The scene as one that a viewport saw from far away first: the cache's points are sparse."""
    return replace(scene, viewpoints=(camera,))


def test_a_black_wall_hides_its_part_of_the_sky_from_the_floor_once() -> None:
    """Of a wall of height h without end, in the distance d: (1 - cos atan(h / d)) / 2, from the
    form factor of two strips. The cache's points see the wall themselves."""
    height, sky = 1.0, 0.8
    wall = box_mesh((-40, 0, 0), (40, 0.2, height))
    scene = scene_of([(plane_mesh(80.0), GREY), (wall, BLACK)], sky=sky)
    scene = sideways(scene, camera_at((9, -20, 9), (0, 0, 0)))
    camera = camera_at((0, -1.0, 3.0), (0, -0.999, 0), size=64, fov=0.7)
    lit = frame.render(lighting_of(scene, Quality(2000, 64)), camera)
    points = camera.rays() * lit.depth[..., None] + camera.position
    floor = (np.abs(points[..., 2]) < 1e-3) & (points[..., 1] < -0.02)
    away = -points[floor][:, 1]
    expected = 0.5 * sky * (1 - 0.5 * (1 - np.cos(np.arctan(height / away))))
    told = lit.color[floor][:, 1]
    for near, far in ((0.0, 0.15), (0.15, 0.5), (0.5, 2.0)):
        some = (away >= near) & (away < far)
        assert some.sum() > 50
        assert told[some].mean() == pytest.approx(expected[some].mean(), rel=0.09)


def test_cloth_shows_what_lights_its_other_side() -> None:
    """A sheet that lets through 0.6 and reflects nothing, before a white and before a black wall
    that stand in the light of the sky."""
    sheet = box_mesh((-1, 0, 0), (1, 0, 2))
    sheet = replace(sheet, triangles=sheet.triangles[4:6], slots=sheet.slots[4:6])
    cloth = closure("BSDF_TRANSLUCENT", Color=[0.6, 0.6, 0.6, 1.0])
    camera = camera_at((0, -3, 1), (0, 0, 1), size=24, fov=0.3)
    seen = []
    for wall in (matt((0.9, 0.9, 0.9)), BLACK):
        behind = (box_mesh((-9, 0.5, -9), (9, 0.6, 9)), wall)
        lighting = lighting_of(scene_of([(sheet, cloth), behind], sky=1.0), Quality(2000, 64))
        seen.append(float(frame.render(lighting, camera).color.mean()))
    assert seen[0] > 0.25
    assert seen[1] < 0.35 * seen[0]


def test_a_thin_sheet_in_an_even_sky_lets_through_its_colour() -> None:
    plane, cloth = plane_mesh(2.0), closure("BSDF_TRANSLUCENT", Color=[0.6, 0.5, 0.4, 1.0])
    camera = camera_at((0, -0.01, 3), (0, 0, 0), size=16, fov=0.3)
    lit = frame.render(lighting_of(scene_of([(plane, cloth)], sky=0.7)), camera)
    expected = 0.7 * np.array([0.6, 0.5, 0.4])
    assert np.abs(lit.color / expected - 1).max() < 0.02


def test_a_post_that_stands_in_a_slab_leaves_no_dark_ring_on_it() -> None:
    """Nor a bright one: of a thin black post, half a width away, hardly anything is missing."""
    slab, post = box_mesh((-5, -5, 0), (5, 5, 1)), box_mesh((-0.03, -0.03, 0.1), (0.03, 0.03, 1.2))
    scene = scene_of([(slab, GREY), (post, BLACK)], sky=0.8)
    scene = sideways(scene, camera_at((0, -30, 20), (0, 0, 1)))
    camera = camera_at((0.4, -0.01, 3), (0.4, 0, 1), size=48, fov=0.18)
    lit = frame.render(lighting_of(scene, Quality(3000, 64)), camera).color
    assert lit.min() > 0.9 * 0.4 and lit.max() < 1.02 * 0.4


def test_noise_goes_and_edges_stay() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((4000, 3)) * (1, 1, 0)
    light = np.where(points[:, :1] < 0.5, 0.2, 1.0) * np.ones(3)
    noisy = light + rng.normal(0, 0.05, (4000, 1))
    around = neighbours(cKDTree(points))
    made = quieted(*around, noisy, np.full(4000, 0.05**2))
    assert np.abs(made - light).mean() < 0.5 * np.abs(noisy - light).mean()
    edge = np.abs(points[:, 0] - 0.5) < 0.02
    assert np.abs(made - light)[edge].max() < 0.2
    assert np.array_equal(quieted(*around, light, np.zeros(4000)), light.astype(np.float32))
