# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps through glass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.conditioning.light.grid import Grid
from backend.shared.scene import CAMERA, EVERYWHERE, TRANSMISSION, Film
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    lamp_at,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
    sphere_mesh,
)

UP = camera_at((0, 0.01, 0.2), (0, 0, 3), size=16, fov=0.1)


@pytest.mark.parametrize("kind", ["BSDF_GLASS", "BSDF_TRANSPARENT"])
def test_a_lamp_is_seen_through_a_pane(kind: str) -> None:
    """As bright as it is: 6 W from 0.5 x 0.5 m are 6 / (pi 0.25), less what the pane takes."""
    color = [0.8, 0.8, 0.8, 1.0]
    pane = (box_mesh((-1, -1, 1), (1, 1, 1.05)), closure(kind, Color=color))
    lamp = replace(lamp_at("AREA", (0, 0, 3), 6.0, size=(0.5, 0.5)), visible=EVERYWHERE)
    bright = frame.render(lighting_of(scene_of([pane], [lamp])), UP).color[8, 8, 0]
    fresnel = 0.92 if kind == "BSDF_GLASS" else 1.0
    assert bright == pytest.approx(fresnel * 0.8**2 * 6 / (np.pi * 0.25), rel=0.05)


def test_through_glass_lamps_are_clamped_and_hidden_as_in_cycles() -> None:
    """What bends is no camera's ray any more, what is clear is one still."""
    pane, film = box_mesh((-1, -1, 1), (1, 1, 1.05)), Film(clamp_indirect=1.0)
    for kind, hidden in (("BSDF_GLASS", TRANSMISSION), ("BSDF_TRANSPARENT", CAMERA)):
        part, lamp = (pane, closure(kind)), lamp_at("AREA", (0, 0, 3), 60.0, size=(0.5, 0.5))
        shown, none = (
            frame.render(
                lighting_of(scene_of([part], [replace(lamp, visible=visible)], film=film)), UP
            ).color.max()
            for visible in (EVERYWHERE, EVERYWHERE & ~hidden)
        )
        assert none < 0.01
        assert (shown < 1.1) if kind == "BSDF_GLASS" else (shown > 50)


def test_the_shadow_of_glass_has_no_steps() -> None:
    """Sixteen points of a lamp are seventeen shades, each as wide as a block of pixels."""
    ball = (sphere_mesh(0.5, (0.0, 0.0, 0.8), 24), closure("BSDF_GLASS", IOR=1.45))
    lamp = lamp_at("POINT", (1.5, 0, 2.5), 100.0, radius=0.5)
    scene = scene_of([(plane_mesh(12.0), matt((0.5,) * 3)), ball], [lamp])
    grid = Grid(lighting_of(scene), camera_at((0, -5, 4), (-1, 0, 0), size=96, fov=0.6))
    floor = grid.lighting.geometry.owner[grid.surface.triangle] == 0
    point = np.zeros(len(floor), np.int32) + grid.tile
    left = grid._unveiled(0, point, np.ones(len(floor), bool))[floor, 0]
    penumbra = left[(left > left.min() + 0.05) & (left < 0.95)]
    assert len(penumbra) > 300
    assert len(np.unique(np.round(penumbra, 3))) > 30
