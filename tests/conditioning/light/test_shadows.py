# SPDX-License-Identifier: GPL-3.0-or-later
"""Shadows of wide lamps, and what lies in the way of light that is no wall."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.conditioning.light.direct import shadow_rays
from backend.conditioning.light.grid import Grid
from backend.shared.camera import Camera
from backend.shared.scene import Material, Scene
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    lamp_at,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
)

FLOOR = (plane_mesh(20.0), matt((0.5, 0.5, 0.5)))
DOWN = camera_at((0, -0.01, 0.5), (0, 0, 0), 24, 1.0)


def seen(scene: Scene, camera: Camera = DOWN) -> np.ndarray:
    """(H, W) mean light."""
    return frame.render(lighting_of(scene), camera).color.mean(axis=2)


def fake_glass() -> Material:
    """Glass for whoever looks, nothing for light on its way from a lamp."""
    nodes = [
        {"type": "BSDF_GLASS", "props": {}, "inputs": {"IOR": 1.45}},
        {"type": "BSDF_TRANSPARENT", "props": {}, "inputs": {}},
        {"type": "LIGHT_PATH", "props": {}, "inputs": {}},
        {
            "type": "MIX_SHADER",
            "props": {},
            "inputs": {
                "Fac": {"node": 2, "out": "Is Shadow Ray"},
                "Shader": {"node": 0, "out": "BSDF"},
                "Shader_001": {"node": 1, "out": "BSDF"},
            },
        },
    ]
    program = {"nodes": nodes, "surface": {"node": 3, "out": "Shader"}, "volume": None}
    return Material("fake glass", json.dumps(program))


def test_glass_that_is_nothing_for_shadow_rays_lets_all_of_a_lamps_light_through() -> None:
    lamp = lamp_at("SUN", (0, 0, 9), 3.0, angle=0.01)
    free = seen(scene_of([FLOOR], [lamp]))
    behind = seen(scene_of([FLOOR, (plane_mesh(20.0, 1.0), fake_glass())], [lamp]))
    np.testing.assert_allclose(behind, free, rtol=0.08)  # it mirrors some of the floor


def test_beside_a_pane_nothing_is_brighter_than_behind_it() -> None:
    """Rays that the frame stops do not count as ones that passed no glass."""
    pane = (plane_mesh(0.8, 1.0), closure("BSDF_GLASS", IOR=1.45))
    boards = [
        (box_mesh((x - 2, -5, 0.9), (x + 2, 5, 1.1)), matt((0.0, 0.0, 0.0))) for x in (-2.4, 2.4)
    ] + [(box_mesh((-0.4, y - 2, 0.9), (0.4, y + 2, 1.1)), matt((0.0,) * 3)) for y in (-2.4, 2.4)]
    lamp = lamp_at("SUN", (0, 0, 9), 3.0, angle=0.09)
    color = seen(scene_of([FLOOR, pane, *boards], [lamp]), camera_at((0, -0.01, 0.85), (0, 0, 0)))
    behind = color[10:14, 10:14].mean()
    assert color.max() < 1.1 * behind
    assert color.min() < 0.5 * behind


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_a_lamp_is_as_wide_as_what_is_about_it_makes_it(scale: float) -> None:
    """Three centimetres are little in a room and much in a bowl."""
    room = box_mesh(*(tuple(scale * v for v in corner) for corner in ((-2, -2, 0), (2, 2, 3))))
    lamp = lamp_at("POINT", (0, 0, 1.5 * scale), 10.0, radius=0.03)
    lights = lighting_of(scene_of([(room, matt((0.5, 0.5, 0.5)))], [lamp])).lights
    assert bool(lights.wide[0]) == (scale < 1)


def test_a_point_asks_the_half_of_a_ball_that_faces_it() -> None:
    lighting = lighting_of(scene_of([FLOOR], [lamp_at("POINT", (0, 0, 0.5), 10.0, radius=0.2)]))
    down = np.array([[0.3, 0.2, -1.0]], np.float32)
    hits = lighting.seen.first(np.array([[0, 0, 0.4]], np.float32), down)
    surface = lighting.matter.surface(hits, down, np.full(1, 1e-3, np.float32))
    origins, ways, weights = shadow_rays(surface, lighting.lights, 0, np.zeros(1, np.int32), 256)
    middle = np.array([0, 0, 0.5])
    ends = origins + ways / 0.9995
    away = (middle - surface.position[0]) / np.linalg.norm(middle - surface.position[0])
    np.testing.assert_allclose((ends - middle) @ away, 0, atol=2e-3)
    radius = np.linalg.norm(ends - middle, axis=1) / 0.2
    # evenly: a quarter of a disk lies within half of its radius
    assert radius.max() < 1.01 and np.mean(radius < 0.5) == pytest.approx(0.25, abs=0.03)
    assert (weights > 0).all()


def test_shadows_in_a_bowl_are_those_of_a_room_of_that_form() -> None:
    def room(scale: float) -> tuple[Scene, Camera]:
        table = box_mesh(
            *([scale * v for v in corner] for corner in ((-0.4, -0.4, 1), (0.4, 0.4, 1.1)))
        )
        floor = plane_mesh(20.0 * scale)
        lamp = lamp_at("POINT", (0, 0, 2 * scale), 100.0 * scale**2, radius=0.4 * scale)
        camera = camera_at((0, -0.01 * scale, 0.9 * scale), (0, 0, 0), 48, 2.0)
        parts = [(floor, matt((0.5,) * 3)), (table, matt((0.5,) * 3))]
        return scene_of(parts, [lamp]), replace(camera, near=1e-3 * scale)

    large, small = seen(*room(1.0)), seen(*room(0.05))
    np.testing.assert_allclose(small, large, atol=0.04 * large.max())


@pytest.mark.parametrize("height", [2.0, 3.0])
def test_wide_penumbras_have_no_dots(height: float) -> None:
    """Of a slab and a bar above a floor in the light of a sun that is six degrees wide."""
    grey = matt((0.5,) * 3)
    parts = [(plane_mesh(8.0), grey)]
    for low, high in ((-1.0, 1.0), (1.3, 1.5)):
        parts.append((box_mesh((low, -1, height), (high, 1, height + 0.1)), grey))
    lit = lighting_of(scene_of(parts, [lamp_at("SUN", (0, 0, 9), 3.0, angle=0.1)]))
    grid = Grid(lit, camera_at((1, -1, 1.2), (1, 0.2, 0), 96, 1.0))
    shadow = grid.image(grid._narrow_shadow(0))[..., 0]
    assert 0.2 < ((shadow > 0.02) & (shadow < 0.98)).mean() < 0.5
    assert np.abs(shadow - cv2.medianBlur(shadow, 3)).max() < 0.15


@pytest.mark.parametrize("height", [3.0, 100.0])
def test_a_lamp_just_behind_a_ceiling_sends_nothing_through_it(height: float) -> None:
    ceiling = plane_mesh(20.0)
    ceiling = replace(ceiling, vertices=ceiling.vertices + np.float32([0, 0, height]))
    lamp = lamp_at("POINT", (0, 0, height * 1.0002), 1e4 * height**2, radius=0.0)
    assert seen(scene_of([FLOOR], [lamp])).max() > 1
    assert seen(scene_of([FLOOR, (ceiling, matt((0.5,) * 3))], [lamp])).max() < 0.01
