# SPDX-License-Identifier: GPL-3.0-or-later
"""Light from shining triangles is what rays all over the hemisphere would find."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.conditioning.light.emitters import emitter_lights
from backend.conditioning.light.lamps import BOTH, OUTWARDS
from backend.conditioning.light.patterns import frames_of, hemisphere_points
from backend.conditioning.light.polygons import from_faces
from backend.shared.scene import Material
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    glowing,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
)


def share_by_rays(normal: np.ndarray, triangle: np.ndarray, closed: bool) -> float:
    """Part of cosine-weighted rays from the origin that meet a triangle (Moeller, Trumbore)."""
    x, y = frames_of(normal[None])
    local = hemisphere_points(20_000)
    ways = local[:, :1] * x + local[:, 1:2] * y + local[:, 2:] * normal
    a, e, f = triangle[0], triangle[1] - triangle[0], triangle[2] - triangle[0]
    across = np.cross(ways, f)
    det = across @ e
    u = -(across @ a) / det
    q = np.cross(-a, e)
    v, t = ways @ q / det, f @ q / det
    met = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return float((met & ((det > 0) | (not closed))).mean())


@pytest.mark.parametrize("closed", [True, False])
def test_a_shining_triangle_lights_as_much_as_rays_meet_of_it(closed: bool) -> None:
    random = np.random.default_rng(3)
    for _ in range(12):
        triangle, normal = random.normal(size=(3, 3)), random.normal(size=3)
        normal /= np.linalg.norm(normal)
        front, back = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)
        from_faces(
            np.zeros((1, 3), np.float32), normal[None].astype(np.float32),
            triangle[None].astype(np.float32), np.full((1, 3), 2, np.float32), np.zeros(3), 9.0,
            closed, True, front, back,
        )  # fmt: skip
        assert front[0, 0] / 2 == pytest.approx(share_by_rays(normal, triangle, closed), abs=0.01)
        assert back[0, 0] / 2 == pytest.approx(share_by_rays(-normal, triangle, closed), abs=0.01)


def test_a_strip_on_a_wall_lights_it_evenly_along_itself() -> None:
    strip = box_mesh((-2, 0.002, -0.01), (2, 0.022, 0.01))
    wall = box_mesh((-3, -0.1, -1), (3, 0, 1))
    scene = scene_of([(strip, glowing(20.0)), (wall, matt((0.5, 0.5, 0.5)))])
    camera = camera_at((0, 1, 0.1), (0, 0, 0.1), 32, 0.4)
    lighting = lighting_of(scene)
    assert len(lighting.lights) > 1  # so long a mesh is several lights
    rows = frame.render(lighting, camera).color[4:14, :, 0]
    assert (np.ptp(rows, axis=1) < 0.15 * rows.mean(axis=1)).all()
    assert (np.diff(rows.mean(axis=1)) > 0).all()


def test_a_closed_lamp_shines_outwards_unless_somebody_is_in_it() -> None:
    parts = [(box_mesh((-1, -1, 2), (1, 1, 3)), glowing(1.0)), (plane_mesh(4.0), matt((1, 1, 1)))]
    scene = scene_of(parts)
    assert lighting_of(scene).lights.kind.tolist() == [OUTWARDS]
    inside = replace(scene, viewpoints=(camera_at((0, 0, 2.5), (1, 0, 2.5)),))
    assert lighting_of(inside).lights.kind.tolist() == [BOTH]
    thin = scene_of([(plane_mesh(1.0, 2.0), glowing(1.0)), parts[1]])
    assert lighting_of(thin).lights.kind.tolist() == [BOTH]


def test_what_shines_differently_to_each_side_lights_as_it_does_in_the_mean() -> None:
    """A plane that shines by how much it is turned away: a third, weighted by cosine."""
    nodes: list[dict[str, object]] = [
        {"type": "LAYER_WEIGHT", "props": {}, "inputs": {"Blend": 0.5}},
        {"type": "EMISSION", "props": {}, "inputs": {
            "Color": [1.0, 1.0, 1.0, 1.0], "Strength": {"node": 0, "out": "Facing"}}},
    ]  # fmt: skip
    program = {"nodes": nodes, "surface": {"node": 1, "out": "Emission"}, "volume": None}
    power = []
    for material in (Material("neon", json.dumps(program)), glowing(1 / 3)):
        made = lighting_of(scene_of([(plane_mesh(1.0), material)]))
        (light,), _ = emitter_lights(made.matter, 8)
        power.append(light.power.sum())
    assert power[0] == pytest.approx(power[1], rel=0.1)
