# SPDX-License-Identifier: GPL-3.0-or-later
"""Bumps finer than pixels."""

from __future__ import annotations

import json

import numpy as np

from backend.conditioning.light import frame
from backend.conditioning.light.unresolved import unresolved
from backend.shared.scene import Material
from tests.conditioning.light.lit_room import (
    camera_at,
    lamp_at,
    lighting_of,
    plane_mesh,
    scene_of,
)


def unit(normal: np.ndarray) -> np.ndarray:
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def test_noise_is_told_from_bumps_that_are_seen_and_from_round_things() -> None:
    flat = np.full((64, 64, 3), (0, 0, 1), np.float32)
    group = np.zeros((64, 64), np.int32)
    x = np.arange(64)[None, :, None] * np.ones((64, 1, 1))
    noise = unit(flat + np.random.default_rng(0).normal(0, 1, flat.shape) * (1, 1, 0))
    wave = unit(flat + np.sin(2 * np.pi * x / 8) * (1, 0, 0))
    facets, smooth = (unit(flat + at * (0.1, 0, 0)) for at in (np.floor(x / 6) * 6, x - 3))
    assert unresolved(noise, flat, group).mean() > 0.95
    assert not unresolved(wave, flat, group).any()
    assert not unresolved(smooth, facets, group).any()
    assert not unresolved(facets, flat, group).any()
    half = np.where(x < 32, noise, flat)
    assert not unresolved(half, flat, group)[:, 40:].any()
    assert not unresolved(noise, flat, group - 1).any()


def test_ground_with_bumps_finer_than_pixels_has_no_grain() -> None:
    nodes = [
        {"type": "TEX_NOISE", "props": {}, "inputs": {"Scale": 4000.0, "Detail": 2.0}},
        {
            "type": "BUMP",
            "props": {},
            "inputs": {"Distance": 1.0, "Height": {"node": 0, "out": "Fac"}},
        },
        {"type": "BSDF_DIFFUSE", "props": {}, "inputs": {"Normal": {"node": 1, "out": "Normal"}}},
    ]
    links = {"nodes": nodes, "surface": {"node": 2, "out": "BSDF"}, "volume": None}
    ground = (plane_mesh(20.0), Material("ground", json.dumps(links)))
    lamp = lamp_at("SUN", (0, 0, 9), 3.0)
    camera = camera_at((0, -6, 4), (0, 0, 0), size=48, fov=0.5)
    lit = frame.render(lighting_of(scene_of([ground], [lamp])), camera).color[8:40, 8:40, 1]
    assert lit.mean() > 0.05
    assert lit.std() < 0.15 * lit.mean()
