# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps that Cycles' rays do not find by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from backend.conditioning.light import frame
from tests.conditioning.light.lit_room import (
    camera_at,
    closure,
    lamp_at,
    lighting_of,
    plane_mesh,
    scene_of,
)


@pytest.mark.parametrize("roughness", [0.0, 0.05])
def test_a_lamp_without_multiple_importance_is_in_polished_floors_but_in_no_mirror(
    roughness: float,
) -> None:
    """Cycles shows nothing of such a one at a roughness of 0, and nearly all of it at 0.05."""
    color = [1.0, 1.0, 1.0, 1.0]
    floor = (plane_mesh(20.0), closure("BSDF_GLOSSY", Color=color, Roughness=roughness))
    at = camera_at((0, -1, 1.0), (0, 0, 0), fov=0.9)
    usual, unmet = (
        float(np.mean(frame.render(lighting_of(scene_of([floor], [lamp])), at).color))
        for met in (True, False)
        for lamp in [lamp_at("POINT", (0, 1, 1), 10.0, radius=0.2, met=met)]
    )
    assert usual > 0.05
    assert unmet == pytest.approx(usual if roughness else 0, abs=1e-3)
