# SPDX-License-Identifier: GPL-3.0-or-later
"""Fog takes light on its way to surfaces and to the camera, and scatters it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.shared.scene import Scene
from tests.conditioning.light.lit_room import (
    camera_at,
    lamp_at,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
)

ABOVE = camera_at((0, -0.01, 1), (0, 0, 0), fov=0.1)
GREY = [(plane_mesh(20.0), matt((0.5, 0.5, 0.5)))]


def shown(scene: Scene) -> float:
    return float(frame.render(lighting_of(scene), ABOVE).color.mean())


def test_light_is_lost_on_its_way_to_a_surface_and_from_there() -> None:
    clear = scene_of(GREY, [lamp_at("POINT", (0, 0, 4), 100.0, radius=0.1)])
    black = replace(clear, fog_density=0.1, fog_color=(0.0, 0.0, 0.0))
    # four metres down, one up
    assert shown(black) / shown(clear) == pytest.approx(np.exp(-0.5), rel=0.02)


def test_nothing_of_a_sun_gets_through_fog_without_end() -> None:
    clear = scene_of(GREY, [lamp_at("SUN", (0, 0, 4), 3.0)], sky=0.5)
    black = replace(clear, fog_density=0.1, fog_color=(0.0, 0.0, 0.0))
    assert shown(clear) > 0.3
    assert shown(black) == pytest.approx(0, abs=1e-3)


def test_scattered_light_is_what_fine_steps_along_the_ray_add_up_to() -> None:
    lamp = lamp_at("POINT", (0, 1.0, 0), 100.0, radius=0.01)
    fog = {"fog_density": 0.05, "fog_color": (1.0, 1.0, 1.0)}
    scene = replace(scene_of([(plane_mesh(0.01, -50), matt((0, 0, 0)))], [lamp]), **fog)
    camera = camera_at((-3, 0, 0), (0, 0, 0), fov=0.02)
    t = np.linspace(0, 80, 200_001)
    d2 = (t - 3) ** 2 + 1
    lit = np.exp(-0.05 * np.sqrt(d2)) * 100 / (4 * np.pi * d2) / (4 * np.pi)
    wanted = np.trapezoid(0.05 * np.exp(-0.05 * t) * lit, t)
    found = frame.render(lighting_of(scene), camera).color.mean()
    assert found == pytest.approx(wanted, rel=0.05)


def test_fog_in_a_box_takes_light_on_its_way_through_the_box_alone() -> None:
    clear = scene_of(GREY, [lamp_at("SUN", (0, 0, 4), 3.0)])
    box = np.linalg.inv(np.diag([30.0, 30.0, 0.2, 1.0]) @ _moved(0, 0, 2.5))  # from 0.3 to 0.7
    black = replace(clear, fog_density=1.0, fog_color=(0.0,) * 3, fog_box=box)
    # once down to the floor, once up to the camera
    assert shown(black) / shown(clear) == pytest.approx(np.exp(-0.8), rel=0.02)


def test_a_box_of_fog_beside_the_view_takes_nothing() -> None:
    clear = scene_of(GREY, [lamp_at("POINT", (0, 0, 4), 100.0, radius=0.1)])
    aside = np.linalg.inv(_moved(5, 0, 1))
    fog = replace(clear, fog_density=1.0, fog_color=(0.0,) * 3, fog_box=aside)
    assert shown(fog) == pytest.approx(shown(clear), rel=0.01)


def test_a_lit_box_of_fog_is_as_bright_as_fine_steps_through_it_add_up_to() -> None:
    sun = lamp_at("SUN", (0, 0, 4), 3.0, angle=0.01)
    fog = {"fog_density": 0.5, "fog_color": (1.0,) * 3, "fog_box": np.eye(4)}
    scene = replace(scene_of([(plane_mesh(0.01, -50), matt((0, 0, 0)))], [sun]), **fog)
    camera = camera_at((-3, 0, 0), (0, 0, 0), fov=0.02)
    t = np.linspace(0, 2, 10_001)  # a metre of fog above the ray
    wanted = np.trapezoid(0.5 * np.exp(-0.5 * t) * 3 * np.exp(-0.5) / (4 * np.pi), t)
    found = frame.render(lighting_of(scene), camera).color.mean()
    assert found == pytest.approx(wanted, rel=0.05)


def _moved(x: float, y: float, z: float) -> np.ndarray:
    made = np.eye(4)
    made[:3, 3] = x, y, z
    return made
